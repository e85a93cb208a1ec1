//! Sessions over a real store: what a cookie opens, what it never opens, and who keeps what at a sign-in.

use std::{fs, sync::Arc, time::Duration};

use proptest::prelude::*;
use stepward_core::{
    request::{Body, Request},
    session::{Method, Proof},
};

use crate::{
    keys::Keys,
    sessions::{
        Committed, DEFAULT_LIMITS, SessionHandle, Sessions, Ticket,
        cookies::{self, Cookie, Scope},
        record::{Record, Subject, SubjectKind, VerifiedBy},
    },
    store::{Begin, Counted, Kind, Revocation, Session, StateStore, embedded::Embedded},
};

const NOW: i64 = 1_780_000_000_000;
const HOUR_MS: i64 = 3_600_000;
const HOST: &str = "bank.example.com";

fn request(secure: bool, host: &str, cookies: &[(&str, &str)]) -> Request {
    Request {
        method: "GET".into(),
        host: host.into(),
        path: "/".into(),
        query: None,
        headers: Vec::new(),
        cookies: cookies.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        client_ip: [127, 0, 0, 1].into(),
        secure,
        body: Body::Empty,
    }
}

fn sessions() -> Sessions {
    Sessions::new(Keys::ephemeral(), DEFAULT_LIMITS)
}

fn start(sessions: &Sessions) -> SessionHandle {
    sessions.start(NOW, &"bank".into(), &HOST.into())
}

fn subject(sessions: &Sessions, name: &str) -> Subject {
    Subject {
        name: name.into(),
        account: sessions.account("bank", name),
        kind: SubjectKind::Human,
        verified_by: VerifiedBy::Login,
        since_ms: NOW,
    }
}

fn proof(method: Method, at_ms: i64) -> Proof {
    Proof { method, at_ms, event: "login".into(), bound_to: None, by: None }
}

/// The pair that a browser sends back for a `Set-Cookie` value.
fn pair(set_cookie: &str) -> (&str, &str) {
    set_cookie.split_once(';').unwrap().0.split_once('=').unwrap()
}

async fn stored(store: &Embedded, handle: &SessionHandle) -> Option<Session> {
    stored_at(store, NOW, handle.reference()).await
}

async fn stored_at(store: &Embedded, now_ms: i64, session: crate::store::SessionRef) -> Option<Session> {
    store.begin(now_ms, Begin { session: Some(session), ..Begin::default() }).await.unwrap().session
}

/// What a later request with that `Set-Cookie` value gets.
async fn resumed(sessions: &Sessions, store: &Embedded, now_ms: i64, set_cookie: &str) -> Option<SessionHandle> {
    let ticket = sessions.ticket(&request(true, HOST, &[pair(set_cookie)]))?;
    let session = stored_at(store, now_ms, sessions.reference("bank", &ticket)).await?;
    sessions.resume(now_ms, "bank", HOST, ticket, &session)
}

#[tokio::test]
async fn a_cookie_brings_back_its_session_and_only_on_its_tenant_and_host() {
    let (sessions, store) = (sessions(), Embedded::in_memory().unwrap());
    let mut first = start(&sessions);
    first.change().succeed("login".into(), NOW);
    let set_cookie = first.set_cookie(&sessions, Scope::Https);
    assert_eq!(first.commit(&sessions, &store).await, Ok(Committed::Done));

    let again = resumed(&sessions, &store, NOW + 1, &set_cookie).await.unwrap();
    assert_eq!(again.record, first.record);
    assert!(!again.is_new() && !again.is_changed());

    let ticket = sessions.ticket(&request(true, HOST, &[pair(&set_cookie)])).unwrap();
    let session = stored(&store, &first).await.unwrap();
    assert_ne!(
        sessions.reference("other", &ticket),
        sessions.reference("bank", &ticket),
        "another tenant looks elsewhere"
    );
    assert!(sessions.resume(NOW, "other", HOST, ticket, &session).is_none(), "nor does the record open there");
    assert!(sessions.resume(NOW, "bank", "shop.example.com", ticket, &session).is_none(), "another host");
    let other_keys = self::sessions();
    assert!(other_keys.resume(NOW, "bank", HOST, ticket, &session).is_none(), "another ring");
}

#[tokio::test]
async fn a_planted_cookie_is_worth_nothing_after_sign_in() {
    let (sessions, store) = (sessions(), Embedded::in_memory().unwrap());
    let mut planted = start(&sessions);
    let planted_cookie = planted.set_cookie(&sessions, Scope::Https);
    planted.commit(&sessions, &store).await.unwrap();

    let mut victim = resumed(&sessions, &store, NOW, &planted_cookie).await.unwrap();
    let alice = subject(&sessions, "alice");
    let mallory = sessions.account("bank", "mallory");
    victim.change().prove(proof(Method::Totp, NOW), Some(mallory));
    victim.change().prove(proof(Method::EmailCode, NOW), Some(alice.account));
    victim.change().prove(proof(Method::Pow, NOW), None);
    victim.sign_in(&sessions, NOW, alice.clone(), false);
    let fresh_cookie = victim.set_cookie(&sessions, Scope::Https);
    assert_eq!(victim.commit(&sessions, &store).await, Ok(Committed::Done));

    assert_ne!(pair(&planted_cookie), pair(&fresh_cookie));
    assert!(resumed(&sessions, &store, NOW, &planted_cookie).await.is_none(), "the old ticket is dead");
    let signed_in = resumed(&sessions, &store, NOW, &fresh_cookie).await.unwrap();
    assert_eq!(signed_in.record.subject, Some(alice.clone()));
    assert_eq!(signed_in.reference().home, alice.account);
    let methods: Vec<_> = signed_in.record.proofs.iter().map(|proven| proven.proof.method).collect();
    assert_eq!(methods, [Method::EmailCode], "only what was proved for alice");
    assert_eq!(planted.commit(&sessions, &store).await, Ok(Committed::Done), "nothing was changed in it");
    planted.change().succeed("transfer".into(), NOW);
    assert_eq!(planted.commit(&sessions, &store).await, Ok(Committed::Gone), "a late write does not bring it back");
}

#[tokio::test]
async fn another_subject_inherits_nothing() {
    let (sessions, store) = (sessions(), Embedded::in_memory().unwrap());
    let mut session = start(&sessions);
    session.sign_in(&sessions, NOW, subject(&sessions, "alice"), false);
    session.change().prove(proof(Method::Passkey, NOW), Some(sessions.account("bank", "alice")));
    session.change().succeed("login".into(), NOW);
    session.bind_app(&sessions, "sid", "app-secret");
    session.commit(&sessions, &store).await.unwrap();
    session.sign_in(&sessions, NOW + 5, subject(&sessions, "bob"), false);
    let record = &session.record;
    assert!(record.proofs.is_empty() && record.succeeded.is_empty() && record.app_cookies.is_empty());
    assert_eq!(record.started_ms, NOW + 5);
}

#[test]
fn a_sign_in_goes_on_with_what_went_before_only_where_the_subject_was_still_in() {
    let sessions = sessions();
    let alice = || subject(&sessions, "alice");
    for (is_still_in, kept) in [(true, 1), (false, 0)] {
        let mut session = start(&sessions);
        session.change().prove(proof(Method::Totp, NOW), Some(alice().account));
        session.sign_in(&sessions, NOW, alice(), false);
        assert_eq!(session.record.proofs.len(), 1, "nobody had signed in before");
        session.bind_app(&sessions, "sid", "app-secret");
        session.change().succeed("login".into(), NOW);
        session.sign_in(&sessions, NOW + 5, alice(), is_still_in);
        let record = &session.record;
        let left = [record.proofs.len(), record.succeeded.len(), record.app_cookies.len()];
        assert_eq!(left, [kept; 3], "still in: {is_still_in}");
    }
}

#[test]
fn proofs_count_for_the_account_they_were_made_for() {
    let sessions = sessions();
    let (alice, bob) = (sessions.account("bank", "alice"), sessions.account("bank", "bob"));
    let mut record = start(&sessions).record;
    record.prove(proof(Method::Totp, NOW), Some(alice));
    record.prove(proof(Method::Pow, NOW), None);
    record.prove(proof(Method::Passkey, NOW), None);
    let methods = |account| record.proofs_for(account).map(|proof| proof.method).collect::<Vec<_>>();
    assert_eq!(methods(Some(alice)), [Method::Totp, Method::Pow]);
    assert_eq!(methods(Some(bob)), [Method::Pow]);
    assert_eq!(methods(None), [Method::Pow], "a passkey of nobody proves nothing");
}

#[tokio::test]
async fn sessions_end_after_an_idle_hour_and_twelve_hours_in_all() {
    let (sessions, store) = (sessions(), Embedded::in_memory().unwrap());
    let mut session = start(&sessions);
    let cookie = session.set_cookie(&sessions, Scope::Https);
    session.commit(&sessions, &store).await.unwrap();
    assert!(resumed(&sessions, &store, NOW + HOUR_MS, &cookie).await.is_none(), "idle");
    let mut now_ms = NOW;
    while now_ms < NOW + 12 * HOUR_MS {
        let mut again = resumed(&sessions, &store, now_ms, &cookie).await.unwrap();
        again.touch(now_ms);
        again.commit(&sessions, &store).await.unwrap();
        now_ms += HOUR_MS - 60_000;
    }
    assert!(resumed(&sessions, &store, NOW + 12 * HOUR_MS, &cookie).await.is_none(), "twelve hours are over");
}

#[test]
fn use_is_noted_once_a_minute() {
    let sessions = sessions();
    let mut session = start(&sessions);
    session.is_changed = false;
    session.touch(NOW + 59_999);
    assert!(!session.is_changed());
    session.touch(NOW + 60_000);
    assert!(session.is_changed());
}

#[tokio::test]
async fn concurrent_changes_of_one_session_both_stay() {
    let (sessions, store) = (sessions(), Embedded::in_memory().unwrap());
    let mut first = start(&sessions);
    let cookie = first.set_cookie(&sessions, Scope::Https);
    first.commit(&sessions, &store).await.unwrap();
    let mut one = resumed(&sessions, &store, NOW, &cookie).await.unwrap();
    let mut other = resumed(&sessions, &store, NOW, &cookie).await.unwrap();
    one.change().prove(proof(Method::Pow, NOW + 1), None);
    other.change().succeed("transfer".into(), NOW + 2);
    one.commit(&sessions, &store).await.unwrap();
    assert_eq!(other.commit(&sessions, &store).await, Ok(Committed::Done));
    let record = resumed(&sessions, &store, NOW, &cookie).await.unwrap().record;
    assert_eq!((record.proofs.len(), record.has_succeeded("transfer")), (1, true));
}

#[tokio::test]
async fn a_revoked_session_is_not_written_by_requests_that_were_under_way() {
    let (sessions, store) = (sessions(), Embedded::in_memory().unwrap());
    let mut session = start(&sessions);
    session.sign_in(&sessions, NOW, subject(&sessions, "alice"), false);
    let cookie = session.set_cookie(&sessions, Scope::Https);
    session.commit(&sessions, &store).await.unwrap();
    let mut changing = resumed(&sessions, &store, NOW + 1, &cookie).await.unwrap();
    let mut renewing = changing.clone();

    let target = Counted { kind: Kind::Account, id: sessions.account("bank", "alice") };
    store.revoke(Revocation { target, before_ms: NOW + 2 }).await.unwrap();
    changing.change().succeed("transfer".into(), NOW + 1);
    assert_eq!(changing.commit(&sessions, &store).await, Ok(Committed::Gone));
    renewing.renew(&sessions);
    let renewed = renewing.set_cookie(&sessions, Scope::Https);
    assert_eq!(renewing.commit(&sessions, &store).await, Ok(Committed::Gone));
    for cookie in [cookie, renewed] {
        assert!(resumed(&sessions, &store, NOW + 3, &cookie).await.is_none());
    }
}

#[tokio::test]
async fn an_ended_session_is_over_for_every_copy_of_its_cookie() {
    let (sessions, store) = (sessions(), Embedded::in_memory().unwrap());
    let mut session = start(&sessions);
    let cookie = session.set_cookie(&sessions, Scope::Https);
    session.commit(&sessions, &store).await.unwrap();
    session.end(&store).await.unwrap();
    assert!(resumed(&sessions, &store, NOW, &cookie).await.is_none());
}

fn bound(sessions: &Sessions, session: &SessionHandle, name: &str, value: &str) -> bool {
    session.record.is_bound_to_app(name, &sessions.app_binding(&session.record.tenant, name, value))
}

#[test]
fn the_app_cookie_is_known_again_by_its_exact_value_only() {
    let sessions = sessions();
    let mut session = start(&sessions);
    session.bind_app(&sessions, "sid", "secret");
    assert!(bound(&sessions, &session, "sid", "secret"));
    for (name, value) in [("sid", "Secret"), ("sid", ""), ("SID", "secret"), ("si", "dsecret")] {
        assert!(!bound(&sessions, &session, name, value), "{name}={value}");
    }
    session.bind_app(&sessions, "sid", "rotated");
    assert!(!bound(&sessions, &session, "sid", "secret"), "the app has replaced it");
}

#[tokio::test]
async fn the_store_holds_neither_the_cookie_nor_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let sessions = sessions();
    let name = "alice.with.a.long.name@example.com";
    let secret = {
        let store = Embedded::open(folder.path()).unwrap();
        let mut session = start(&sessions);
        session.sign_in(&sessions, NOW, subject(&sessions, name), false);
        session.bind_app(&sessions, "sid", "the-apps-own-secret");
        session.commit(&sessions, &store).await.unwrap();
        session.ticket.secret
    };
    let file = fs::read(folder.path().join("state.redb")).unwrap();
    let holds = |needle: &[u8]| file.windows(needle.len()).any(|window| window == needle);
    assert!(!holds(&secret) && !holds(name.as_bytes()) && !holds(b"the-apps-own-secret"));
}

#[test]
fn cookies_are_read_under_the_name_of_their_scope_only() {
    let sessions = sessions();
    let value = start(&sessions).ticket.value();
    let read = |secure, host, names: &[&str]| {
        let cookies: Vec<_> = names.iter().map(|name| (*name, value.as_str())).collect();
        sessions.ticket(&request(secure, host, &cookies)).is_some()
    };
    let cases = [
        (true, HOST, &["__Host-stepward"][..], true),
        (true, HOST, &["stepward"], false),
        (true, "localhost", &["stepward"], false),
        (false, HOST, &["__Host-stepward", "stepward"], false),
        (false, "localhost", &["stepward"], true),
        (false, "localhost", &["__Host-stepward"], false),
        (false, "127.0.0.1", &["stepward"], true),
        (false, "[::1]", &["stepward"], true),
        (false, "localhost.example.com", &["stepward"], false),
        (false, "127.0.0.1.example.com", &["stepward"], false),
        (true, HOST, &["__Host-stepward", "__Host-stepward"], false),
    ];
    for (secure, host, names, expected) in cases {
        assert_eq!(read(secure, host, names), expected, "{secure} {host} {names:?}");
    }
}

#[test]
fn cookies_are_out_of_reach_of_scripts_other_hosts_and_plain_connections() {
    let sessions = sessions();
    let session = start(&sessions);
    let value = session.ticket.value();
    let https = format!("__Host-stepward={value}; Max-Age=43200; Path=/; HttpOnly; SameSite=Lax; Secure");
    assert_eq!(session.set_cookie(&sessions, Scope::Https), https);
    let loopback = format!("stepward={value}; Max-Age=43200; Path=/; HttpOnly; SameSite=Lax");
    assert_eq!(session.set_cookie(&sessions, Scope::LoopbackHttp), loopback);
    let cleared = "__Host-stepward=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax; Secure";
    assert_eq!(cookies::clear(Cookie::Session, Scope::Https), cleared);
}

#[tokio::test]
async fn ten_thousand_changed_cookies_open_no_session() {
    let (sessions, store) = (sessions(), Embedded::in_memory().unwrap());
    let mut session = start(&sessions);
    session.commit(&sessions, &store).await.unwrap();
    let value = session.ticket.value();
    let alphabet: Vec<char> =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ ;,%\"\u{e9}\0".chars().collect();
    let mut tried = 0;
    let mut numbers = 0..;
    while tried < 10_000 {
        let number: usize = numbers.next().unwrap();
        let mut changed: Vec<char> = value.chars().collect();
        let at = number % changed.len();
        match number / changed.len() % 4 {
            0 | 1 => changed[at] = alphabet[number / 7 % alphabet.len()],
            2 => changed.insert(at, alphabet[number / 5 % alphabet.len()]),
            _ => changed.truncate(at),
        }
        let changed: String = changed.into_iter().collect();
        if changed == value {
            continue;
        }
        tried += 1;
        let Some(ticket) = sessions.ticket(&request(true, HOST, &[("__Host-stepward", &changed)])) else { continue };
        assert_ne!(ticket, session.ticket, "one value, one ticket: {changed}");
        assert_eq!(stored_at(&store, NOW, sessions.reference("bank", &ticket)).await, None, "{changed}");
    }
}

#[test]
fn a_device_is_known_again_on_its_tenant_and_host_until_its_cookie_runs_out() {
    let keys = Keys::ephemeral();
    let (id, set_cookie) = cookies::make_device(&keys, NOW, "bank", HOST, Scope::Https);
    let read = |keys: &Keys, now_ms, tenant, host| {
        cookies::read_device(keys, now_ms, tenant, &request(true, host, &[pair(&set_cookie)]))
    };
    let day_ms = 24 * HOUR_MS;
    let device = read(&keys, NOW, "bank", HOST).unwrap();
    assert_eq!((device.id, device.renew, device.since_ms), (id, false, NOW));
    let later = NOW + 90 * day_ms;
    let renewed = cookies::renew_device(&keys, later, "bank", HOST, Scope::Https, &device);
    let renewed = cookies::read_device(&keys, later, "bank", &request(true, HOST, &[pair(&renewed)])).unwrap();
    assert_eq!((renewed.id, renewed.since_ms), (id, NOW), "a new date makes no new device");
    assert!(read(&keys, NOW + 31 * day_ms, "bank", HOST).unwrap().renew, "given a new date now and then");
    assert!(read(&keys.rotate(1).unwrap(), NOW, "bank", HOST).unwrap().renew, "sealed with an old key");
    assert_eq!(read(&keys, NOW + 400 * day_ms, "bank", HOST), None, "too old");
    assert_eq!(read(&keys, NOW, "other", HOST), None);
    assert_eq!(read(&keys, NOW, "bank", "shop.example.com"), None);
    assert_eq!(read(&Keys::ephemeral(), NOW, "bank", HOST), None);
    assert_eq!(cookies::read_device(&keys, NOW, "bank", &request(true, HOST, &[])), None);
}

#[test]
fn the_park_half_comes_back_as_it_was_given() {
    let half = cookies::make_park();
    let set_cookie = cookies::set_park(&half, Scope::Https);
    assert_eq!(cookies::read_park(&request(true, HOST, &[pair(&set_cookie)])), Some(half));
    assert_eq!(cookies::read_park(&request(true, HOST, &[("__Host-stepward-park", "AAAA")])), None);
    assert_eq!(format!("{half:?}{:?}", start(&sessions()).ticket), "ParkHalf(..)Ticket(..)");
}

#[test]
fn lifetimes_follow_the_settings() {
    let mut limits = DEFAULT_LIMITS;
    limits.idle = Duration::from_secs(60);
    let sessions = Sessions::new(Keys::ephemeral(), limits);
    assert_eq!(sessions.expires_ms(&start(&sessions).record), NOW + 60_000);
}

proptest! {
    #[test]
    fn a_changed_device_cookie_is_no_device(place in any::<prop::sample::Index>(), other in "[A-Za-z0-9_-]") {
        let keys = Keys::ephemeral();
        let (_, set_cookie) = cookies::make_device(&keys, NOW, "bank", HOST, Scope::Https);
        let (name, value) = pair(&set_cookie);
        let at = place.index(value.len());
        let changed = format!("{}{other}{}", &value[..at], &value[at + 1..]);
        let device = cookies::read_device(&keys, NOW, "bank", &request(true, HOST, &[(name, &changed)]));
        prop_assert_eq!(device.is_some(), changed == value);
    }

    #[test]
    fn any_cookie_value_is_a_ticket_or_none(value in any::<String>()) {
        if let Some(ticket) = Ticket::parse(&value) {
            prop_assert_eq!(ticket.value(), value);
        }
    }

    #[test]
    fn a_record_reads_back_and_stays_bounded(events in prop::collection::vec("[a-z]{1,8}", 0..200), cut in any::<prop::sample::Index>()) {
        let sessions = sessions();
        let mut session = start(&sessions);
        session.sign_in(&sessions, NOW, subject(&sessions, "alice"), false);
        for (at, event) in events.iter().enumerate() {
            let at_ms = NOW + at as i64;
            session.change().succeed(event.as_str().into(), at_ms);
            session.change().prove(Proof { bound_to: Some([at as u8; 32]), ..proof(Method::Totp, at_ms) }, None);
            session.bind_app(&sessions, event, "value");
        }
        let record = session.record;
        prop_assert!(record.succeeded.len() <= 64 && record.proofs.len() <= 32 && record.app_cookies.len() <= 8);
        let bytes = record.to_bytes();
        prop_assert_eq!(Record::from_bytes(&bytes), Some(record));
        prop_assert_eq!(Record::from_bytes(&bytes[..cut.index(bytes.len())]), None);
    }
}

#[test]
fn what_one_request_recorded_is_not_lost_to_another() {
    let mut ours = start(&sessions()).record;
    let mut theirs = ours.clone();
    ours.succeed("login".into(), NOW);
    theirs.succeed("login".into(), NOW + 5);
    theirs.succeed("transfer".into(), NOW + 1);
    theirs.prove(proof(Method::Pow, NOW), None);
    theirs.app_cookies.push(("sid".into(), [1; 16]));
    theirs.seen_ms = NOW + 9;
    ours.absorb(theirs.clone());
    ours.absorb(theirs);
    let succeeded: Vec<_> = ours.succeeded.iter().map(|success| (&*success.event, success.at_ms)).collect();
    assert_eq!(succeeded, [("transfer", NOW + 1), ("login", NOW + 5)]);
    assert_eq!((ours.proofs.len(), ours.app_cookies.len(), ours.seen_ms), (1, 1, NOW + 9));
}

#[test]
fn subject_words_read_back() {
    for kind in [SubjectKind::Human, SubjectKind::Service, SubjectKind::Agent] {
        assert_eq!(SubjectKind::named(kind.name()), Some(kind));
    }
    assert_eq!(SubjectKind::named("Human"), None);
    let shared: Arc<str> = VerifiedBy::Login.name().into();
    assert_eq!(&*shared, "login");
}

#[tokio::test]
async fn what_stands_for_a_session_that_was_replaced_is_never_written_unless_somebody_signs_in() {
    let (sessions, store) = (sessions(), Embedded::in_memory().unwrap());
    let mut late = start(&sessions).in_place();
    late.change().prove(proof(Method::Pow, NOW), None);
    let reference = late.reference();
    assert_eq!(late.commit(&sessions, &store).await, Ok(Committed::Gone));
    assert_eq!(stored_at(&store, NOW, reference).await, None);
    late.sign_in(&sessions, NOW, subject(&sessions, "alice"), false);
    assert_eq!(late.commit(&sessions, &store).await, Ok(Committed::Done));
}
