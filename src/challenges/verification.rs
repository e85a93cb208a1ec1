//! Identity documents, pushes and approvals: begun by a vendor of the route, or put to a colleague (`approval`), and met when
//! that one says so, minutes or hours later.
//!
//! Only the vendor's own word about the very verification that was begun for this challenge counts, once, in the session
//! that began it. Whom it is about comes from the challenge, never from the request. A refusal counts as a wrong answer;
//! what nobody said costs no try and passes nothing, and the page offers another way. How often it can be begun is bounded
//! per account and hour, so that nobody's device can be made to ring until they give in. What is said of a push is the same
//! whether or not anybody has such a device.

use std::sync::Arc;

use http::StatusCode;
use stepward_core::session::Method;

use crate::{
    arrival::Arrival,
    challenges::{
        Challenges,
        answer::{self, Came},
        approval,
        attempts::{Aim, Lane, Try},
        code::Asked,
        issued::{self, Issued},
        problem, show,
        verification::kept::{Case, Details, End, Keeper, Opened},
    },
    clock,
    sessions::SessionHandle,
    store::{Id, Once, StateStore, Stored},
};

pub mod inbound;
pub mod kept;

/// The methods that are verifications.
pub const METHODS: [Method; 3] = [Method::IdDocument, Method::Push, Method::Approval];

/// Why nothing was begun, or nothing came of it, as the page says it. None of these costs a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No vendor takes it at the moment.
    Unreachable,
    /// It was begun too often.
    Often,
    /// It ended without an answer.
    Over,
}

impl Trouble {
    /// Every one of them.
    pub const ALL: [Trouble; 3] = [Trouble::Unreachable, Trouble::Often, Trouble::Over];

    /// Its word in addresses and for programs, and the key of its message.
    pub fn word(self) -> &'static str {
        match self {
            Trouble::Unreachable => "verify_unreachable",
            Trouble::Often => "verify_often",
            Trouble::Over => "verify_over",
        }
    }

    /// The status that programs get with it.
    pub fn status(self) -> StatusCode {
        match self {
            Trouble::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
            Trouble::Often => StatusCode::TOO_MANY_REQUESTS,
            Trouble::Over => StatusCode::OK,
        }
    }
}

/// The word for a refusal by the vendor, or by the user on the other device.
pub const REFUSED: &str = "verify_refused";

/// The key of the message that an address names, if it is one of ours.
pub fn message(word: &str) -> Option<&'static str> {
    let known = Trouble::ALL.iter().map(|it| it.word()).chain([REFUSED]);
    known.into_iter().find(|it| *it == word)
}

/// Whether this method is one of them.
pub fn is_one(method: Method) -> bool {
    METHODS.contains(&method)
}

/// How a verification stands, for the page.
#[derive(Debug)]
pub enum Progress {
    /// None is under way.
    None,
    /// It is under way.
    Open {
        /// How it is met.
        method: Method,
        /// Whether a person at the vendor looks at it.
        is_reviewed: bool,
        /// Who began it; nothing while nobody has.
        details: Option<Box<Details>>,
    },
    /// It has ended, and this came of it.
    Ended(Method, Came),
}

/// What the page of a verification shows.
#[derive(Debug)]
pub struct Shown {
    /// `start`, `pending` or `review`.
    pub stage: &'static str,
    /// Whether the user can be sent to the vendor (again).
    pub leads_away: bool,
    /// The number to compare.
    pub number: Option<Arc<str>>,
    /// The vendor's part of the page: its script, its markup, and what the page has to allow.
    pub embed: Option<(String, String, Places)>,
}

/// What a page has to allow besides its own, by directive.
pub type Places = Vec<(String, Vec<String>)>;

/// Begins one, or leads back to the one that is under way.
pub async fn begin(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &mut SessionHandle,
    word: &str,
    asked: &Asked<'_>,
) -> Stored<Came> {
    let (keeper, tenant, method) = (Keeper::of(challenges), asked.tenant, asked.method);
    if let Some((case, opened)) = keeper.newest(tenant, asked.id, method).await? {
        let details = keeper.details(tenant, case).await?;
        match keeper.end(tenant, case).await?.or(is_over(challenges, &opened, details.as_ref()).then_some(End::Over)) {
            None => return Ok(Came::Begun(details.and_then(|it| it.redirect))),
            // Nobody begins anew before what came of the last one is counted.
            Some(end) => {
                if let Some(came) = ended(challenges, arrival, session, asked.issued, &keeper, case, end).await? {
                    return Ok(came);
                }
            }
        }
    }
    if method == Method::Approval {
        return approval::ask(challenges, arrival, asked).await;
    }
    if !challenges.vendors().begins(method) {
        return Ok(Came::Unverified(Trouble::Unreachable));
    }
    if !challenges.count_start(asked.lane).await? {
        return Ok(Came::Unverified(Trouble::Often));
    }
    let Some(case) = keeper.take(tenant, asked.id, method, asked.issued.expires_ms).await? else {
        return Ok(Came::Unverified(Trouble::Often));
    };
    let begun_ms = challenges.clock.now_ms();
    let longest_ms = i64::try_from(challenges.vendors().longest_ms(method)).unwrap_or(i64::MAX);
    let expires_ms = begun_ms.saturating_add(longest_ms).min(asked.issued.expires_ms);
    let opened = Opened { account: asked.issued.account, begun_ms, expires_ms };
    let inputs = inputs(challenges, arrival, session, word, asked);
    match method {
        Method::Push => {
            keeper.open(tenant, case, &opened, asked.issued.expires_ms).await?;
            let tenant = tenant.to_string();
            // How long it takes shows nowhere; nor does whether anybody has such a device, unless the vendor gives a
            // number to compare.
            tokio::spawn(async move {
                if let Err(error) = keeper.start(&tenant, case, &opened, &inputs).await {
                    tracing::warn!(%error, "a push that was sent could not be kept; nothing comes of it");
                }
            });
            Ok(Came::Begun(None))
        }
        _ => {
            let Some(details) = keeper.start(tenant, case, &opened, &inputs).await? else {
                return Ok(Came::Unverified(Trouble::Unreachable));
            };
            keeper.open(tenant, case, &opened, asked.issued.expires_ms).await?;
            Ok(Came::Begun(details.redirect))
        }
    }
}

/// How the verification of a challenge stands, asking its vendor where it is time to; what has ended is counted or proven.
pub async fn progress(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &mut SessionHandle,
    word: &str,
    issued: &Issued,
) -> Stored<Progress> {
    let Some(id) = issued::id_of(word) else { return Ok(Progress::None) };
    let (keeper, tenant) = (Keeper::of(challenges), &*arrival.route.tenant);
    let mut open = Progress::None;
    for method in METHODS.into_iter().filter(|it| issued.methods.contains(it)) {
        let Some((case, opened)) = keeper.newest(tenant, id, method).await? else { continue };
        if opened.account != issued.account {
            tracing::warn!("a verification is about somebody else than its challenge; nothing comes of it");
            continue;
        }
        let mut end = keeper.end(tenant, case).await?;
        let details = keeper.details(tenant, case).await?;
        let is_open = !is_over(challenges, &opened, details.as_ref());
        if let (None, true, Some(details)) = (end, is_open, &details) {
            keeper.ask(tenant, case, &opened, details).await?;
            end = keeper.end(tenant, case).await?;
        }
        match end.or((!is_open).then_some(End::Over)) {
            Some(end) => {
                if let Some(came) = ended(challenges, arrival, session, issued, &keeper, case, end).await? {
                    return Ok(Progress::Ended(method, came));
                }
            }
            None => {
                let is_reviewed = keeper.is_reviewed(tenant, case).await?;
                open = Progress::Open { method, is_reviewed, details: details.map(Box::new) };
            }
        }
    }
    Ok(open)
}

/// What comes of an end: a proof or a wrong answer, once; nothing where that was done.
async fn ended(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &mut SessionHandle,
    issued: &Issued,
    keeper: &Keeper,
    case: Case,
    end: End,
) -> Stored<Option<Came>> {
    let (tenant, method, now_ms) = (&*arrival.route.tenant, case.method, challenges.clock.now_ms());
    let lane = Lane::of(challenges, arrival, session, issued, method);
    let once = |nonce: Id| {
        let token = keeper.id(tenant, case, "counted");
        challenges.store.claim(now_ms, "verified", token, nonce, issued.expires_ms)
    };
    match end {
        End::Approved => {
            // The page says that the method is closed; when it is open again the vendor's word still stands.
            if challenges.closed_until(&lane).await?.is_some() {
                return Ok(None);
            }
            // The same sign-in may come again for what broke off before it was written; a later one proves anew.
            let since_ms = session.record.subject.as_ref().map_or(session.record.started_ms, |it| it.since_ms);
            let who = format!("{} {since_ms}", data_encoding::HEXLOWER.encode(&session.record.lineage));
            if once(challenges.keys.pseudonym(tenant, "verified by", &who)).await? == Once::Replay {
                return Ok(None);
            }
            let by = match method {
                Method::Approval => keeper.answered(tenant, case).await?.and_then(|it| it.by),
                _ => None,
            };
            answer::prove(challenges, session, issued, method, by);
            Ok(Some(Came::Proven(method, None)))
        }
        End::Declined | End::Fraud => {
            if once(clock::random_id()).await? == Once::Replay {
                return Ok(None);
            }
            // Nothing is guessed at that somebody could set up anew.
            let left = match challenges.count_try(&lane, issued.attempts, &Aim::NOTHING, issued.is_verified).await? {
                Try::Closed(until) => return Ok(Some(Came::Closed(method, until))),
                Try::Counted(made) => made.left,
            };
            // Whoever says that it was somebody else is believed at once.
            if left == 0 || end == End::Fraud {
                challenges.close(&lane).await?;
                return Ok(Some(Came::Spent(method)));
            }
            Ok(Some(Came::Wrong(method)))
        }
        End::Over => match once(clock::random_id()).await? {
            Once::First => Ok(Some(Came::Unverified(Trouble::Over))),
            Once::Replay => Ok(None),
        },
    }
}

/// Whether its time is over: that of the vendor who began it, where one has.
fn is_over(challenges: &Challenges, opened: &Opened, details: Option<&Details>) -> bool {
    challenges.clock.now_ms() >= details.map_or(opened.expires_ms, |it| it.ends_ms.min(opened.expires_ms))
}

/// What a vendor may be told; a connector gets what it declares and its `data.sends` names.
fn inputs(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &SessionHandle,
    word: &str,
    asked: &Asked<'_>,
) -> Vec<(Arc<str>, Arc<str>)> {
    let hex = |id: &Id| data_encoding::HEXLOWER.encode(id);
    let who = asked.issued.account.unwrap_or(session.record.lineage);
    let user_ref = hex(&challenges.keys.pseudonym(asked.tenant, "verified user", &hex(&who)));
    let scheme = if arrival.request.secure { "https" } else { "http" };
    let host = arrival.request.header("host").unwrap_or(&arrival.request.host);
    let return_url = format!("{scheme}://{host}{}", show::address(arrival, word, Some(asked.method), None));
    let verification_id = hex(&clock::random_id());
    let ip = arrival.request.client_ip.to_canonical().to_string();
    let locale = problem::locale(challenges, arrival);
    let named = [
        ("user_id", asked.issued.subject.as_deref()),
        ("user_ref", Some(user_ref.as_str())),
        ("verification_id", Some(verification_id.as_str())),
        ("return_url", Some(return_url.as_str())),
        ("event", Some(&*asked.issued.event)),
        ("ip", Some(ip.as_str())),
        ("user_agent", arrival.request.header("user-agent")),
        ("locale", Some(locale.tag.as_str())),
    ];
    named.into_iter().filter_map(|(name, value)| Some((name.into(), value?.into()))).collect()
}

/// What the page of a verification by this method shows.
pub fn shown(challenges: &Challenges, method: Method, progress: &Progress) -> Shown {
    let (is_reviewed, details) = match progress {
        Progress::Open { method: open, is_reviewed, details } if *open == method => (*is_reviewed, details.as_deref()),
        Progress::Open { .. } | Progress::None | Progress::Ended(..) => {
            return Shown { stage: "start", leads_away: false, number: None, embed: None };
        }
    };
    let embed = details.and_then(|details| {
        let (token, page) = (details.embed.as_ref()?, challenges.vendors().embedded(&details.connector)?);
        let snippet = page.snippet?.replace("{token}", &escaped(token));
        Some((page.script?, snippet, page.csp))
    });
    Shown {
        stage: if is_reviewed { "review" } else { "pending" },
        leads_away: details.is_some_and(|it| it.redirect.is_some()) && !is_reviewed,
        number: details.and_then(|it| it.number.clone()),
        embed: embed.filter(|_| !is_reviewed),
    }
}

/// As it stands in an attribute of HTML.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
