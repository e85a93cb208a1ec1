//! Requests that wait for a proof, and answers of the app that wait for one.
//!
//! What is parked is sealed with a key whose halves lie in two places: ours, and the browser's parking cookie; neither
//! we nor a thief of the store can read it alone. It belongs to one session, host and subject, is given back to a
//! request of the same origin only, and to exactly one of them. A store that is late loses nothing: whoever was told so
//! can try again, see [`unsent`].

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use data_encoding::BASE64;
use http::{HeaderMap, HeaderName};

use crate::{
    arrival::{self, Arrival, Parked, Spooled, Upload},
    challenges::{Challenges, Demand, issued, origin},
    keys::Purpose,
    sessions::{
        SessionHandle,
        cookies::{self, ParkHalf, Scope},
        record::Subject,
    },
    signals,
    store::{Begin, Counted, Id, Kind, Meter, Shape, StateStore, Stored, Touch},
};

pub mod spool;
pub mod unsent;

use spool::{NotKept, Owner, Reader, Whereabouts};

/// Requests of one session that are kept within the time that they may wait.
pub const PER_SESSION_MAX: u64 = 8;
/// The same of one tenant.
pub const PER_TENANT_MAX: u64 = 10_000;
/// Bodies above this wait in files of their own; the store keeps the others.
pub const IN_STORE_BYTES_MAX: usize = 1 << 20;
/// The largest answer of the app that is withheld, whatever a policy allows: it is held in memory.
pub const WITHHELD_BYTES_MAX: usize = 64 << 20;
/// Bodies in files that are begun within the time that they may wait: of one session, and of one address, which may be any
/// number of sessions.
pub const FILES_PER_SESSION_MAX: u64 = 4;
/// See [`FILES_PER_SESSION_MAX`].
pub const FILES_PER_ADDRESS_MAX: u64 = 24;

/// Header fields that do not travel with a parked request: they belong to one connection or one moment, are set by us,
/// or are credentials, which come from the request that resumes it.
const LEFT_BEHIND: [&str; 18] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-forwarded-for",
    "x-forwarded-proto",
];

/// What is counted, and how many there may be.
type Bound = (Counted, Meter, u64);

/// What is to be parked, sealed; a body too large for the store lies in its file already.
pub struct Prepared {
    /// Its id, as addresses name it.
    pub word: String,
    id: Id,
    sealed: Vec<u8>,
    expires_ms: i64,
}

/// Seals the request, or the app's withheld answer. `None` where it cannot be kept: larger than the policy allows, not
/// read, too many are waiting, or the disk takes no more. The user then sends it again.
pub async fn prepare(
    challenges: &Challenges,
    demand: &Demand<'_>,
    half: &ParkHalf,
    has_room: bool,
) -> Option<Prepared> {
    let load = load(demand)?;
    if !has_room {
        load.forget(demand.policy.park_bytes_max).await;
        return None;
    }
    let arrival = demand.arrival;
    let word = issued::fresh_id();
    let id = issued::id_of(&word)?;
    let owner = owner(arrival, demand.session, id, half);
    let (body, spooled) = put_away(challenges, demand, load, &owner).await?;
    let parked = parked(demand, body, spooled);
    let plain = serde_json::to_vec(&parked).unwrap_or_default();
    let (tenant, expires_ms) = (&arrival.route.tenant, challenges.clock.now_ms() + lifetime_ms(demand));
    let sealed = challenges.keys.seal_split(Purpose::Parked, tenant, &owner.bound_to, &half.0, &plain);
    Some(Prepared { word, id, sealed, expires_ms })
}

/// Parks what was prepared.
///
/// # Errors
/// When the state store does not answer.
pub async fn park(challenges: &Challenges, prepared: Option<&Prepared>) -> Stored<()> {
    let Some(it) = prepared else { return Ok(()) };
    challenges.store.park(it.id, it.id, it.sealed.clone(), it.expires_ms).await
}

/// Forgets what nobody will be told of.
pub async fn forget(challenges: &Challenges, prepared: Option<&Prepared>) {
    if let Some(prepared) = prepared {
        forget_file(challenges, &prepared.id).await;
    }
}

/// What is to be kept of a request.
enum Load<'a> {
    /// The app's answer, in memory.
    Answer,
    /// A body in memory.
    Read(&'a Bytes),
    /// A body that still comes.
    Coming(&'a Upload),
}

impl Load<'_> {
    /// Whether it is, or may turn out to be, too large for the store.
    fn is_large(&self) -> bool {
        match self {
            Load::Answer => false,
            Load::Read(body) => body.len() > IN_STORE_BYTES_MAX,
            Load::Coming(upload) => upload.announced().is_none_or(|bytes| bytes > IN_STORE_BYTES_MAX as u64),
        }
    }

    /// A client that is still sending what is not kept hears nothing before it is done.
    async fn forget(&self, bytes_max: usize) {
        if let Load::Coming(upload) = self {
            let mut bytes = 0;
            while let (true, Ok(Some(piece))) = (bytes <= bytes_max, upload.next().await) {
                bytes += piece.len();
            }
        }
    }
}

/// What there is to keep; `None` where that is nothing, or more than the policy allows.
fn load<'a>(demand: &'a Demand<'_>) -> Option<Load<'a>> {
    let (arrival, bytes_max) = (demand.arrival, demand.policy.park_bytes_max);
    match (&demand.withheld, &arrival.body, &arrival.upload) {
        // A withheld answer is base64: four characters for three bytes.
        (Some(answer), _, _) => (answer.body.len() <= bytes_max.div_ceil(3).saturating_mul(4)).then_some(Load::Answer),
        (None, Some(body), _) => (body.len() <= bytes_max).then_some(Load::Read(body)),
        (None, None, Some(upload)) => {
            let fits = upload.announced().is_none_or(|bytes| bytes <= bytes_max as u64);
            fits.then_some(Load::Coming(upload))
        }
        (None, None, None) => None,
    }
}

/// Whether a file may be begun; not where that cannot be counted.
async fn may_file(challenges: &Challenges, demand: &Demand<'_>) -> bool {
    has_files(challenges, demand).await.unwrap_or(false)
}

async fn refused<T>(load: Load<'_>, demand: &Demand<'_>) -> Option<T> {
    load.forget(demand.policy.park_bytes_max).await;
    None
}

/// The body as the store keeps it, or where its file is. `None` where it is not kept; it was drawn to its end then.
async fn put_away(
    challenges: &Challenges,
    demand: &Demand<'_>,
    load: Load<'_>,
    owner: &Owner,
) -> Option<(String, Option<Spooled>)> {
    let in_store = |body: &[u8]| (BASE64.encode(body), None);
    let kept = match &load {
        Load::Answer => return Some((String::new(), None)),
        Load::Read(body) if !load.is_large() => return Some(in_store(body)),
        Load::Read(_) if !may_file(challenges, demand).await => return refused(load, demand).await,
        Load::Read(body) => spool_whole(challenges, demand, body, owner).await,
        Load::Coming(upload) => {
            let mut begun = BytesMut::new();
            let in_memory = IN_STORE_BYTES_MAX.min(demand.policy.park_bytes_max);
            while begun.len() <= in_memory && !is_larger(upload) {
                match upload.next().await.ok()? {
                    Some(piece) => begun.extend_from_slice(&piece),
                    None if begun.len() <= demand.policy.park_bytes_max => return Some(in_store(&begun)),
                    None => return None,
                }
            }
            if !may_file(challenges, demand).await {
                return refused(load, demand).await;
            }
            spool_rest(challenges, demand, begun.freeze(), upload, owner).await
        }
    };
    match kept {
        Ok(spooled) => Some((String::new(), Some(spooled))),
        Err(error) => {
            tracing::warn!(request = &*demand.arrival.id, %error, "an upload is not kept; its user is told to send it again");
            load.forget(demand.policy.park_bytes_max).await;
            None
        }
    }
}

fn is_larger(upload: &Upload) -> bool {
    upload.announced().is_some_and(|bytes| bytes > IN_STORE_BYTES_MAX as u64)
}

async fn spool_whole(
    challenges: &Challenges,
    demand: &Demand<'_>,
    body: &Bytes,
    owner: &Owner,
) -> Result<Spooled, NotKept> {
    let spool = challenges.spool.as_ref().ok_or(NotKept::Full)?;
    let mut writer = spool.begin(owner.clone(), body.len() as u64).await?;
    for piece in body.chunks(IN_STORE_BYTES_MAX) {
        writer.write(piece).await?;
    }
    writer.finish(spool, challenges.clock.now_ms() + lifetime_ms(demand)).await
}

async fn spool_rest(
    challenges: &Challenges,
    demand: &Demand<'_>,
    begun: Bytes,
    upload: &Upload,
    owner: &Owner,
) -> Result<Spooled, NotKept> {
    let spool = challenges.spool.as_ref().ok_or(NotKept::Full)?;
    let bytes_max = upload.announced().unwrap_or(demand.policy.park_bytes_max as u64);
    let mut writer = spool.begin(owner.clone(), bytes_max).await?;
    writer.write(&begun).await?;
    drop(begun);
    while let Some(piece) = upload.next().await.map_err(std::io::Error::other)? {
        writer.write(&piece).await?;
    }
    writer.finish(spool, challenges.clock.now_ms() + lifetime_ms(demand)).await
}

/// Where the body of something parked is; with it, unless it has a file.
pub async fn whereabouts(challenges: &Challenges, word: &str, parked: &Parked) -> Whereabouts {
    match (&parked.spooled, &challenges.spool, issued::id_of(word)) {
        (None, _, _) => Whereabouts::Here,
        (Some(spooled), Some(spool), Some(id)) => spool.whereabouts(&id, spooled).await,
        // This node keeps no files, so it was another.
        (Some(_), None, _) => Whereabouts::Elsewhere,
        (Some(_), Some(_), None) => Whereabouts::Nowhere,
    }
}

/// The body of a parked request that was taken, to be sent; its file is gone for everybody else. `None` where it cannot
/// be sent as it was.
pub async fn unspool(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &SessionHandle,
    word: &str,
    spooled: Spooled,
) -> Option<Reader> {
    let (spool, owner) = files_of(challenges, arrival, session, word)?;
    spool.claim(owner, spooled).await
}

/// The body of a parked request, where an event reads it; it stays where it is.
pub async fn look_into(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &SessionHandle,
    word: &str,
    spooled: Spooled,
) -> Option<Bytes> {
    let (spool, owner) = files_of(challenges, arrival, session, word)?;
    spool.look(owner, spooled).await
}

fn files_of<'c>(
    challenges: &'c Challenges,
    arrival: &Arrival,
    session: &SessionHandle,
    word: &str,
) -> Option<(&'c spool::Spool, Owner)> {
    let half = cookies::read_park(&arrival.request)?;
    let owner = owner(arrival, session, issued::id_of(word)?, &half);
    challenges.spool.as_ref().map(|spool| (spool, owner))
}

fn owner(arrival: &Arrival, session: &SessionHandle, parked: Id, half: &ParkHalf) -> Owner {
    let bound_to = issued::owner(arrival, session, parked);
    Owner { parked, tenant: arrival.route.tenant.clone(), bound_to, half: *half }
}

async fn forget_file(challenges: &Challenges, id: &Id) {
    if let Some(spool) = &challenges.spool {
        spool.remove(id).await;
    }
}

/// How long a challenge and what is parked for it live: what the policy says, between one minute and one hour.
pub fn lifetime_ms(demand: &Demand<'_>) -> i64 {
    i64::try_from(demand.policy.park_ms).unwrap_or(i64::MAX).clamp(60_000, 3_600_000)
}

/// The browser's half of the key, and the cookie that gives it to the browser if it has none.
pub fn half(arrival: &Arrival, scope: Scope) -> (ParkHalf, Option<String>) {
    match cookies::read_park(&arrival.request) {
        Some(half) => (half, None),
        None => {
            let half = cookies::make_park();
            (half, Some(cookies::set_park(&half, scope)))
        }
    }
}

/// What lies in the store under an id, still sealed; says nothing about whose it is.
///
/// # Errors
/// When the state store does not answer.
pub async fn fetch(challenges: &Challenges, word: &str) -> Stored<Option<Vec<u8>>> {
    let Some(id) = issued::id_of(word) else { return Ok(None) };
    let now_ms = challenges.clock.now_ms();
    match challenges.store.peek_parked(now_ms, id, id).await? {
        Some(sealed) => Ok(Some(sealed)),
        None => taken_by(challenges, now_ms, id, &challenges.unsent.left(&id)).await,
    }
}

/// What was fetched, if it is this browser's; for the live request, as the browser sent it.
pub fn opened(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &SessionHandle,
    subject: Option<&Subject>,
    word: &str,
    sealed: &[u8],
) -> Option<Parked> {
    let id = issued::id_of(word)?;
    open(challenges, arrival, session, subject, id, sealed).filter(|_| origin::is_own(arrival))
}

/// Looks without taking; for the live request, as the browser sent it.
pub async fn peek(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &SessionHandle,
    subject: Option<&Subject>,
    word: &str,
) -> Stored<Option<Parked>> {
    let parked = find(challenges, arrival, session, subject, word).await?;
    Ok(parked.filter(|_| origin::is_own(arrival)))
}

/// Takes it: for exactly one caller. `found` is what was found under this id for the same browser, where this request has
/// looked; else it is looked for. The request may be the live one, or the parked one in its place, which carries the
/// origin that it was parked with. On an error nothing was taken for good: the same browser may ask again.
pub async fn take(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &SessionHandle,
    subject: Option<&Subject>,
    word: &str,
    found: Option<&Parked>,
) -> Stored<Option<Parked>> {
    // Who may not have it must not use up the one time.
    let may = |parked: &Parked| {
        let origin = parked.headers.iter().find(|(name, _)| name == "origin").map(|(_, value)| value.as_str());
        origin::is_own(arrival) || (origin.is_some() && origin == arrival.request.header("origin"))
    };
    let may = match found {
        Some(found) => may(found),
        None => find(challenges, arrival, session, subject, word).await?.is_some_and(|found| may(&found)),
    };
    let Some(id) = issued::id_of(word).filter(|_| may) else { return Ok(None) };
    let now_ms = challenges.clock.now_ms();
    let claim = challenges.unsent.claim(id, now_ms);
    let sealed = taken_by(challenges, now_ms, id, &claim.nonces).await?;
    claim.settle();
    Ok(sealed.and_then(|sealed| open(challenges, arrival, session, subject, id, &sealed)))
}

/// What one of these nonces has, or gets.
async fn taken_by(challenges: &Challenges, now_ms: i64, id: Id, nonces: &[Id]) -> Stored<Option<Vec<u8>>> {
    for nonce in nonces {
        if let Some(sealed) = challenges.store.take_parked(now_ms, id, id, *nonce).await? {
            return Ok(Some(sealed));
        }
    }
    Ok(None)
}

async fn find(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &SessionHandle,
    subject: Option<&Subject>,
    word: &str,
) -> Stored<Option<Parked>> {
    let Some(id) = issued::id_of(word) else { return Ok(None) };
    let sealed = fetch(challenges, word).await?;
    Ok(sealed.and_then(|sealed| open(challenges, arrival, session, subject, id, &sealed)))
}

/// Drops it.
pub async fn discard(challenges: &Challenges, word: &str) -> Stored<()> {
    match issued::id_of(word) {
        Some(id) => {
            challenges.unsent.forget(&id);
            challenges.store.drop_parked(id, id).await?;
            forget_file(challenges, &id).await;
            Ok(())
        }
        None => Ok(()),
    }
}

/// Whether it is still waiting; says nothing about whose it is.
pub async fn is_waiting(challenges: &Challenges, word: &str) -> Stored<bool> {
    match issued::id_of(word) {
        Some(id) if !challenges.unsent.left(&id).is_empty() => Ok(true),
        Some(id) => Ok(challenges.store.peek_parked(challenges.clock.now_ms(), id, id).await?.is_some()),
        None => Ok(false),
    }
}

fn open(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &SessionHandle,
    subject: Option<&Subject>,
    id: Id,
    sealed: &[u8],
) -> Option<Parked> {
    let half = cookies::read_park(&arrival.request)?;
    let owner = issued::owner(arrival, session, id);
    let opened = challenges.keys.open_split(Purpose::Parked, &arrival.route.tenant, &owner, &half.0, sealed).ok()?;
    let parked: Parked = serde_json::from_slice(&opened.plain).ok()?;
    let is_same = parked.subject.as_deref() == subject.map(|it| &*it.name);
    is_same.then_some(parked)
}

/// Counts what waits, where something is to: a bound on memory, not on anyone's tries.
///
/// # Errors
/// When the state store does not answer.
pub async fn has_room(challenges: &Challenges, demand: &Demand<'_>, is_wanted: bool) -> Stored<bool> {
    if load(demand).filter(|_| is_wanted).is_none() {
        return Ok(false);
    }
    is_within(challenges, room(challenges, demand)).await
}

/// Whether what is to be parked is, or may turn out to be, too large for the store.
pub fn is_large(demand: &Demand<'_>) -> bool {
    load(demand).is_some_and(|load| load.is_large())
}

/// What is counted of it, and the bounds.
pub fn room(challenges: &Challenges, demand: &Demand<'_>) -> [Bound; 2] {
    let tenant = &demand.arrival.route.tenant;
    let session = Counted { kind: Kind::Session, id: demand.session.record.lineage };
    let everyone = Counted { kind: Kind::Session, id: challenges.keys.pseudonym(tenant, "parking", "") };
    let few = meter(challenges, demand, "meter", Shape::Exact { keep: 32 });
    let many = meter(challenges, demand, "meter", Shape::Buckets);
    [(session, few, PER_SESSION_MAX), (everyone, many, PER_TENANT_MAX)]
}

/// Counts a body that needs a file.
async fn has_files(challenges: &Challenges, demand: &Demand<'_>) -> Stored<bool> {
    let session = Counted { kind: Kind::Session, id: demand.session.record.lineage };
    let address = signals::address(&challenges.keys, &demand.arrival.route.tenant, demand.arrival.request.client_ip);
    let address = Counted { kind: Kind::Ip, id: address };
    let few = meter(challenges, demand, "files", Shape::Exact { keep: 32 });
    is_within(challenges, [(session, few, FILES_PER_SESSION_MAX), (address, few, FILES_PER_ADDRESS_MAX)]).await
}

fn meter(challenges: &Challenges, demand: &Demand<'_>, what: &str, shape: Shape) -> Meter {
    let window = Duration::from_millis(lifetime_ms(demand).unsigned_abs());
    Meter { name: meter_name(challenges, what), window, shape }
}

/// Counts one more; whether that is within both bounds.
///
/// # Errors
/// When the state store does not answer.
pub async fn is_within(challenges: &Challenges, bounds: [Bound; 2]) -> Stored<bool> {
    let meters = bounds.map(|(who, meter, _)| (who, meter, Touch::Hit));
    let begin = Begin { meters: &meters, ..Begin::default() };
    let standing = challenges.store.begin(challenges.clock.now_ms(), begin).await?;
    let fits = standing.counts.iter().zip(bounds).all(|(count, (_, _, limit))| *count <= limit);
    Ok(fits && standing.counts.len() == meters.len())
}

fn meter_name(challenges: &Challenges, what: &str) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = challenges.keys.pseudonym("", "parking", what);
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

fn parked(demand: &Demand<'_>, body: String, spooled: Option<Spooled>) -> Parked {
    let arrival = demand.arrival;
    Parked {
        event: demand.policy.event.clone(),
        subject: demand.subject.map(|it| it.name.clone()),
        method: arrival.request.method.clone(),
        host: arrival.request.host.clone(),
        target: target(arrival).into(),
        headers: travelling(&arrival.headers),
        body,
        spooled,
        answer: demand.withheld.clone(),
        asked: demand.asked.cloned(),
    }
}

/// Path and query as received.
pub fn target(arrival: &Arrival) -> String {
    match &arrival.request.query {
        Some(query) => format!("{}?{query}", arrival.request.path),
        None => arrival.request.path.to_string(),
    }
}

fn travelling(headers: &HeaderMap) -> Vec<(String, String)> {
    let travels = |name: &HeaderName| !LEFT_BEHIND.contains(&name.as_str()) && !name.as_str().starts_with("stepward-");
    let fields = headers.iter().filter(|(name, _)| travels(name));
    fields.map(|(name, value)| (name.to_string(), arrival::kept(value))).collect()
}
