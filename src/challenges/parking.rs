//! Requests that wait for a proof, and answers of the app that wait for one.
//!
//! What is parked is sealed with a key whose halves lie in two places: ours, and the browser's parking cookie; neither
//! we nor a thief of the store can read it alone. It belongs to one session, host and subject, is given back to a
//! request of the same origin only, and to exactly one of them. A store that is late loses nothing: whoever was told so
//! can try again, see [`unsent`].

use std::time::Duration;

use http::{HeaderMap, HeaderName};

use crate::{
    arrival::{self, Arrival, Parked},
    challenges::{Challenges, Demand, issued, origin},
    keys::Purpose,
    sessions::{
        SessionHandle,
        cookies::{self, ParkHalf, Scope},
        record::Subject,
    },
    store::{Begin, Counted, Id, Kind, Meter, Shape, StateStore, Stored, Touch},
};

pub mod unsent;

/// Requests of one session that wait at once.
pub const PER_SESSION_MAX: u64 = 8;
/// Requests of one tenant that wait at once.
pub const PER_TENANT_MAX: u64 = 10_000;

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

/// Keeps the request, or the app's withheld answer. `None` where it cannot be kept: larger than the policy allows, not
/// read, or too many are waiting. The user then sends it again.
pub async fn park(challenges: &Challenges, demand: &Demand<'_>, half: &ParkHalf) -> Stored<Option<String>> {
    let arrival = demand.arrival;
    let size =
        demand.withheld.as_ref().map(|answer| answer.body.len()).or(arrival.body.as_ref().map(|body| body.len()));
    // A withheld answer is base64: four characters for three bytes.
    let limit = demand.policy.park_bytes_max * if demand.withheld.is_some() { 4 } else { 3 } / 3;
    if size.is_none_or(|size| size > limit) || !has_room(challenges, demand).await? {
        return Ok(None);
    }
    let parked = parked(demand);
    let word = issued::fresh_id();
    let Some(id) = issued::id_of(&word) else { return Ok(None) };
    let plain = serde_json::to_vec(&parked).unwrap_or_default();
    let owner = issued::owner(arrival, demand.session, id);
    let sealed = challenges.keys.seal_split(Purpose::Parked, &arrival.route.tenant, &owner, &half.0, &plain);
    let expires_ms = challenges.clock.now_ms() + lifetime_ms(demand);
    challenges.store.park(id, id, sealed, expires_ms).await?;
    Ok(Some(word))
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

/// Takes it: for exactly one caller. The request may be the live one, or the parked one in its place, which carries the
/// origin that it was parked with. On an error nothing was taken for good: the same browser may ask again.
pub async fn take(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &SessionHandle,
    subject: Option<&Subject>,
    word: &str,
) -> Stored<Option<Parked>> {
    // Who may not have it must not use up the one time.
    let may = |parked: &Parked| {
        let origin = parked.headers.iter().find(|(name, _)| name == "origin").map(|(_, value)| value.as_str());
        origin::is_own(arrival) || (origin.is_some() && origin == arrival.request.header("origin"))
    };
    let found = find(challenges, arrival, session, subject, word).await?;
    let (Some(id), Some(_)) = (issued::id_of(word), found.filter(may)) else { return Ok(None) };
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
    let now_ms = challenges.clock.now_ms();
    let sealed = match challenges.store.peek_parked(now_ms, id, id).await? {
        Some(sealed) => Some(sealed),
        None => taken_by(challenges, now_ms, id, &challenges.unsent.left(&id)).await?,
    };
    Ok(sealed.and_then(|sealed| open(challenges, arrival, session, subject, id, &sealed)))
}

/// Drops it.
pub async fn discard(challenges: &Challenges, word: &str) -> Stored<()> {
    match issued::id_of(word) {
        Some(id) => {
            challenges.unsent.forget(&id);
            challenges.store.drop_parked(id, id).await
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

/// Counts what waits: a bound on memory, not on anyone's tries.
async fn has_room(challenges: &Challenges, demand: &Demand<'_>) -> Stored<bool> {
    let tenant = &demand.arrival.route.tenant;
    let window = Duration::from_millis(lifetime_ms(demand).unsigned_abs());
    let session = Counted { kind: Kind::Session, id: demand.session.record.lineage };
    let everyone = Counted { kind: Kind::Session, id: challenges.keys.pseudonym(tenant, "parking", "") };
    let mut name = [0; 8];
    name.copy_from_slice(&challenges.keys.pseudonym("", "parking", "meter")[..8]);
    let name = u64::from_be_bytes(name);
    let meters = [
        (session, Meter { name, window, shape: Shape::Exact { keep: 32 } }, Touch::Hit),
        (everyone, Meter { name, window, shape: Shape::Buckets }, Touch::Hit),
    ];
    let standing =
        challenges.store.begin(challenges.clock.now_ms(), Begin { meters: &meters, ..Begin::default() }).await?;
    Ok(matches!(standing.counts[..], [own, all] if own <= PER_SESSION_MAX && all <= PER_TENANT_MAX))
}

fn parked(demand: &Demand<'_>) -> Parked {
    let arrival = demand.arrival;
    let body = match (&demand.withheld, &arrival.body) {
        (None, Some(body)) => data_encoding::BASE64.encode(body),
        (Some(_), _) | (None, None) => String::new(),
    };
    Parked {
        event: demand.policy.event.clone(),
        subject: demand.subject.map(|it| it.name.clone()),
        method: arrival.request.method.clone(),
        host: arrival.request.host.clone(),
        target: target(arrival).into(),
        headers: travelling(&arrival.headers),
        body,
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
