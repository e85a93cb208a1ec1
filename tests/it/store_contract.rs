//! What every store must do: one suite, generic over the trait, run on each store there is.
//!
//! Time is an argument, so expiry is tested by naming another moment. Races run on several threads.

use std::{future::Future, sync::Arc, time::Duration};

use stepward::{
    clock::random_id,
    store::{
        Amended, Attempt, Begin, Counted, Drawer, Enrolment, Ever, Id, Kind, Lasting, Meter, Once, REPLACED_KNOWN_MS,
        Revocation, Session, SessionRef, Shape, Standing, StateStore, Touch, Tried, Trying, embedded::Embedded,
    },
};

/// Some moment in 2026.
pub(crate) const NOW: i64 = 1_780_000_000_000;
const MINUTE_MS: i64 = 60_000;
/// How many callers race.
const RACERS: usize = 64;
/// How often each race is run.
const RACES: usize = 20;

/// Every promise of the trait; a new store passes all of them.
pub(crate) async fn keeps_the_contract<S: StateStore>(store: Arc<S>) {
    for _ in 0..RACES {
        counters_lose_no_hit(&store).await;
        of_racing_tries_as_many_count_as_there_are(&store).await;
        of_racing_changes_one_wins(&store).await;
        challenges_grant_so_many_tries(&store).await;
        challenges_are_met_once(&store).await;
        tokens_are_claimed_once(&store).await;
        of_racing_steps_forward_one_is_granted(&store).await;
    }
    counters_slide_and_are_refunded(&store).await;
    a_right_answer_takes_back_its_own_sessions_tries_once(&store).await;
    tries_are_counted_until_they_are_forgotten(&store).await;
    distinct_values_are_counted_once(&store).await;
    lock_outs_only_grow_until_they_are_lifted(&store).await;
    sessions_change_by_version_and_expire(&store).await;
    a_session_has_one_successor(&store).await;
    a_successor_is_locked_out_as_long(&store).await;
    an_ended_session_stays_ended(&store).await;
    revocation_voids_sessions_and_late_writes(&store).await;
    challenges_expire_by_the_callers_clock(&store).await;
    parked_requests_are_taken_once(&store).await;
    drawers_keep_what_is_enrolled(&store).await;
    the_revocation_log_is_ordered_and_wakes_readers(&store).await;
    store.health().await.unwrap();
}

async fn counters_lose_no_hit<S: StateStore>(store: &Arc<S>) {
    for shape in [Shape::Exact { keep: 33 }, Shape::Guarded { keep: 33, limit: 32 }, Shape::Buckets] {
        let (who, meter) = (someone(Kind::Account), meter(shape));
        let touch = move |store: Arc<S>| async move { count(&*store, NOW, who, meter, Touch::Hit).await };
        let mut seen = race(store, touch).await;
        seen.sort_unstable();
        let limit = if shape == Shape::Buckets { RACERS as u64 } else { 33 };
        let expected: Vec<u64> = (1..=RACERS as u64).map(|hit| hit.min(limit)).collect();
        assert_eq!(seen, expected, "{shape:?}: every caller sees its own hit");
    }
}

/// A try of an account's: three a minute and as many an hour, and so many for ever.
fn trying<'a>(who: Counted, nonce: Id, limits: [u16; 2], ever: Ever<'a>) -> Trying<'a> {
    let window = |name, minutes: i64, limit| Meter {
        name,
        window: Duration::from_millis((minutes * MINUTE_MS) as u64),
        shape: Shape::Guarded { keep: 32, limit },
    };
    let [few, many] = limits;
    let windows = [window(1, 1, few), window(2, 60, many)];
    Trying { who, nonce, windows, own: window(3, 15, 1), ever, closed_until_ms: NOW + 15 * MINUTE_MS }
}

fn lasting(by: u64, most: u64) -> Lasting {
    Lasting { made: random_id(), forgiven: random_id(), by, most }
}

async fn of_racing_tries_as_many_count_as_there_are<S: StateStore>(store: &Arc<S>) {
    let (ten, five) = (lasting(1, 10), lasting(2, 10));
    let nobody = Ever::Nobody { most: 10, expires_ms: NOW + 60 * MINUTE_MS };
    for (limits, ever, expected) in [
        ([3, 30], Ever::SetUp(&ten), 3),
        ([30, 4], Ever::SetUp(&ten), 4),
        ([30, 30], Ever::SetUp(&ten), 10),
        ([30, 30], Ever::SetUp(&five), 5),
        ([30, 30], nobody, 10),
        ([7, 30], Ever::Unbounded, 7),
    ] {
        let who = someone(Kind::Account);
        let (made, forgiven, by, most) = match ever {
            Ever::SetUp(it) => (it.made, it.forgiven, it.by, it.most),
            Ever::Unbounded | Ever::Nobody { .. } => (random_id(), random_id(), 1, 10),
        };
        let is_set_up = matches!(ever, Ever::SetUp(_));
        let is_nobody = matches!(ever, Ever::Nobody { .. });
        let one = move |store: Arc<S>| async move {
            let lasting = Lasting { made, forgiven, by, most };
            let ever = match (is_set_up, is_nobody) {
                (true, _) => Ever::SetUp(&lasting),
                (false, true) => nobody,
                (false, false) => Ever::Unbounded,
            };
            store.count_try(NOW, trying(who, random_id(), limits, ever)).await.unwrap()
        };
        let tried = race(store, one).await;
        let until = NOW + 15 * MINUTE_MS;
        let counted = tried.iter().filter(|it| **it != Tried::Closed(until)).count();
        assert_eq!(counted, expected, "{limits:?} {ever:?}: {tried:?}");
        assert_eq!(locked_until(&**store, NOW, who).await, Some(until));
    }
}

async fn a_right_answer_takes_back_its_own_sessions_tries_once<S: StateStore>(store: &Arc<S>) {
    let (who, lasting) = (someone(Kind::Account), lasting(2, 20));
    let ever = Ever::SetUp(&lasting);
    let own = |session: u64, nonce| {
        let trying = trying(who, nonce, [30, 30], ever);
        Trying { own: Meter { name: session, ..trying.own }, ..trying }
    };
    let counted = async |trying| match store.count_try(NOW, trying).await.unwrap() {
        Tried::Counted { in_windows, ever } => (in_windows, ever),
        Tried::Closed(until) => panic!("closed until {until}"),
    };
    assert_eq!(counted(own(7, random_id())).await, ([1, 1], 2), "a stranger");
    assert_eq!(counted(own(8, random_id())).await, ([2, 2], 4), "a slip");
    let right = own(8, random_id());
    assert_eq!(counted(right).await, ([3, 3], 6));
    store.forgive_try(NOW, right, 10).await.unwrap();
    assert_eq!(counted(own(9, random_id())).await, ([3, 3], 4), "the stranger's and this one");
    let again = own(8, random_id());
    assert_eq!(counted(again).await, ([4, 4], 6));
    store.forgive_try(NOW, again, 1).await.unwrap();
    assert_eq!(counted(own(9, random_id())).await, ([4, 4], 6), "no more slips than it may");
}

async fn tries_are_counted_until_they_are_forgotten<S: StateStore>(store: &Arc<S>) {
    let who = someone(Kind::Account);
    let one = async |now_ms: i64, expires_ms| {
        let ever = Ever::Nobody { most: 2, expires_ms };
        let closed_until_ms = now_ms + 1;
        store.count_try(now_ms, Trying { closed_until_ms, ..trying(who, random_id(), [30, 30], ever) }).await.unwrap()
    };
    let (end, later) = (NOW + MINUTE_MS, NOW + 2 * MINUTE_MS);
    assert_eq!(one(NOW, end).await, Tried::Counted { in_windows: [1, 1], ever: 1 });
    assert_eq!(one(NOW, later).await, Tried::Counted { in_windows: [2, 2], ever: 2 });
    assert_eq!(one(NOW, later).await, Tried::Closed(NOW + 1));
    assert_eq!(one(NOW, later).await, Tried::Closed(NOW + 1), "and nothing is counted");
    let Tried::Counted { in_windows, .. } = one(end, later).await else { panic!("over") };
    assert_eq!(in_windows, [1, 4]);
}

async fn counters_slide_and_are_refunded<S: StateStore>(store: &Arc<S>) {
    for shape in [Shape::Exact { keep: 10 }, Shape::Guarded { keep: 10, limit: 9 }, Shape::Buckets] {
        let (who, meter) = (someone(Kind::Pair), meter(shape));
        for expected in 1..=3 {
            assert_eq!(count(&**store, NOW, who, meter, Touch::Hit).await, expected, "{shape:?}");
        }
        store.refund(NOW, who, meter).await.unwrap();
        assert_eq!(count(&**store, NOW, who, meter, Touch::Look).await, 2, "{shape:?}: refunded");
        assert_eq!(count(&**store, NOW + MINUTE_MS * 11 / 10, who, meter, Touch::Look).await, 0, "{shape:?}: over");
        let other = Counted { kind: Kind::Account, ..who };
        assert_eq!(
            count(&**store, NOW, other, meter, Touch::Look).await,
            0,
            "{shape:?}: another kind is another counter"
        );
    }
}

async fn distinct_values_are_counted_once<S: StateStore>(store: &Arc<S>) {
    let (who, meter) = (someone(Kind::Ip), meter(Shape::Distinct));
    let values: Vec<Id> = (0..8).map(|_| random_id()).collect();
    for value in values.iter().chain(&values) {
        count(&**store, NOW, who, meter, Touch::Add(*value)).await;
    }
    assert_eq!(count(&**store, NOW, who, meter, Touch::Look).await, 8);
    assert_eq!(count(&**store, NOW + MINUTE_MS, who, meter, Touch::Look).await, 0);
}

async fn lock_outs_only_grow_until_they_are_lifted<S: StateStore>(store: &Arc<S>) {
    let who = someone(Kind::Account);
    store.lock(who, NOW + 2 * MINUTE_MS).await.unwrap();
    store.lock(who, NOW + MINUTE_MS).await.unwrap();
    assert_eq!(locked_until(&**store, NOW, who).await, Some(NOW + 2 * MINUTE_MS), "a shorter one changes nothing");
    assert_eq!(locked_until(&**store, NOW + 2 * MINUTE_MS, who).await, None, "over by the caller's clock");
    store.unlock(who).await.unwrap();
    assert_eq!(locked_until(&**store, NOW, who).await, None);
    assert_eq!(locked_until(&**store, NOW, Counted { kind: Kind::Device, ..who }).await, None);
}

async fn sessions_change_by_version_and_expire<S: StateStore>(store: &Arc<S>) {
    let session = somewhere();
    store.establish(NOW, None, session, b"one".to_vec(), NOW + MINUTE_MS).await.unwrap();
    assert_eq!(read(&**store, NOW, session).await, stored(1, b"one"));
    store.establish(NOW, None, session, b"late".to_vec(), NOW + MINUTE_MS).await.unwrap();
    assert_eq!(read(&**store, NOW, session).await, stored(1, b"one"), "establishing twice changes nothing");
    let amended = store.amend(NOW, session, 1, b"two".to_vec(), NOW + 2 * MINUTE_MS).await.unwrap();
    assert_eq!(amended, Amended::Done(2));
    let stale = store.amend(NOW, session, 1, b"lost".to_vec(), NOW + 9 * MINUTE_MS).await.unwrap();
    assert_eq!(stale, Amended::Stale(stored(2, b"two")));
    assert_eq!(read(&**store, NOW + MINUTE_MS, session).await, stored(2, b"two"), "the change moved its end");
    let after = NOW + 2 * MINUTE_MS;
    assert_eq!(read(&**store, after, session).await, None, "expired by the caller's clock");
    let late = store.amend(after, session, 2, b"late".to_vec(), after + MINUTE_MS).await.unwrap();
    assert_eq!(late, Amended::Stale(None), "what has expired is not brought back");
    let elsewhere = SessionRef { home: random_id(), ..session };
    assert_eq!(read(&**store, NOW, elsewhere).await, None, "the same id under another home is another session");
}

async fn a_session_has_one_successor<S: StateStore>(store: &Arc<S>) {
    let (before, after) = (somewhere(), somewhere());
    store.establish(NOW, None, before, b"anonymous".to_vec(), NOW + MINUTE_MS).await.unwrap();
    store.establish(NOW, Some(before), after, b"alice".to_vec(), NOW + MINUTE_MS).await.unwrap();
    assert_eq!(read(&**store, NOW, before).await, None, "the planted session is dead");
    assert_eq!(read(&**store, NOW, after).await, stored(1, b"alice"));
    let late = store.amend(NOW, before, 1, b"late".to_vec(), NOW + MINUTE_MS).await.unwrap();
    assert_eq!(late, Amended::Stale(None));
    let was_replaced = async |session, now_ms| {
        standing(&**store, now_ms, Begin { session: Some(session), ..Begin::default() }).await.was_replaced
    };
    assert!(was_replaced(before, NOW).await && was_replaced(before, NOW + REPLACED_KNOWN_MS - 1).await);
    assert!(!was_replaced(before, NOW + REPLACED_KNOWN_MS).await, "not for ever");
    assert!(!was_replaced(after, NOW).await && !was_replaced(somewhere(), NOW).await);
}

async fn a_successor_is_locked_out_as_long<S: StateStore>(store: &Arc<S>) {
    let (before, after, later) = (somewhere(), somewhere(), somewhere());
    let itself = |session: SessionRef| Counted { kind: Kind::Session, id: session.id };
    store.establish(NOW, None, before, b"locked out".to_vec(), NOW + MINUTE_MS).await.unwrap();
    store.lock(itself(before), NOW + MINUTE_MS).await.unwrap();
    assert!(store.establish(NOW, Some(before), after, b"renewed".to_vec(), NOW + MINUTE_MS).await.unwrap());
    assert_eq!(locked_until(&**store, NOW, itself(after)).await, Some(NOW + MINUTE_MS));
    let then = NOW + MINUTE_MS;
    assert!(store.establish(then, Some(after), later, b"again".to_vec(), then + MINUTE_MS).await.unwrap());
    assert_eq!(locked_until(&**store, NOW, itself(later)).await, None, "it was over");
}

async fn of_racing_changes_one_wins<S: StateStore>(store: &Arc<S>) {
    let session = somewhere();
    store.establish(NOW, None, session, b"one".to_vec(), NOW + MINUTE_MS).await.unwrap();
    let amend = move |store: Arc<S>| async move {
        store.amend(NOW, session, 1, random_id().to_vec(), NOW + MINUTE_MS).await.unwrap()
    };
    let done = race(store, amend).await.into_iter().filter(|amended| *amended == Amended::Done(2)).count();
    assert_eq!(done, 1);
}

async fn an_ended_session_stays_ended<S: StateStore>(store: &Arc<S>) {
    let session = somewhere();
    store.establish(NOW, None, session, b"one".to_vec(), NOW + MINUTE_MS).await.unwrap();
    store.end(session).await.unwrap();
    store.end(session).await.unwrap();
    assert_eq!(read(&**store, NOW, session).await, None);
    let late = store.amend(NOW, session, 1, b"late".to_vec(), NOW + MINUTE_MS).await.unwrap();
    assert_eq!(late, Amended::Stale(None));
    let heir = somewhere();
    let late = store.establish(NOW + 1_000, Some(session), heir, b"heir".to_vec(), NOW + MINUTE_MS).await.unwrap();
    assert!(!late, "a request that was under way took its place");
    assert_eq!(read(&**store, NOW + 1_000, heir).await, None);
}

async fn revocation_voids_sessions_and_late_writes<S: StateStore>(store: &Arc<S>) {
    let account = random_id();
    let of_account = || SessionRef { home: account, id: random_id() };
    let (first, second, bystander) = (of_account(), of_account(), somewhere());
    for session in [first, second, bystander] {
        store.establish(NOW, None, session, b"one".to_vec(), NOW + 9 * MINUTE_MS).await.unwrap();
    }
    let revoked = Revocation { target: Counted { kind: Kind::Account, id: account }, before_ms: NOW + 1 };
    store.revoke(revoked).await.unwrap();
    for session in [first, second] {
        assert_eq!(read(&**store, NOW + 1, session).await, None, "revoked with its account");
        let late = store.amend(NOW + 2, session, 1, b"late".to_vec(), NOW + MINUTE_MS).await.unwrap();
        assert_eq!(late, Amended::Stale(None), "a late change does not bring it back");
    }
    assert_eq!(read(&**store, NOW + 1, bystander).await, stored(1, b"one"));

    let late = of_account();
    assert!(!store.establish(NOW, Some(first), late, b"late".to_vec(), NOW + MINUTE_MS).await.unwrap());
    assert_eq!(read(&**store, NOW + 2, late).await, None, "begun before the revocation, written after it");
    let fresh = of_account();
    store.establish(NOW + 2, None, fresh, b"again".to_vec(), NOW + MINUTE_MS).await.unwrap();
    assert_eq!(read(&**store, NOW + 2, fresh).await, stored(1, b"again"), "signing in again is possible");

    let target = Counted { kind: Kind::Session, id: bystander.id };
    store.revoke(Revocation { target, before_ms: NOW + 3 }).await.unwrap();
    assert_eq!(read(&**store, NOW + 3, bystander).await, None, "revoked by itself");
    let heir = somewhere();
    assert!(!store.establish(NOW + 3, Some(bystander), heir, b"heir".to_vec(), NOW + MINUTE_MS).await.unwrap());
    assert_eq!(read(&**store, NOW + 3, heir).await, None, "its successor was begun from it before it was revoked");
}

async fn challenges_grant_so_many_tries<S: StateStore>(store: &Arc<S>) {
    let (home, challenge) = (random_id(), random_id());
    store.issue_challenge(home, challenge, 3, b"code".to_vec(), NOW + MINUTE_MS).await.unwrap();
    let attempt = move |store: Arc<S>| async move { store.attempt_challenge(NOW, home, challenge).await.unwrap() };
    let outcomes = race(store, attempt).await;
    let mut left: Vec<u32> = outcomes.iter().filter_map(granted).collect();
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2], "64 callers, three tries");
    assert_eq!(outcomes.iter().filter(|it| **it == Attempt::Exhausted).count(), RACERS - 3);
    store.issue_challenge(home, challenge, 3, b"again".to_vec(), NOW + 9 * MINUTE_MS).await.unwrap();
    assert_eq!(store.attempt_challenge(NOW, home, challenge).await.unwrap(), Attempt::Exhausted, "no fresh tries");
    assert_eq!(store.attempt_challenge(NOW, random_id(), challenge).await.unwrap(), Attempt::Gone, "another home");
}

async fn challenges_are_met_once<S: StateStore>(store: &Arc<S>) {
    let (home, challenge) = (random_id(), random_id());
    store.issue_challenge(home, challenge, 3, b"code".to_vec(), NOW + MINUTE_MS).await.unwrap();
    assert_eq!(store.peek_challenge(NOW, home, challenge).await.unwrap(), Some(b"code".to_vec()));
    let spend = move |store: Arc<S>| async move {
        let nonce = random_id();
        (store.spend_challenge(NOW, home, challenge, nonce).await.unwrap(), nonce)
    };
    let firsts: Vec<_> = race(store, spend).await.into_iter().filter(|(once, _)| *once == Once::First).collect();
    let [(_, winner)] = firsts[..] else { panic!("{} callers were first", firsts.len()) };
    assert_eq!(store.spend_challenge(NOW, home, challenge, winner).await.unwrap(), Once::First, "the winner again");
    assert_eq!(store.spend_challenge(NOW, home, challenge, random_id()).await.unwrap(), Once::Replay);
    assert_eq!(store.attempt_challenge(NOW, home, challenge).await.unwrap(), Attempt::Gone, "it is done");
    assert_eq!(store.peek_challenge(NOW, home, challenge).await.unwrap(), None);
    store.issue_challenge(home, challenge, 3, b"late".to_vec(), NOW + MINUTE_MS).await.unwrap();
    assert_eq!(
        store.attempt_challenge(NOW, home, challenge).await.unwrap(),
        Attempt::Gone,
        "a late issue changes nothing"
    );
    assert_eq!(store.spend_challenge(NOW, home, random_id(), random_id()).await.unwrap(), Once::Replay, "never was");
}

async fn challenges_expire_by_the_callers_clock<S: StateStore>(store: &Arc<S>) {
    let (home, challenge, end) = (random_id(), random_id(), NOW + MINUTE_MS);
    store.issue_challenge(home, challenge, 3, b"code".to_vec(), end).await.unwrap();
    assert!(granted(&store.attempt_challenge(end - 1, home, challenge).await.unwrap()).is_some());
    assert_eq!(store.attempt_challenge(end, home, challenge).await.unwrap(), Attempt::Gone);
    assert_eq!(store.peek_challenge(end, home, challenge).await.unwrap(), None);
    assert_eq!(store.spend_challenge(end, home, challenge, random_id()).await.unwrap(), Once::Replay);
}

async fn parked_requests_are_taken_once<S: StateStore>(store: &Arc<S>) {
    let (home, parked) = (random_id(), random_id());
    let body = vec![7; 1 << 20];
    store.park(home, parked, body.clone(), NOW + MINUTE_MS).await.unwrap();
    assert_eq!(store.peek_parked(NOW, home, parked).await.unwrap(), Some(body.clone()));
    assert_eq!(store.peek_parked(NOW + MINUTE_MS, home, parked).await.unwrap(), None, "expired");
    assert_eq!(store.take_parked(NOW + MINUTE_MS, home, parked, random_id()).await.unwrap(), None, "expired");
    let take = move |store: Arc<S>| async move {
        let nonce = random_id();
        (store.take_parked(NOW, home, parked, nonce).await.unwrap(), nonce)
    };
    let taken: Vec<_> = race(store, take).await.into_iter().filter(|(taken, _)| taken.is_some()).collect();
    let [(Some(first), winner)] = &taken[..] else { panic!("{} callers took it", taken.len()) };
    assert_eq!(*first, body);
    assert_eq!(
        store.take_parked(NOW, home, parked, *winner).await.unwrap(),
        Some(body),
        "its answer may have been lost"
    );
    assert_eq!(store.peek_parked(NOW, home, parked).await.unwrap(), None);
    store.park(home, parked, b"late".to_vec(), NOW + MINUTE_MS).await.unwrap();
    assert_eq!(
        store.take_parked(NOW, home, parked, random_id()).await.unwrap(),
        None,
        "parking late brings nothing back"
    );
    store.drop_parked(home, parked).await.unwrap();
    assert_eq!(store.take_parked(NOW, home, parked, *winner).await.unwrap(), None, "dropped");
}

async fn tokens_are_claimed_once<S: StateStore>(store: &Arc<S>) {
    let (token, end) = (random_id(), NOW + MINUTE_MS);
    let claim = move |store: Arc<S>| async move {
        let nonce = random_id();
        (store.claim(NOW, "jti", token, nonce, end).await.unwrap(), nonce)
    };
    let firsts: Vec<_> = race(store, claim).await.into_iter().filter(|(once, _)| *once == Once::First).collect();
    let [(_, winner)] = firsts[..] else { panic!("{} callers were first", firsts.len()) };
    assert_eq!(store.claim(NOW, "jti", token, winner, end).await.unwrap(), Once::First, "the winner again");
    assert_eq!(store.claim(NOW, "jti", token, random_id(), end).await.unwrap(), Once::Replay);
    assert_eq!(store.claim(NOW, "totp", token, random_id(), end).await.unwrap(), Once::First, "another scope");
    assert_eq!(store.claim(end, "jti", token, random_id(), end + MINUTE_MS).await.unwrap(), Once::First, "expired");
}

async fn drawers_keep_what_is_enrolled<S: StateStore>(store: &Arc<S>) {
    let (account, one, other) = (random_id(), [1; 16], [2; 16]);
    let drawer = Drawer::Authenticators;
    store.enrol(account, drawer, other, b"passkey".to_vec()).await.unwrap();
    store.enrol(account, drawer, one, b"totp".to_vec()).await.unwrap();
    store.enrol(account, Drawer::Contacts, one, b"mail".to_vec()).await.unwrap();
    assert!(store.advance(account, drawer, one, 7).await.unwrap());
    store.enrol(account, drawer, one, b"resealed".to_vec()).await.unwrap();
    let expected = [(one, 7, &b"resealed"[..]), (other, 0, b"passkey")];
    let expected = expected.map(|(id, counter, sealed)| Enrolment { id, counter, sealed: sealed.to_vec() });
    assert_eq!(store.enrolments(account, drawer).await.unwrap(), expected, "sealing again keeps the counter");
    let entries = [(account, drawer, other), (account, Drawer::Traces, other), (account, Drawer::Contacts, one)];
    let standing = store.begin(NOW, Begin { entries: &entries, ..Begin::default() }).await.unwrap();
    assert_eq!(standing.entries, [Some(b"passkey".to_vec()), None, Some(b"mail".to_vec())]);
    assert!(store.retire(account, drawer, one).await.unwrap());
    assert!(!store.retire(account, drawer, one).await.unwrap());
    assert!(!store.advance(account, drawer, one, 99).await.unwrap(), "what was retired does not step forward");
    assert_eq!(store.enrolments(account, drawer).await.unwrap().len(), 1);
}

async fn of_racing_steps_forward_one_is_granted<S: StateStore>(store: &Arc<S>) {
    let (account, id) = (random_id(), random_id());
    store.enrol(account, Drawer::Authenticators, id, b"totp".to_vec()).await.unwrap();
    let advance = move |store: Arc<S>| async move {
        store.advance(account, Drawer::Authenticators, id, 58_000_000).await.unwrap()
    };
    assert_eq!(race(store, advance).await.into_iter().filter(|granted| *granted).count(), 1, "one code, one sign-in");
    assert!(!store.advance(account, Drawer::Authenticators, id, 57_999_999).await.unwrap(), "an older code");
    assert!(store.advance(account, Drawer::Authenticators, id, 58_000_001).await.unwrap());
}

async fn the_revocation_log_is_ordered_and_wakes_readers<S: StateStore>(store: &Arc<S>) {
    let revocation = |before_ms| Revocation { target: someone(Kind::Device), before_ms };
    let start = store.revoke(revocation(1)).await.unwrap();
    assert_eq!(store.revocations_after(start, Duration::ZERO).await.unwrap(), [], "nothing newer");
    let (second, third) = (revocation(2), revocation(3));
    let reader = tokio::spawn({
        let store = store.clone();
        async move { store.revocations_after(start, Duration::from_secs(20)).await.unwrap() }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    let at = store.revoke(second).await.unwrap();
    let woken = tokio::time::timeout(Duration::from_secs(1), reader).await.unwrap().unwrap();
    assert_eq!(woken, [(at, second)], "a waiting reader hears of it within a second");
    let last = store.revoke(third).await.unwrap();
    assert_eq!(store.revocations_after(start, Duration::ZERO).await.unwrap(), [(at, second), (last, third)]);
    assert_eq!(store.revocations_after(at, Duration::ZERO).await.unwrap(), [(last, third)], "a reader resumes");

    let session = SessionRef { home: random_id(), id: random_id() };
    store.establish(NOW, None, session, b"one".to_vec(), NOW + MINUTE_MS).await.unwrap();
    let account = Counted { kind: Kind::Account, id: session.home };
    store.announce(account).await.unwrap();
    let heard = store.revocations_after(last, Duration::from_secs(1)).await.unwrap();
    assert_eq!(heard.iter().map(|(_, it)| it.target).collect::<Vec<_>>(), [account], "an announcement is an entry");
    assert_eq!(read(&**store, NOW, session).await, stored(1, b"one"), "and voids nothing");
    let last = heard[0].0;
    assert!(store.log_added() >= last, "who has added an entry knows its place");
    store.end(session).await.unwrap();
    let heard = store.revocations_after(last, Duration::from_secs(1)).await.unwrap();
    let ended = Counted { kind: Kind::Session, id: session.id };
    assert_eq!(heard.iter().map(|(_, it)| it.target).collect::<Vec<_>>(), [ended], "so is the end of a session");
}

/// The same call by many callers at once, on all threads there are.
async fn race<S, F, T>(store: &Arc<S>, call: impl Fn(Arc<S>) -> F) -> Vec<T>
where
    S: StateStore,
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let gate = Arc::new(tokio::sync::Barrier::new(RACERS));
    let racers: Vec<_> = (0..RACERS)
        .map(|_| {
            let (gate, call) = (gate.clone(), call(store.clone()));
            tokio::spawn(async move {
                gate.wait().await;
                call.await
            })
        })
        .collect();
    let mut outcomes = Vec::new();
    for racer in racers {
        outcomes.push(racer.await.unwrap());
    }
    outcomes
}

fn meter(shape: Shape) -> Meter {
    Meter { name: 1, window: Duration::from_millis(MINUTE_MS as u64), shape }
}

fn someone(kind: Kind) -> Counted {
    Counted { kind, id: random_id() }
}

fn somewhere() -> SessionRef {
    SessionRef { home: random_id(), id: random_id() }
}

fn stored(version: u64, sealed: &[u8]) -> Option<Session> {
    Some(Session { version, sealed: sealed.to_vec() })
}

fn granted(attempt: &Attempt) -> Option<u32> {
    match attempt {
        Attempt::Granted { left, sealed } => {
            assert_eq!(sealed, b"code");
            Some(*left)
        }
        Attempt::Exhausted | Attempt::Gone => None,
    }
}

async fn read(store: &impl StateStore, now_ms: i64, session: SessionRef) -> Option<Session> {
    standing(store, now_ms, Begin { session: Some(session), ..Begin::default() }).await.session
}

async fn count(store: &impl StateStore, now_ms: i64, who: Counted, meter: Meter, touch: Touch) -> u64 {
    let standing = standing(store, now_ms, Begin { meters: &[(who, meter, touch)], ..Begin::default() }).await;
    standing.counts[0]
}

async fn locked_until(store: &impl StateStore, now_ms: i64, who: Counted) -> Option<i64> {
    standing(store, now_ms, Begin { locks: &[who], ..Begin::default() }).await.locked_until_ms[0]
}

async fn standing(store: &impl StateStore, now_ms: i64, begin: Begin<'_>) -> Standing {
    store.begin(now_ms, begin).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_embedded_store_keeps_the_contract_in_memory() {
    keeps_the_contract(Arc::new(Embedded::in_memory().unwrap())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_embedded_store_keeps_the_contract_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    keeps_the_contract(Arc::new(Embedded::open(folder.path()).unwrap())).await;
}
