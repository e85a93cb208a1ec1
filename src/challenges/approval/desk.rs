//! Where approvers look at what waits for them and answer it, at `/.stepward/approvals`.
//!
//! What is not theirs to answer looks like what was never there: another group's, another host's, one's own. To approve is to
//! sign everything that is shown, by passkey and user verification, anew each time; to refuse takes no more than being signed
//! in. Who may answer is asked of the settings at each look and each answer. An answer that comes second changes nothing and
//! is shown the first.

use http::StatusCode;
use minijinja::{Value, context};
use stepward_core::{
    decision::{Reason, Verb},
    session::Method,
};

use crate::{
    arrival::{Arrival, Client},
    challenges::{
        Challenges, Refused,
        answer::Answer,
        approval::{self, Answered, Wanted},
        attempts::{Lane, Try},
        authenticators, enrolment, issued, page,
        passkey::{self, Confirmed},
        problem, serve,
        verification::kept::{End, Keeper},
    },
    locale::Locale,
    reply::Reply,
    sessions::{
        SessionHandle,
        record::{Subject, SubjectKind},
    },
    store::{Begin, Counted, Id, Kind, StateStore, Stored},
};

const BASE: &str = "/.stepward/approvals";
/// Wrong answers in a quarter of an hour.
const ATTEMPTS: u32 = 5;

/// How a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Open,
    Approved,
    Refused,
    Withdrawn,
    Expired,
}

impl Standing {
    /// The word for programs.
    fn word(self) -> &'static str {
        match self {
            Standing::Open => "open",
            Standing::Approved => "approved",
            Standing::Refused => "refused",
            Standing::Withdrawn => "withdrawn",
            Standing::Expired => "expired",
        }
    }

    /// The key of the message that says so; an open one needs none.
    fn message(self) -> Option<&'static str> {
        match self {
            Standing::Open => None,
            Standing::Approved => Some("approval_approved"),
            Standing::Refused => Some("approval_refused"),
            Standing::Withdrawn => Some("approval_withdrawn"),
            Standing::Expired => Some("approval_expired"),
        }
    }
}

/// Where a request is looked at.
pub(super) fn address(id: Id) -> String {
    format!("{BASE}/{}", data_encoding::BASE64URL_NOPAD.encode(&id))
}

/// Who is at the desk.
struct Desk<'a> {
    challenges: &'a Challenges,
    arrival: &'a Arrival,
    session: &'a SessionHandle,
    subject: &'a Subject,
}

/// Answers everything under `/.stepward/approvals`.
pub(in crate::challenges) async fn serve(
    challenges: &Challenges,
    arrival: &Arrival,
    session: &SessionHandle,
    subject: Option<&Subject>,
    rest: &[&str],
) -> Stored<Reply> {
    if !challenges.runnable_at(&arrival.request.host).contains(&Method::Approval) {
        return Ok(serve::not_found(challenges, arrival));
    }
    let Some(subject) = subject else {
        return Ok(enrolment::notice(challenges, arrival, StatusCode::FORBIDDEN, "enrol_sign_in"));
    };
    let desk = Desk { challenges, arrival, session, subject };
    let is_post = &*arrival.request.method == "POST";
    match (is_post, rest) {
        (false, []) => desk.list().await,
        (false, [word]) => desk.show(word).await,
        (true, [word]) => desk.answer(word).await,
        _ => Ok(serve::not_found(challenges, arrival)),
    }
}

impl Desk<'_> {
    async fn list(&self) -> Stored<Reply> {
        let mut all = Vec::new();
        let groups = self.challenges.approvers.iter().flat_map(|it| it.groups.keys());
        for group in groups {
            if self.is_in(group) {
                let (tenant, host) = (self.tenant(), &self.arrival.request.host);
                all.extend(approval::waiting(self.challenges, tenant, host, group).await?);
            }
        }
        all.retain(|(_, wanted)| self.may_answer(wanted));
        all.sort_by_key(|(_, wanted)| wanted.asked_ms);
        if self.arrival.client != Client::Page {
            let listed: Vec<_> = all.iter().map(|(id, wanted)| described(*id, wanted)).collect();
            return Ok(json(StatusCode::OK, &serde_json::json!({ "approvals": listed })));
        }
        let locale = &problem::locale(self.challenges, self.arrival);
        let entry = |(id, wanted): &(Id, Wanted)| {
            let event = problem::event_name(locale, &wanted.event);
            context! { href => self.with_language(&address(*id)), event, who => &*wanted.name, when => times(locale, wanted) }
        };
        let entries: Vec<Value> = all.iter().map(entry).collect();
        let title = locale.text("title_approvals");
        let content = context! { entries };
        Ok(self.challenges.pages.render(locale, StatusCode::OK, "approvals.html", &title, content))
    }

    async fn show(&self, word: &str) -> Stored<Reply> {
        let Some((id, wanted)) = self.wanted(word).await? else { return Ok(self.not_found()) };
        let standing = self.standing(&wanted).await?;
        let passkey = match standing {
            Standing::Open if self.has_passkey().await? => {
                passkey::options(self.challenges, self.tenant(), &self.confirmed(id, &wanted)).await?
            }
            _ => None,
        };
        if self.arrival.client != Client::Page {
            let mut told = described(id, &wanted);
            told["status"] = standing.word().into();
            told["passkey"] = passkey.map_or(serde_json::Value::Null, |it| serde_json::json!({ "publicKey": it }));
            return Ok(json(StatusCode::OK, &told));
        }
        let locale = &problem::locale(self.challenges, self.arrival);
        let closed = self.challenges.closed_until(&self.lane()).await?.filter(|_| standing == Standing::Open);
        let error = closed.map(|until| {
            let left_ms = (until - self.challenges.clock.now_ms()).max(0);
            problem::minutes(locale, "locked_method", (left_ms / 1000).unsigned_abs())
        });
        let wrong = || (standing == Standing::Open && self.says("e=wrong")).then(|| locale.text("passkey_wrong"));
        let shown: Vec<Value> = wanted
            .shown
            .iter()
            // To the letter: how a language writes an amount is another text than the one that is approved.
            .map(|(name, value)| Value::from(vec![problem::fact_name(locale, name), value.clone()]))
            .collect();
        let content = context! {
            error => error.or_else(wrong), over => standing.message().map(|key| locale.text(key)), shown,
            event => problem::event_name(locale, &wanted.event), who => &*wanted.name, when => times(locale, &wanted),
            passkey => passkey.map(|it| it.to_string()), action => self.with_language(&address(id)),
            back => self.with_language(BASE), reference => issued::reference(&wanted.decision_id),
        };
        let title = locale.text("title_approval");
        Ok(self.challenges.pages.render(locale, StatusCode::OK, "approval.html", &title, content))
    }

    async fn answer(&self, word: &str) -> Stored<Reply> {
        let Some((id, wanted)) = self.wanted(word).await? else { return Ok(self.not_found()) };
        if self.is_locked_out().await? {
            return Ok(self.refusal(Reason::LockedOut, Verb::LockOut));
        }
        if self.standing(&wanted).await? != Standing::Open {
            return Ok(self.back(id, None));
        }
        let answer = Answer::read(self.arrival);
        match answer.fields.get("answer").map(String::as_str) {
            Some("approve") if !answer.code.trim().is_empty() => self.approve(id, &wanted, &answer.code).await,
            Some("refuse") => {
                self.settle(&wanted, End::Declined).await?;
                Ok(self.back(id, None))
            }
            _ => Ok(self.back(id, None)),
        }
    }

    /// Counted first, then looked at, then taken.
    async fn approve(&self, id: Id, wanted: &Wanted, typed: &str) -> Stored<Reply> {
        let (challenges, tenant, lane) = (self.challenges, self.tenant(), self.lane());
        if challenges.closed_until(&lane).await?.is_some() {
            return Ok(self.back(id, Some(("closed", StatusCode::TOO_MANY_REQUESTS))));
        }
        let all = authenticators::all(challenges, tenant, self.subject.account).await?;
        let aim = authenticators::aim(&all, Method::Passkey);
        let made = match challenges.count_try(&lane, ATTEMPTS, &aim, true).await? {
            Try::Closed(_) => return Ok(self.back(id, Some(("closed", StatusCode::TOO_MANY_REQUESTS)))),
            Try::Counted(made) => made,
        };
        let all = if made.is_compared { all } else { Vec::new() };
        if !passkey::check(challenges, tenant, &self.confirmed(id, wanted), &all, typed).await? {
            if made.left == 0 {
                challenges.close(&lane).await?;
            }
            return Ok(self.back(id, Some(("wrong", StatusCode::UNAUTHORIZED))));
        }
        // The try stays counted where it cannot be forgiven: that is the stricter of the two.
        if let Err(error) = challenges.forgive(&lane, &aim, &made).await {
            tracing::warn!(%error, "a right answer's try is not forgiven");
        }
        self.settle(wanted, End::Approved).await?;
        Ok(self.back(id, None))
    }

    async fn settle(&self, wanted: &Wanted, end: End) -> Stored<()> {
        let (tenant, account) = (self.tenant(), self.subject.account);
        let holds = approval::settle(self.challenges, tenant, wanted, end, Some(account)).await?;
        let is_mine = |it: &Answered| it.by == Some(account) && it.end == end;
        if holds.as_ref().is_some_and(is_mine) {
            let approver = data_encoding::HEXLOWER.encode(&account);
            let answer = if end == End::Approved { "approved" } else { "refused" };
            tracing::info!(decision = &*wanted.decision_id, approver, answer, "an approval was answered");
        }
        Ok(())
    }

    /// What this person may answer, whether or not it still waits.
    async fn wanted(&self, word: &str) -> Stored<Option<(Id, Wanted)>> {
        let Some(id) = issued::id_of(word) else { return Ok(None) };
        let wanted = approval::look(self.challenges, self.tenant(), id).await?;
        Ok(wanted.filter(|it| self.may_answer(it)).map(|wanted| (id, wanted)))
    }

    /// A person of the group, as it is now, on the host where it was asked; never whoever asked.
    fn may_answer(&self, wanted: &Wanted) -> bool {
        let is_here = *wanted.host == *self.arrival.request.host;
        let approvers = self.challenges.approvers(self.tenant(), &wanted.group, wanted.requester);
        is_here && self.is_person() && approvers.contains(&self.subject.account)
    }

    fn is_in(&self, group: &str) -> bool {
        // Nobody has this account, so that nobody is left out here.
        self.is_person()
            && self.challenges.approvers(self.tenant(), group, Id::default()).contains(&self.subject.account)
    }

    fn is_person(&self) -> bool {
        match self.subject.kind {
            SubjectKind::Human => true,
            SubjectKind::Service | SubjectKind::Agent => false,
        }
    }

    async fn standing(&self, wanted: &Wanted) -> Stored<Standing> {
        let answered = Keeper::of(self.challenges).answered(self.tenant(), wanted.case).await?;
        Ok(match answered.map(|it| it.end) {
            Some(End::Approved) => Standing::Approved,
            Some(End::Declined | End::Fraud) => Standing::Refused,
            Some(End::Over) => Standing::Withdrawn,
            None if self.challenges.clock.now_ms() >= wanted.expires_ms => Standing::Expired,
            None => Standing::Open,
        })
    }

    async fn has_passkey(&self) -> Stored<bool> {
        let kept = authenticators::all(self.challenges, self.tenant(), self.subject.account).await?;
        Ok(kept.iter().any(|it| it.passkey().is_some()))
    }

    async fn is_locked_out(&self) -> Stored<bool> {
        let locks = [
            Counted { kind: Kind::Account, id: self.subject.account },
            Counted { kind: Kind::Session, id: self.session.reference().id },
        ];
        let now_ms = self.challenges.clock.now_ms();
        let standing = self.challenges.store.begin(now_ms, Begin { locks: &locks, ..Begin::default() }).await?;
        Ok(standing.locked_until_ms.iter().flatten().any(|until| *until > now_ms))
    }

    /// Where this person's answers by passkey count, here as anywhere.
    fn lane(&self) -> Lane {
        let (lineage, account) = (self.session.record.lineage, Some(self.subject.account));
        Lane::named(self.challenges, self.tenant(), lineage, account, Method::Passkey)
    }

    fn confirmed<'w>(&self, id: Id, wanted: &'w Wanted) -> Confirmed<'w> {
        Confirmed::consent(id, self.subject.account, wanted.covered(), &wanted.decision_id, wanted.expires_ms)
    }

    fn tenant(&self) -> &str {
        &self.arrival.route.tenant
    }

    fn says(&self, what: &str) -> bool {
        self.arrival.request.query.as_deref().is_some_and(|it| it.split('&').any(|it| it == what))
    }

    /// An address of ours in the language that was asked for.
    fn with_language(&self, address: &str) -> String {
        match problem::asked_language(self.arrival) {
            Some(tag) => {
                let query: String = form_urlencoded::Serializer::new(String::new()).append_pair("lang", &tag).finish();
                format!("{address}?{query}")
            }
            None => address.to_owned(),
        }
    }

    /// Back to the page (POST/redirect/GET), with what went wrong; for a program the page's state is one `GET` away.
    fn back(&self, id: Id, wrong: Option<(&str, StatusCode)>) -> Reply {
        if self.arrival.client != Client::Page {
            let (status, code) = wrong.unwrap_or(("taken", StatusCode::OK));
            return json(code, &serde_json::json!({ "status": status }));
        }
        let address = self.with_language(&address(id));
        let joint = if address.contains('?') { '&' } else { '?' };
        let address = wrong.map_or_else(|| address.clone(), |(word, _)| format!("{address}{joint}e={word}"));
        page::harden(Reply::see_other(&address))
    }

    fn not_found(&self) -> Reply {
        serve::not_found(self.challenges, self.arrival)
    }

    fn refusal(&self, reason: Reason, outcome: Verb) -> Reply {
        let (status, decision_id) = (StatusCode::FORBIDDEN, &*self.arrival.id);
        let refused = Refused { status, outcome, reason, tell: None, decision_id, retry_after: None };
        problem::refusal(self.challenges, self.arrival, &refused)
    }
}

/// When it was asked, and until when it waits.
fn times(locale: &Locale, wanted: &Wanted) -> String {
    let mut args = fluent_bundle::FluentArgs::new();
    args.set("asked", page::moment(locale, wanted.asked_ms));
    args.set("until", page::moment(locale, wanted.expires_ms));
    locale.say("approval_times", &args)
}

/// A request, for programs.
fn described(id: Id, wanted: &Wanted) -> serde_json::Value {
    let bound: Vec<_> =
        wanted.shown.iter().map(|(name, value)| serde_json::json!({ "name": name, "value": value })).collect();
    serde_json::json!({
        "url": address(id), "event": wanted.event, "requester": wanted.name, "bound": bound,
        "asked_ms": wanted.asked_ms, "expires_ms": wanted.expires_ms, "reference": issued::reference(&wanted.decision_id),
    })
}

fn json(status: StatusCode, told: &serde_json::Value) -> Reply {
    page::harden(Reply::new(status, "application/json", told.to_string()))
}
