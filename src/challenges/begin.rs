//! Issuing a challenge: whether it can be asked at all, what is kept, and how the client is told.

use std::sync::Arc;

use http::header;
use stepward_core::{decision::Reason, policy::Policy, session::Method, value::Type};

use crate::{
    arrival::{Arrival, Client},
    challenges::{
        Begun, Challenges, Demand,
        attempts::Lane,
        authenticators, captcha,
        code::Asked,
        contacts::Reach,
        issued::{self, Afterwards, Issued, OnFail},
        origin,
        parking::{self, Prepared},
        problem,
    },
    keys::Purpose,
    reply::Reply,
    sessions::{
        Committed, SessionHandle,
        cookies::{self, Scope},
    },
    store::{Drawer, Id, StateStore, Stored},
};

/// A proof at least this strong makes its device known: not a mailbox, not a computation (DESIGN §9).
const STRENGTH_OF_A_KNOWN_DEVICE: u8 = 2;

/// See [`Challenges::begin`].
pub async fn begin(challenges: &Challenges, mut demand: Demand<'_>) -> Stored<Begun> {
    let arrival = demand.arrival;
    let Some(scope) = Scope::of(&arrival.request) else { return Ok(Begun::Refused(Reason::TransportInsecure)) };
    let runnable = challenges.runnable_at(&arrival.request.host);
    let group = demand.challenge.approval.as_ref().map(|it| &*it.group);
    let requester = demand.subject.map(|it| it.account);
    let is_approvable = challenges.is_approvable(&arrival.route.tenant, group, requester);
    let can_be_asked = |it: &Method| runnable.contains(it) && (*it != Method::Approval || is_approvable);
    let methods: Vec<Method> = demand.challenge.methods.iter().copied().filter(can_be_asked).collect();
    if methods.is_empty() {
        return Ok(Begun::Refused(Reason::ChallengeImpossible));
    }
    let is_kept = demand.withheld.is_some() || demand.resuming.is_some();
    if is_foreign(arrival, demand.policy, is_kept) {
        return Ok(Begun::Refused(Reason::CrossSite));
    }
    let (half, park_cookie) = parking::half(arrival, scope);
    let mut issued = issue(challenges, &demand, methods);
    let is_parked = is_parked_anew(&demand);
    // What is small is parked while it is counted whether there is room for it; a large body is not even read before.
    let is_counted_first = is_parked && parking::is_large(&demand);
    let (read, has_room) = tokio::try_join!(
        async {
            match demand.ways.filter(|ways| ways.are_of(&issued)) {
                Some(_) => Ok(None),
                None => ways(challenges, &asker(&demand, &issued), &issued.methods).await.map(Some),
            }
        },
        parking::has_room(challenges, &demand, is_counted_first),
    )?;
    let Some(standing) = read.as_ref().or(demand.ways) else { return Ok(Begun::Refused(Reason::Internal)) };
    if issued.methods.iter().all(|method| standing.closed_until(*method).is_some()) {
        return Ok(Begun::Spent(issued.on_fail.outcome()));
    }
    let first = standing.first(challenges, &issued);
    let parked = match is_parked {
        true => parking::prepare(challenges, &demand, &half, has_room || !is_counted_first).await,
        false => None,
    };
    // An upload may have taken its time to arrive; the user has as long as anybody else.
    let arriving_ms = challenges.clock.now_ms().saturating_sub(issued.issued_ms).max(0);
    issued.expires_ms = issued.expires_ms.saturating_add(arriving_ms);
    issued.parked_until_ms = issued.parked_until_ms.saturating_add(arriving_ms);
    let Some((id, mut cookies)) = keep(challenges, &mut demand, &mut issued, scope, parked, is_counted_first).await?
    else {
        return Ok(Begun::Refused(Reason::ResumeGone));
    };
    if Reach::of(first).is_some() {
        send_first_code(challenges, arrival, demand.session, &issued, &id, first).await?;
    }
    cookies.extend(park_cookie.filter(|_| issued.afterwards.parked().is_some()));
    let reply = match arrival.client {
        Client::Page => problem::to_challenge(&id),
        Client::Fetch | Client::Api => problem::challenge(challenges, &mut demand, &issued, &id),
    };
    Ok(Begun::Asked(with_cookies(reply, cookies)))
}

fn asker<'a>(demand: &'a Demand<'_>, issued: &Issued) -> Asker<'a> {
    let Issued { account, is_verified, .. } = *issued;
    Asker { arrival: demand.arrival, session: Some(demand.session), account, is_verified }
}

/// Keeps the challenge, the session and what is parked for them, in one wait for the store; the challenge's id and the
/// cookies that belong to it. `None`: the session ended in the meantime. What turns out to have no room is dropped again,
/// and its user sends it once more.
async fn keep(
    challenges: &Challenges,
    demand: &mut Demand<'_>,
    issued: &mut Issued,
    scope: Scope,
    parked: Option<Prepared>,
    is_counted: bool,
) -> Stored<Option<(String, Vec<String>)>> {
    issued.afterwards = afterwards(demand, parked.as_ref().map(|it| it.word.clone()));
    let id = issued::fresh_id();
    let sealed = issued::sealed(challenges, demand.arrival, demand.session, &id, issued);
    let room = parking::room(challenges, demand);
    let written = tokio::try_join!(
        parking::park(challenges, parked.as_ref()),
        keep_session(challenges, demand.arrival, demand.session, scope),
        issued::keep_sealed(challenges, sealed, issued),
        async {
            match parked.is_some() && !is_counted {
                true => parking::is_within(challenges, room).await,
                false => Ok(true),
            }
        },
    );
    let (_, cookies, (), has_room) = match written {
        Ok(written) => written,
        Err(error) => {
            parking::forget(challenges, parked.as_ref()).await;
            return Err(error);
        }
    };
    if let Some(parked) = parked.as_ref().filter(|_| cookies.is_none() || !has_room) {
        parking::discard(challenges, &parked.word).await?;
    }
    let Some(cookies) = cookies else { return Ok(None) };
    if has_room {
        return Ok(Some((id, cookies)));
    }
    // Nobody has heard of the first one.
    issued.afterwards = afterwards(demand, None);
    let id = issued::fresh_id();
    issued::keep(challenges, demand.arrival, demand.session, &id, issued).await?;
    Ok(Some((id, cookies)))
}

/// Writes the session if it is new or changed, and gives the browser its ticket. `None`: it ended in the meantime.
pub async fn keep_session(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &mut SessionHandle,
    scope: Scope,
) -> Stored<Option<Vec<String>>> {
    let is_new = session.is_new();
    if session.commit(&challenges.sessions, &*challenges.store).await? == Committed::Gone {
        tracing::debug!(request = &*arrival.id, "a session ended while it was in use");
        return Ok(None);
    }
    Ok(Some(is_new.then(|| session.set_cookie(&challenges.sessions, scope)).into_iter().collect()))
}

/// The device is known for the account from now on, and its browser keeps a cookie that says which it is. One that cannot be
/// kept is asked again the next time: the proof stands.
pub async fn keep_device(
    challenges: &Challenges,
    arrival: &Arrival,
    issued: &Issued,
    method: Method,
) -> Option<String> {
    let makes_known = method.shows_the_subject() && method.strength() >= STRENGTH_OF_A_KNOWN_DEVICE;
    let account = issued.account.filter(|_| makes_known);
    let (Some(account), Some(scope)) = (account, Scope::of(&arrival.request)) else { return None };
    let (keys, tenant, host) = (&challenges.keys, &arrival.route.tenant, &arrival.request.host);
    let now_ms = challenges.clock.now_ms();
    let (device, cookie) = match cookies::read_device(keys, now_ms, tenant, &arrival.request) {
        Some(device) => (device.id, cookies::renew_device(keys, now_ms, tenant, host, scope, &device)),
        None => cookies::make_device(keys, now_ms, tenant, host, scope),
    };
    let sealed = challenges.device_used(tenant, account, device, method);
    match challenges.store.enrol(account, Drawer::Devices, device, sealed).await {
        Ok(()) => Some(cookie),
        Err(error) => {
            tracing::warn!(%error, "a device is not known, though a proof was given on it");
            None
        }
    }
}

/// Adds cookies to an answer.
pub fn with_cookies(mut reply: Reply, cookies: Vec<String>) -> Reply {
    for cookie in cookies {
        reply.set(header::SET_COOKIE, &cookie);
    }
    reply
}

/// What is known of the ways to meet a challenge, before one is shown.
#[derive(Debug)]
pub struct Ways {
    /// Whose they are, and whether that is who is there rather than whom a request names.
    account: Option<Id>,
    is_verified: bool,
    /// All that there are.
    methods: Vec<Method>,
    /// Closed for now, and until when: wrong answers were too many.
    closed: Vec<(Method, i64)>,
    /// Used last, in this session or, by this account, on this device.
    used_last: Option<Method>,
    /// What is set up, where somebody is verified; a subject that is merely claimed must not learn that.
    set_up: Option<Vec<Method>>,
}

impl Ways {
    /// Whether every one of them is closed, so that asking for them asks for nothing.
    pub fn are_spent(&self) -> bool {
        self.methods.iter().all(|method| self.closed_until(*method).is_some())
    }

    /// Whether they are those of this challenge.
    fn are_of(&self, issued: &Issued) -> bool {
        let are_all = issued.methods.iter().all(|method| self.methods.contains(method));
        are_all && (self.account, self.is_verified) == (issued.account, issued.is_verified)
    }

    /// Until when a method is closed, in milliseconds since the Unix epoch, if it is.
    pub fn closed_until(&self, method: Method) -> Option<i64> {
        self.closed.iter().find(|(closed, _)| *closed == method).map(|(_, until)| *until)
    }

    /// The method that is shown first: the one used last, else the first that is set up, else the policy's first. What
    /// cannot be used at the moment comes last: a method that is closed, a test that no vendor can check, a provider that did
    /// not answer lately.
    pub fn first(&self, challenges: &Challenges, issued: &Issued) -> Method {
        let answers = |method: &Method| match method {
            Method::Captcha => captcha::is_there(challenges),
            Method::Oidc => !challenges.is_provider_silent(),
            Method::IdDocument | Method::Push => challenges.vendors().begins(*method),
            _ => true,
        };
        let is_at_hand = |method: &Method| self.closed_until(*method).is_none() && answers(method);
        let at_hand: Vec<Method> = issued.methods.iter().copied().filter(is_at_hand).collect();
        let is_set_up = |method: &Method| self.set_up.as_ref().is_some_and(|set_up| set_up.contains(method));
        let used_last = self.used_last.filter(|method| at_hand.contains(method));
        let best = used_last.or_else(|| at_hand.iter().copied().find(is_set_up));
        best.or(at_hand.first().copied()).or(issued.methods.first().copied()).unwrap_or(Method::Pow)
    }
}

/// Whose ways to meet a challenge are asked for.
pub struct Asker<'a> {
    /// The request.
    pub arrival: &'a Arrival,
    /// Its session; without one there will be a new one, which has tried nothing yet.
    pub session: Option<&'a SessionHandle>,
    /// Whose proof is asked for.
    pub account: Option<Id>,
    /// Whether that is who is there.
    pub is_verified: bool,
}

/// See [`Ways::first`]; asks the store for what it needs to know, at once.
///
/// # Errors
/// When the state store does not answer.
pub async fn ways(challenges: &Challenges, asker: &Asker<'_>, methods: &[Method]) -> Stored<Ways> {
    let Asker { arrival, session, account, is_verified } = *asker;
    let tenant = &arrival.route.tenant;
    let now_ms = challenges.clock.now_ms();
    let device = cookies::read_device(&challenges.keys, now_ms, tenant, &arrival.request).map(|device| device.id);
    // Whoever holds the cookie of a device has proven that account on it before: it learns nothing new.
    let here = account.zip(device);
    let entries: Vec<_> = here.map(|(account, device)| (account, Drawer::Devices, device)).into_iter().collect();
    let (standing, set_up) = tokio::try_join!(
        challenges.closed_among(tenant, session, account, methods, &entries),
        set_up(challenges, tenant, account.filter(|_| is_verified)),
    )?;
    let (closed, found) = standing;
    let proofs = session.into_iter().flat_map(|session| session.record.proofs_for(account));
    let in_session = proofs.filter(|proof| methods.contains(&proof.method));
    let in_session = in_session.max_by_key(|proof| proof.at_ms).map(|proof| proof.method);
    let on_device = || {
        let (account, device) = here?;
        let sealed = found.into_iter().next().flatten()?;
        challenges.used_on_device(tenant, account, device, &sealed)
    };
    let used_last = in_session.or_else(on_device);
    Ok(Ways { account, is_verified, methods: methods.to_vec(), closed, used_last, set_up })
}

/// What an account has set up; `None` where nobody may know.
async fn set_up(challenges: &Challenges, tenant: &str, account: Option<Id>) -> Stored<Option<Vec<Method>>> {
    let Some(account) = account else { return Ok(None) };
    let contacts = challenges.contacts();
    let (kept, has_mailbox, has_telephone) = tokio::try_join!(
        authenticators::all(challenges, tenant, account),
        contacts.has(Reach::Mail, tenant, account),
        contacts.has(Reach::Phone, tenant, account),
    )?;
    let is_set_up = |method: &Method| match method {
        Method::Passkey | Method::Totp | Method::RecoveryCode => kept.iter().any(|it| it.method() == *method),
        Method::EmailCode => has_mailbox,
        Method::SmsCode | Method::VoiceCode => has_telephone,
        _ => true,
    };
    Ok(Some(Method::ALL.into_iter().filter(is_set_up).collect()))
}

impl Challenges {
    /// What is kept of a device on which an account has given a proof: when, and by which method, which is shown first
    /// there the next time.
    pub fn device_used(&self, tenant: &str, account: Id, device: Id, method: Method) -> Vec<u8> {
        let plain = [&self.clock.now_ms().to_le_bytes()[..], method.name().as_bytes()].concat();
        self.keys.seal(Purpose::Device, tenant, &[account, device].concat(), &plain)
    }

    fn used_on_device(&self, tenant: &str, account: Id, device: Id, sealed: &[u8]) -> Option<Method> {
        let opened = self.keys.open(Purpose::Device, tenant, &[account, device].concat(), sealed).ok()?;
        let (_, method) = opened.plain.split_first_chunk::<8>()?;
        Method::named(std::str::from_utf8(method).ok()?)
    }
}

/// A request that changes something and was sent by a page of another site. What is kept already, a parked request or a
/// withheld answer, is not kept again.
pub fn is_foreign(arrival: &Arrival, policy: &Policy, is_kept: bool) -> bool {
    !is_kept && !is_safe(arrival) && !origin::is_own(arrival) && !origin::is_one_of(arrival, &policy.allowed_origins)
}

fn is_safe(arrival: &Arrival) -> bool {
    matches!(&*arrival.request.method, "GET" | "HEAD")
}

/// Whether a request is simply sent again by its client: it changes nothing and nothing of it is withheld.
fn is_fetched_again(demand: &Demand<'_>) -> bool {
    is_safe(demand.arrival) && demand.withheld.is_none() && demand.resuming.is_none()
}

/// Whether the request, or the app's answer to it, is to be parked: it is not yet, and its client does not repeat it by
/// itself.
fn is_parked_anew(demand: &Demand<'_>) -> bool {
    if demand.resuming.is_some() || is_fetched_again(demand) {
        return false;
    }
    // A program repeats its call once it has a proof, but no answer of the app that was withheld.
    let is_sent_again = demand.arrival.client == Client::Api && demand.withheld.is_none();
    // What a browser cannot be sent back to by our page is not worth keeping.
    let is_local = origin::local(&parking::target(demand.arrival)).is_some();
    !is_sent_again && (is_local || demand.arrival.client != Client::Page)
}

/// What happens once it is met; `parked` is what was parked for it just now.
fn afterwards(demand: &Demand<'_>, parked: Option<String>) -> Afterwards {
    // A resumed request stands here as it was parked: its own method, target and body.
    let target = parking::target(demand.arrival);
    let is_page = demand.arrival.client == Client::Page;
    if is_fetched_again(demand) {
        return if is_page { Afterwards::Fetch { target } } else { Afterwards::Repeat { parked: None } };
    }
    match demand.resuming.map(str::to_string).or(parked) {
        parked if !is_page => Afterwards::Repeat { parked },
        Some(_) if origin::local(&target).is_none() => Afterwards::Again,
        Some(parked) if demand.withheld.is_some() => Afterwards::Release { target, parked },
        Some(parked) => Afterwards::Send { target, parked },
        None => Afterwards::Again,
    }
}

fn issue(challenges: &Challenges, demand: &Demand<'_>, methods: Vec<Method>) -> Issued {
    let now_ms = challenges.clock.now_ms();
    let longest = methods.iter().map(|it| challenges.longest_ms(*it)).max().unwrap_or(0);
    // What is parked goes first: then the proof remains, and lets the repeated request through.
    let parked_ms = parking::lifetime_ms(demand);
    // Whoever thinks about it for as long as the request is kept and then asks a colleague has the whole time all the same.
    let asked_late_ms = if methods.contains(&Method::Approval) { parked_ms } else { 0 };
    let lifetime_ms = parked_ms.max(longest.saturating_add(asked_late_ms));
    let verified = demand.subject.map(|it| (it.name.clone(), it.account));
    let (subject, account) = verified.or_else(|| demand.claimed.clone()).unzip();
    Issued {
        event: demand.policy.event.clone(),
        decision_id: demand.decision_id.into(),
        account,
        subject,
        is_verified: demand.subject.is_some(),
        methods,
        bound_to: demand.challenge.binding.as_ref().map(|it| it.digest),
        approval: demand
            .challenge
            .approval
            .as_ref()
            .map(|it| issued::Approval { group: it.group.clone(), digest: it.digest }),
        shown: demand.shown.clone(),
        numbers: numbers(demand),
        tell: demand.tell.map(Arc::from),
        attempts: demand.challenge.attempts,
        on_fail: OnFail::of(&demand.challenge.on_fail),
        enrol_allowed: demand.challenge.enrol_allowed,
        issued_ms: now_ms,
        expires_ms: now_ms + lifetime_ms,
        parked_until_ms: now_ms + parked_ms,
        afterwards: Afterwards::Again,
    }
}

/// Which of the shown values are amounts; an account number made of digits is text.
fn numbers(demand: &Demand<'_>) -> Vec<String> {
    let slots = demand.policy.slots.iter().filter(|slot| matches!(slot.kind, Type::Int | Type::Number));
    let named: Vec<&str> = slots.map(|slot| slot.name.strip_prefix("event.").unwrap_or(&slot.name)).collect();
    demand.shown.iter().map(|(name, _)| name.clone()).filter(|name| named.contains(&name.as_str())).collect()
}

async fn send_first_code(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &SessionHandle,
    issued: &Issued,
    word: &str,
    method: Method,
) -> Stored<()> {
    let Some(id) = issued::id_of(word) else { return Ok(()) };
    let lane = Lane::of(challenges, arrival, session, issued, method);
    let asked = Asked { tenant: &arrival.route.tenant, host: &arrival.request.host, method, id, issued, lane: &lane };
    challenges.send_code(&asked, &problem::locale(challenges, arrival)).await?;
    Ok(())
}
