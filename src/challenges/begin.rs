//! Issuing a challenge: whether it can be asked at all, what is kept, and how the client is told.

use std::sync::Arc;

use http::header;
use stepward_core::{decision::Reason, policy::Policy, session::Method};

use crate::{
    arrival::{Arrival, Client},
    challenges::{
        Begun, Challenges, Demand,
        attempts::Lane,
        authenticators, captcha,
        code::Asked,
        contacts::Reach,
        issued::{self, Afterwards, Issued, OnFail},
        origin, parking, problem,
    },
    reply::Reply,
    sessions::{
        Committed, SessionHandle,
        cookies::{ParkHalf, Scope},
    },
    store::Stored,
};

/// See [`Challenges::begin`].
pub async fn begin(challenges: &Challenges, mut demand: Demand<'_>) -> Stored<Begun> {
    let arrival = demand.arrival;
    let Some(scope) = Scope::of(&arrival.request) else { return Ok(Begun::Refused(Reason::TransportInsecure)) };
    let runnable = challenges.runnable();
    let methods: Vec<Method> = demand.challenge.methods.iter().copied().filter(|it| runnable.contains(it)).collect();
    if methods.is_empty() {
        return Ok(Begun::Refused(Reason::ChallengeImpossible));
    }
    let is_kept = demand.withheld.is_some() || demand.resuming.is_some();
    if is_foreign(arrival, demand.policy, is_kept) {
        return Ok(Begun::Refused(Reason::CrossSite));
    }
    let (half, park_cookie) = parking::half(arrival, scope);
    let mut issued = issue(challenges, &demand, methods);
    let tenant = &arrival.route.tenant;
    if challenges.are_spent(tenant, Some(&*demand.session), issued.account, &issued.methods).await? {
        return Ok(Begun::Spent(issued.on_fail.outcome()));
    }
    issued.afterwards = afterwards(challenges, &demand, &half).await?;
    let id = issued::fresh_id();
    let Some(mut cookies) = keep_session(challenges, arrival, demand.session, scope).await? else {
        return Ok(Begun::Refused(Reason::ResumeGone));
    };
    issued::keep(challenges, arrival, demand.session, &id, &issued).await?;
    let first = first_method(challenges, arrival, demand.session, &issued, demand.subject.is_some()).await?;
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

/// Adds cookies to an answer.
pub fn with_cookies(mut reply: Reply, cookies: Vec<String>) -> Reply {
    for cookie in cookies {
        reply.set(header::SET_COOKIE, &cookie);
    }
    reply
}

/// The method that is shown first: the one used last in this session; for a verified subject the first that is set up;
/// else the policy's first. A subject that is merely claimed must not learn what is set up.
pub async fn first_method(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &SessionHandle,
    issued: &Issued,
    is_verified: bool,
) -> Stored<Method> {
    // A test that no vendor can check at the moment comes last, and so does a provider that did not answer lately.
    let is_at_hand = |method: &Method| match method {
        Method::Captcha => captcha::is_there(challenges),
        Method::Oidc => !challenges.is_provider_silent(),
        Method::IdDocument | Method::Push => challenges.vendors().begins(*method),
        _ => true,
    };
    let at_hand: Vec<Method> = issued.methods.iter().copied().filter(is_at_hand).collect();
    let fallback = at_hand.first().or(issued.methods.first()).copied().unwrap_or(Method::Pow);
    let used = session.record.proofs_for(issued.account).filter(|proof| at_hand.contains(&proof.method));
    if let Some(proof) = used.max_by_key(|proof| proof.at_ms) {
        return Ok(proof.method);
    }
    let (Some(account), true) = (issued.account, is_verified) else { return Ok(fallback) };
    let tenant = &arrival.route.tenant;
    let kept = authenticators::all(challenges, tenant, account).await?;
    let has_mailbox = challenges.contacts().has(Reach::Mail, tenant, account).await?;
    let has_telephone = challenges.contacts().has(Reach::Phone, tenant, account).await?;
    let is_set_up = |method: &Method| match method {
        Method::Totp => kept.iter().any(|it| it.is_totp()),
        Method::RecoveryCode => kept.iter().any(|it| !it.is_totp()),
        Method::EmailCode => has_mailbox,
        Method::SmsCode | Method::VoiceCode => has_telephone,
        _ => true,
    };
    Ok(at_hand.iter().copied().find(is_set_up).unwrap_or(fallback))
}

/// A request that changes something and was sent by a page of another site. What is kept already, a parked request or a
/// withheld answer, is not kept again.
pub fn is_foreign(arrival: &Arrival, policy: &Policy, is_kept: bool) -> bool {
    !is_kept && !is_safe(arrival) && !origin::is_own(arrival) && !origin::is_one_of(arrival, &policy.allowed_origins)
}

fn is_safe(arrival: &Arrival) -> bool {
    matches!(&*arrival.request.method, "GET" | "HEAD")
}

/// What happens once it is met, with the request parked where that is needed.
async fn afterwards(challenges: &Challenges, demand: &Demand<'_>, half: &ParkHalf) -> Stored<Afterwards> {
    let arrival = demand.arrival;
    // A resumed request stands here as it was parked: its own method, target and body.
    let target = parking::target(arrival);
    let is_page = arrival.client == Client::Page;
    if is_safe(arrival) && demand.withheld.is_none() && demand.resuming.is_none() {
        return Ok(if is_page { Afterwards::Fetch { target } } else { Afterwards::Repeat { parked: None } });
    }
    let parked = match (demand.resuming, arrival.client) {
        (Some(id), _) => Some(id.to_string()),
        (None, Client::Page | Client::Fetch) => parking::park(challenges, demand, half).await?,
        // A program repeats its call by itself, once it has a proof.
        (None, Client::Api) if demand.withheld.is_none() => None,
        (None, Client::Api) => parking::park(challenges, demand, half).await?,
    };
    let is_local = origin::local(&target).is_some();
    Ok(match parked {
        parked if !is_page => Afterwards::Repeat { parked },
        Some(parked) if !is_local => {
            parking::discard(challenges, &parked).await?;
            Afterwards::Again
        }
        Some(parked) if demand.withheld.is_some() => Afterwards::Release { target, parked },
        Some(parked) => Afterwards::Send { target, parked },
        None => Afterwards::Again,
    })
}

fn issue(challenges: &Challenges, demand: &Demand<'_>, methods: Vec<Method>) -> Issued {
    let now_ms = challenges.clock.now_ms();
    let longest = methods.iter().map(|it| challenges.vendors().longest_ms(*it)).max().unwrap_or(0);
    // What is parked goes first: then the proof remains, and lets the repeated request through.
    let parked_ms = parking::lifetime_ms(demand);
    let lifetime_ms = parked_ms.max(i64::try_from(longest).unwrap_or(i64::MAX));
    let verified = demand.subject.map(|it| (it.name.clone(), it.account));
    let (subject, account) = verified.or_else(|| demand.claimed.clone()).unzip();
    Issued {
        event: demand.policy.event.clone(),
        decision_id: demand.decision_id.into(),
        account,
        subject,
        methods,
        bound_to: demand.challenge.binding.as_ref().map(|it| it.digest),
        shown: demand.shown.clone(),
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
    challenges.send_code(&asked, problem::locale(challenges, arrival)).await?;
    Ok(())
}
