//! Which address under `/.stepward/` is what. Everything else there is not found; nothing there is ever forwarded.

use http::{StatusCode, header};
use minijinja::context;
use stepward_core::{
    decision::{Reason, Verb},
    session::Method,
};

use crate::{
    arrival::{Arrival, Client},
    challenges::{
        Challenges, PREFIX, Refused, Served,
        answer::{self, Ahead, Answer, Came},
        approval, begin,
        code::Sent,
        enrolment,
        issued::{self, Issued},
        oidc, origin, page, parking, problem, show,
        verification::{self, Progress},
    },
    reply::Reply,
    sessions::{SessionHandle, cookies::Scope, record::Subject},
    store::{Drawer, Id, StateStore, Stored},
};

/// See [`Challenges::look_ahead`].
pub async fn look_ahead(challenges: &Challenges, arrival: &Arrival, account: Option<Id>) -> Stored<Ahead> {
    let path = arrival.request.path.strip_prefix(PREFIX).unwrap_or_default();
    let word = path.strip_prefix("c/").map(|rest| rest.strip_suffix("/continue").unwrap_or(rest));
    let Some(id) = word.and_then(issued::id_of) else { return Ok(Ahead::default()) };
    let is_compared = |method| matches!(method, Method::Totp | Method::Passkey | Method::RecoveryCode);
    let answered = || Answer::read(arrival).method.is_some_and(is_compared);
    let account = account.filter(|_| &*arrival.request.method == "POST" && answered());
    let authenticators = async {
        match account {
            Some(account) => {
                let entries = challenges.store.enrolments(account, Drawer::Authenticators).await?;
                Ok(Some((account, entries)))
            }
            None => Ok(None),
        }
    };
    let (sealed, authenticators) = tokio::try_join!(issued::fetch(challenges, id), authenticators)?;
    Ok(Ahead { challenge: Some((id, sealed)), authenticators })
}

/// See [`Challenges::serve`].
pub async fn serve(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &mut SessionHandle,
    subject: Option<&Subject>,
    ahead: Ahead,
) -> Stored<Served> {
    let path = arrival.request.path.strip_prefix(PREFIX).unwrap_or_default();
    let is_get = matches!(&*arrival.request.method, "GET" | "HEAD");
    let is_post = &*arrival.request.method == "POST";
    if is_post && !origin::is_own(arrival) {
        return Ok(Served::Answer(refuse(challenges, arrival, Reason::CrossSite)));
    }
    let parts: Vec<&str> = path.split('/').collect();
    if let ([name], true) = (&parts[..], is_get)
        && let Some(file) = challenges.pages.file(name)
    {
        return Ok(Served::Answer(file));
    }
    match parts[..] {
        ["c", word] if is_get => look(challenges, arrival, session, subject, word, ahead).await,
        ["c", word] if is_post => answered(challenges, arrival, session, subject, word, ahead).await,
        ["c", word, "continue"] if is_get => {
            go_on(challenges, arrival, session, subject, word, ahead).await.map(Served::Answer)
        }
        ["oidc", "callback"] if &*arrival.request.method == "GET" => {
            came_back(challenges, arrival, session, subject).await
        }
        ["methods", ref rest @ ..] if is_get || is_post => {
            enrolment::serve(challenges, arrival, session, subject, rest).await.map(Served::Answer)
        }
        ["approvals", ref rest @ ..] if is_get || is_post => {
            approval::desk::serve(challenges, arrival, session, subject, rest).await.map(Served::Answer)
        }
        _ => Ok(Served::Answer(not_found(challenges, arrival))),
    }
}

async fn look(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &mut SessionHandle,
    subject: Option<&Subject>,
    word: &str,
    mut ahead: Ahead,
) -> Stored<Served> {
    let Some(issued) = mine(challenges, arrival, session, subject, word, &mut ahead).await? else {
        return Ok(Served::Answer(show::gone(challenges, arrival)));
    };
    if is_met(session, &issued) {
        return Ok(Served::Answer(passed(challenges, arrival, word, &issued)));
    }
    match verification::progress(challenges, arrival, session, word, &issued).await? {
        Progress::Ended(method, came) => {
            conclude(challenges, arrival, session, word, &issued, Some(method), came).await
        }
        progress @ (Progress::None | Progress::Open { .. }) => {
            let page = show::challenge(challenges, arrival, session, subject.is_some(), word, &issued, &progress);
            page.await.map(Served::Answer)
        }
    }
}

async fn go_on(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &SessionHandle,
    subject: Option<&Subject>,
    word: &str,
    mut ahead: Ahead,
) -> Stored<Reply> {
    match mine(challenges, arrival, session, subject, word, &mut ahead).await? {
        Some(issued) if is_met(session, &issued) => show::afterwards(challenges, arrival, &issued).await,
        Some(_) => Ok(page::harden(Reply::see_other(&show::address(arrival, word, None, None)))),
        None => Ok(show::gone(challenges, arrival)),
    }
}

async fn answered(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &mut SessionHandle,
    subject: Option<&Subject>,
    word: &str,
    mut ahead: Ahead,
) -> Stored<Served> {
    let Some(issued) = mine(challenges, arrival, session, subject, word, &mut ahead).await? else {
        return Ok(Served::Answer(show::gone(challenges, arrival)));
    };
    if is_met(session, &issued) {
        return Ok(Served::Answer(passed(challenges, arrival, word, &issued)));
    }
    let answer = Answer::read(arrival);
    let came = answer::take(challenges, arrival, session, word, &issued, &answer, ahead).await?;
    conclude(challenges, arrival, session, word, &issued, answer.method, came).await
}

/// Someone who was sent to the identity provider comes back.
async fn came_back(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &mut SessionHandle,
    subject: Option<&Subject>,
) -> Stored<Served> {
    let Some(back) = oidc::Back::read(arrival) else { return Ok(Served::Answer(not_found(challenges, arrival))) };
    let Some(issued) = mine(challenges, arrival, session, subject, &back.word, &mut Ahead::default()).await? else {
        return Ok(Served::Answer(show::gone(challenges, arrival)));
    };
    if is_met(session, &issued) {
        return Ok(Served::Answer(passed(challenges, arrival, &back.word, &issued)));
    }
    let came = oidc::came_back(challenges, arrival, session, &issued, &back).await?;
    conclude(challenges, arrival, session, &back.word, &issued, Some(Method::Oidc), came).await
}

/// Tells the client what came of an answer by this method.
async fn conclude(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &mut SessionHandle,
    word: &str,
    issued: &Issued,
    method: Option<Method>,
    came: Came,
) -> Stored<Served> {
    let (event, decision_id) = (issued.event.clone(), issued.decision_id.clone());
    let back = |error: &str| show::address(arrival, word, method, Some(error));
    Ok(match came {
        Came::Proven(method, due) => {
            // A ticket that was seen, or planted, before the proof is worth nothing after it.
            session.renew(&challenges.sessions);
            let scope = Scope::of(&arrival.request);
            let session_kept = async {
                match scope {
                    Some(scope) => begin::keep_session(challenges, arrival, session, scope).await,
                    None => Ok(None),
                }
            };
            // The right answer is used up: all that follows from it goes at once.
            let (kept, device, ()) = tokio::try_join!(
                session_kept,
                async { Ok(begin::keep_device(challenges, arrival, issued, method).await) },
                async {
                    // The proof stands, and the try stays counted: that is the stricter of the two.
                    if let Err(error) = answer::settle(challenges, due.as_ref()).await {
                        tracing::warn!(%error, "a right answer's try is not forgiven");
                    }
                    Ok(())
                },
            )?;
            let Some(mut cookies) = kept else { return Ok(Served::Answer(show::gone(challenges, arrival))) };
            cookies.extend(device);
            if method != Method::Approval
                && let Err(error) = approval::withdraw(challenges, arrival, word, issued).await
            {
                tracing::warn!(%error, "an approval that is not needed any more still waits");
            }
            let reply = begin::with_cookies(passed(challenges, arrival, word, issued), cookies);
            Served::Passed { event, decision_id, method, account: issued.account, reply }
        }
        Came::Wrong(method) => {
            let why = match method {
                Method::Oidc => oidc::SOMEBODY_ELSE,
                _ if verification::is_one(method) => verification::REFUSED,
                _ => "wrong",
            };
            let reply = again(challenges, arrival, issued, &back(why), "wrong");
            Served::Failed { event, decision_id, method, reply }
        }
        Came::Spent(method) => {
            if let Some(parked) = issued.afterwards.parked() {
                parking::discard(challenges, parked).await?;
            }
            let on_fail = issued.on_fail.outcome();
            Served::Spent { event, decision_id, method, on_fail, account: issued.account }
        }
        Came::Closed(..) => Served::Answer(again(challenges, arrival, issued, &back("closed"), "closed")),
        Came::Mailed(Sent::Yes) => {
            let address = show::address(arrival, word, method, None);
            Served::Answer(again(challenges, arrival, issued, &address, "sent"))
        }
        Came::Mailed(Sent::Wait(seconds)) => {
            let reply = again(challenges, arrival, issued, &back(&format!("wait-{seconds}")), "wait");
            Served::Answer(waiting(reply, seconds))
        }
        Came::Unheard(vendor) => {
            let address = show::without(&back("unheard"), &vendor);
            Served::Answer(again(challenges, arrival, issued, &address, "unheard"))
        }
        Came::Away(address) => Served::Answer(away(challenges, arrival, issued, &address)),
        Came::Undone(trouble) => {
            let mut reply = again(challenges, arrival, issued, &back(trouble.word()), trouble.word());
            if arrival.client != Client::Page {
                reply.status = trouble.status();
            }
            Served::Answer(reply)
        }
        Came::Begun(redirect) => Served::Answer(match (arrival.client, redirect) {
            (Client::Page, Some(redirect)) => page::harden(Reply::see_other(&redirect)),
            (Client::Page, None) => page::harden(Reply::see_other(&show::address(arrival, word, method, None))),
            (Client::Fetch | Client::Api, redirect) => {
                let fields = [("redirect_url", redirect.as_deref())];
                show::state_with(challenges, "pending", issued, &fields)
            }
        }),
        Came::Unverified(trouble) => {
            let mut reply = again(challenges, arrival, issued, &back(trouble.word()), trouble.word());
            if arrival.client != Client::Page {
                reply.status = trouble.status();
            }
            Served::Answer(reply)
        }
        Came::Nothing => {
            let address = show::address(arrival, word, method, None);
            Served::Answer(again(challenges, arrival, issued, &address, "open"))
        }
    })
}

/// The challenge, if it is this session's and not about somebody else than who is signed in now.
async fn mine(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &SessionHandle,
    subject: Option<&Subject>,
    word: &str,
    ahead: &mut Ahead,
) -> Stored<Option<Issued>> {
    let Some(id) = issued::id_of(word) else { return Ok(None) };
    let sealed = match ahead.challenge.take().filter(|(of, _)| *of == id) {
        Some((_, sealed)) => sealed,
        None => issued::fetch(challenges, id).await?,
    };
    let issued = sealed.and_then(|sealed| issued::opened(challenges, arrival, session, id, &sealed));
    Ok(issued.filter(|issued| match (issued.account, subject) {
        (Some(account), Some(subject)) => account == subject.account,
        (None, _) | (_, None) => true,
    }))
}

fn is_met(session: &SessionHandle, issued: &Issued) -> bool {
    let proofs: Vec<_> = session.record.proofs_for(issued.account).cloned().collect();
    issued.is_met_by(&proofs)
}

fn passed(challenges: &Challenges, arrival: &Arrival, word: &str, issued: &Issued) -> Reply {
    match arrival.client {
        Client::Page => to_continue(challenges, arrival, word),
        Client::Fetch | Client::Api => show::state(challenges, arrival, "passed", issued),
    }
}

fn to_continue(challenges: &Challenges, arrival: &Arrival, word: &str) -> Reply {
    let target = format!("/.stepward/c/{word}/continue");
    // What another site leads to must not go on from there: a resumed request has to come from a page of our own.
    if oidc::is_callback(arrival) || arrival.request.header("sec-fetch-site") == Some("cross-site") {
        return oidc::land(challenges, arrival, &target);
    }
    page::harden(Reply::see_other(&target))
}

/// Sends a browser to another site, or tells a program where its user has to go.
fn away(challenges: &Challenges, arrival: &Arrival, issued: &Issued, address: &str) -> Reply {
    match arrival.client {
        Client::Page => page::harden(Reply::see_other(address)),
        Client::Fetch | Client::Api => {
            show::state_with(challenges, "away", issued, &[("authorization_url", Some(address))])
        }
    }
}

/// Back to the page (POST/redirect/GET), or how it stands for a program.
fn again(challenges: &Challenges, arrival: &Arrival, issued: &Issued, address: &str, status: &str) -> Reply {
    match arrival.client {
        Client::Page => page::harden(Reply::see_other(address)),
        Client::Fetch | Client::Api => {
            let mut reply = show::state(challenges, arrival, status, issued);
            reply.status = match status {
                "wrong" => StatusCode::UNAUTHORIZED,
                "closed" | "wait" => StatusCode::TOO_MANY_REQUESTS,
                "unheard" => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::OK,
            };
            reply
        }
    }
}

fn waiting(mut reply: Reply, seconds: i64) -> Reply {
    reply.set(header::RETRY_AFTER, &seconds.max(1).to_string());
    reply
}

/// What is not there, or not for whoever asks.
pub fn not_found(challenges: &Challenges, arrival: &Arrival) -> Reply {
    let locale = &problem::locale(challenges, arrival);
    let title = locale.text("title_gone");
    let content = context! { text => locale.text("gone"), home => problem::say(challenges, locale, "back_to_service") };
    challenges.pages.render(locale, StatusCode::NOT_FOUND, "notice.html", &title, content)
}

/// A refusal of a request for our own pages; it has no decision, so the request's id is its reference.
pub fn refuse(challenges: &Challenges, arrival: &Arrival, reason: Reason) -> Reply {
    let refused = Refused {
        status: StatusCode::FORBIDDEN,
        outcome: Verb::Block,
        reason,
        tell: None,
        decision_id: &arrival.id,
        retry_after: None,
    };
    problem::refusal(challenges, arrival, &refused)
}
