//! A bank whose customers' accounts are guessed at, and what comes of it.
//!
//! Strangers guess for days, at apps' codes and mailed ones, through many sessions, two nodes and restarts, one by one and
//! many at once, while owners sign in. The counting is the real one; the time is simulated.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use futures_util::future::join_all;
use http::HeaderMap;
use stepward::{
    arrival::{Arrival, Client},
    challenges::{
        Challenges,
        answer::{self, Ahead, Answer, Came},
        attempts::EVER_MAX,
        authenticators::{self, Kept},
        issued::{Afterwards, Issued, OnFail},
        totp,
    },
    clock::{Clock, random_id},
    keys::Keys,
    sessions::{DEFAULT_LIMITS, SessionHandle, Sessions},
    settings::{self, Route, pages::Pages},
    store::{AnyStore, Drawer, Id, StateStore, embedded::Embedded, redis::Redis},
};
use stepward_core::{
    request::{Body, Request},
    session::Method,
};

const START_MS: i64 = 1_780_000_020_000;
const SECOND_MS: i64 = 1000;
const HOUR_MS: i64 = 3600 * SECOND_MS;
/// Strangers guess for six hours a day, each account once in 90 seconds, and some times many at once.
const DAYS: i64 = 4;
const GUESSES_A_DAY: i64 = 240;
const GUESS_EVERY_MS: i64 = 90 * SECOND_MS;
const AT_ONCE: usize = 16;
const GUESSES_AN_ACCOUNT: usize = DAYS as usize * (GUESSES_A_DAY as usize + AT_ONCE);
/// Sessions that strangers answer from.
const SESSIONS: usize = 200;
/// How many accounts are guessed at at the same time.
const SIDE_BY_SIDE: usize = 256;
/// The bars of DESIGN §8, with room for rounding.
const HOURLY_PROMISE: f64 = 3.000_001e-5;
const PROMISE: f64 = 3.000_001e-4;
/// What a mistake in the count of strokes of luck may cost: one false alarm in a million runs.
pub(crate) const FALSE_ALARM: f64 = 1e-6;
/// The ways that are guessed at, and the probability that one guess is right.
const WAYS: [(Method, f64); 2] = [(Method::Totp, 2e-6), (Method::EmailCode, 1e-6)];

/// As many as `STEPWARD_GUESSES` needs, and no fewer than that.
pub(crate) fn accounts(fewest: usize) -> usize {
    let guesses = std::env::var("STEPWARD_GUESSES").map_or(0, |it| it.parse().unwrap());
    fewest.max(usize::div_ceil(guesses, GUESSES_AN_ACCOUNT))
}

/// The same numbers in every run (splitmix64).
#[derive(Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    pub(crate) fn six_digits(&mut self) -> String {
        format!("{:06}", self.below(1_000_000))
    }
}

/// What outlives a restart.
pub(crate) enum Ground {
    /// A folder of the embedded store, which both nodes share.
    File(tempfile::TempDir),
    /// A server.
    Redis(settings::Redis),
}

/// A folder that waits for no disk where there is one: what a crash takes is the matter of other tests.
pub(crate) fn in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Two nodes on one store.
pub(crate) struct Bank {
    ground: Ground,
    keys: Keys,
    now: Arc<AtomicI64>,
    nodes: Vec<Challenges>,
    stores: Vec<Arc<AnyStore>>,
    sessions: Sessions,
    route: Arc<Route>,
    strangers: Vec<SessionHandle>,
}

impl Bank {
    pub(crate) async fn open(ground: Ground) -> Bank {
        let keys = Keys::ephemeral();
        let now = Arc::new(AtomicI64::new(START_MS));
        let sessions = Sessions::new(keys.clone(), DEFAULT_LIMITS);
        let route = Route {
            host: None,
            path: "/".into(),
            upstream: "bank".into(),
            tenant: "default".into(),
            inject_script: false,
            app_may_ask: false,
        };
        let start = || sessions.start(START_MS, &"default".into(), &"bank.example".into());
        let strangers = (0..SESSIONS).map(|_| start()).collect();
        let mut bank = Bank {
            ground,
            keys,
            now,
            nodes: Vec::new(),
            stores: Vec::new(),
            sessions,
            route: Arc::new(route),
            strangers,
        };
        bank.restart().await;
        bank
    }

    /// Ends both nodes and starts them on what was kept.
    async fn restart(&mut self) {
        self.nodes.clear();
        self.stores.clear();
        let clock = Clock::Manual(self.now.clone());
        let stores: [Arc<AnyStore>; 2] = match &self.ground {
            Ground::File(folder) => {
                let store = Arc::new(AnyStore::Embedded(Embedded::open(folder.path()).unwrap()));
                [store.clone(), store]
            }
            Ground::Redis(settings) => {
                let open = async || Redis::open(settings, clock.clone()).await.unwrap();
                [Arc::new(AnyStore::Redis(open().await)), Arc::new(AnyStore::Redis(open().await))]
            }
        };
        let pages = Pages { service_name: "Bank".into(), ..Pages::default() };
        self.stores = stores.to_vec();
        for store in stores {
            let keys = Arc::new(self.keys.clone());
            let node = Challenges::new(&pages, None, keys, store, self.sessions.clone(), clock.clone()).unwrap();
            self.nodes.push(node);
        }
    }

    fn now_ms(&self) -> i64 {
        self.now.load(Ordering::Relaxed)
    }

    fn wait(&self, ms: i64) {
        self.now.fetch_add(ms, Ordering::Relaxed);
    }

    fn arrival(&self, random: &mut Random) -> Arrival {
        let ip = IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(random.next() >> 32).unwrap()));
        let request = Request {
            method: "POST".into(),
            host: "bank.example".into(),
            path: "/.stepward/c/x".into(),
            query: None,
            headers: Vec::new(),
            cookies: Vec::new(),
            client_ip: ip,
            secure: true,
            body: Body::Unread,
        };
        let headers = HeaderMap::new();
        let client = Client::of(&headers);
        Arrival {
            id: "1".into(),
            route: self.route.clone(),
            client,
            request,
            headers,
            body: None,
            upload: None,
            trusted_peer: false,
        }
    }

    async fn answers(
        &self,
        victim: Id,
        session: &mut SessionHandle,
        challenge: u8,
        said: Said,
        random: &mut Random,
    ) -> Came {
        let mut id = victim;
        id[15] = challenge;
        let word = data_encoding::BASE64URL_NOPAD.encode(&id);
        let answer = Answer { method: Some(said.method), code: said.code, send: said.send, ..Answer::default() };
        let node = &self.nodes[random.below(2)];
        let arrival = self.arrival(random);
        let issued = issued(victim);
        let came = answer::take(node, &arrival, session, &word, &issued, &answer, Ahead::default()).await.unwrap();
        if let Came::Proven(_, due) = &came {
            answer::settle(node, due.as_ref()).await.unwrap();
        }
        came
    }
}

struct Said {
    method: Method,
    code: String,
    send: bool,
}

/// A challenge whose policy allows as many wrong answers as any can.
fn issued(account: Id) -> Issued {
    Issued {
        event: "pay".into(),
        decision_id: "1".into(),
        account: Some(account),
        subject: None,
        is_verified: true,
        methods: WAYS.map(|(method, _)| method).to_vec(),
        bound_to: None,
        approval: None,
        numbers: Vec::new(),
        shown: Vec::new(),
        tell: None,
        attempts: 100,
        on_fail: OnFail::Block,
        enrol_allowed: false,
        issued_ms: START_MS,
        expires_ms: START_MS + 1000 * HOUR_MS,
        parked_until_ms: i64::MAX,
        afterwards: Afterwards::Again,
    }
}

/// An account that is guessed at.
struct Victim {
    account: Id,
    secret: Vec<u8>,
    app: Id,
    random: Random,
    /// When strangers' answers were looked at, by way.
    looked_at: [Vec<i64>; 2],
    guesses: usize,
    lucky: u64,
    /// On how many days the owner got in.
    got_in: usize,
}

impl Victim {
    async fn new(bank: &Bank, number: usize) -> Victim {
        let mut random = Random(number as u64 + 1);
        let account = bank.keys.account("default", &format!("victim {number}"));
        let secret: Vec<u8> = (0..totp::SECRET_BYTES).map(|_| (random.next() >> 56) as u8).collect();
        bank.nodes[0].contacts().learn("default", account, "owner@mail.example").await.unwrap();
        let mut victim = Victim {
            account,
            secret,
            app: Id::default(),
            random,
            looked_at: Default::default(),
            guesses: 0,
            lucky: 0,
            got_in: 0,
        };
        victim.app = victim.sets_up(bank).await;
        victim
    }

    async fn sets_up(&self, bank: &Bank) -> Id {
        let kept = Kept::Totp { secret: self.secret.clone(), added_ms: bank.now_ms() };
        let app = random_id();
        authenticators::add(&bank.nodes[0], "default", self.account, app, &kept).await.unwrap();
        app
    }

    /// The owner has a new app instead of the old one.
    async fn sets_up_anew(&mut self, bank: &Bank) {
        self.secret.iter_mut().for_each(|byte| *byte = (self.random.next() >> 56) as u8);
        let app = self.sets_up(bank).await;
        let old = std::mem::replace(&mut self.app, app);
        assert!(bank.stores[0].retire(self.account, Drawer::Authenticators, old).await.unwrap());
    }

    fn code(&self, bank: &Bank) -> String {
        let totp = totp_rs::Builder::new()
            .with_secret(self.secret.clone())
            .with_account_name("x")
            .with_skew(0)
            .build()
            .unwrap();
        totp.generate(bank.now_ms().unsigned_abs() / 1000).to_string()
    }

    /// One guess by somebody else; now and then, where the way is closed, with the right code.
    async fn is_guessed_at(&mut self, bank: &Bank) {
        self.guesses += 1;
        let way = self.random.below(2);
        let method = WAYS[way].0;
        let who = self.random.below(SESSIONS);
        let mut session = bank.strangers[who].clone();
        if method == Method::EmailCode && self.random.below(8) == 0 {
            let letter = Said { method, code: String::new(), send: true };
            bank.answers(self.account, &mut session, who as u8, letter, &mut self.random).await;
        }
        let guess = Said { method, code: self.random.six_digits(), send: false };
        let came = bank.answers(self.account, &mut session, who as u8, guess, &mut self.random).await;
        let is_closed = matches!(came, Came::Closed(..));
        self.note(way, &came, bank.now_ms());
        if is_closed && method == Method::Totp && self.random.below(10) == 0 {
            let right = Said { method, code: self.code(bank), send: false };
            let came = bank.answers(self.account, &mut session, who as u8, right, &mut self.random).await;
            assert!(matches!(came, Came::Closed(..)), "closed for a right code too: {came:?}");
        }
    }

    /// Many at once, through both nodes.
    async fn is_stormed(&mut self, bank: &Bank) {
        let way = self.random.below(2);
        let guesses = (0..AT_ONCE).map(|at| {
            let mut random = Random(self.random.next());
            let mut session = bank.strangers[random.below(SESSIONS)].clone();
            let said = Said { method: WAYS[way].0, code: random.six_digits(), send: false };
            let account = self.account;
            async move { bank.answers(account, &mut session, at as u8, said, &mut random).await }
        });
        let came: Vec<Came> = join_all(guesses.collect::<Vec<_>>()).await;
        self.guesses += AT_ONCE;
        came.iter().for_each(|came| self.note(way, came, bank.now_ms()));
    }

    fn note(&mut self, way: usize, came: &Came, now_ms: i64) {
        match came {
            Came::Proven(..) => self.lucky += 1,
            Came::Wrong(_) | Came::Spent(_) => {}
            Came::Closed(..) => return,
            Came::Mailed(_)
            | Came::Unheard(_)
            | Came::Away(_)
            | Came::Undone(_)
            | Came::Begun(_)
            | Came::Unverified(_)
            | Came::Nothing => panic!("no guess: {came:?}"),
        }
        self.looked_at[way].push(now_ms);
        let chances = |since_ms: i64| -> f64 {
            let looked_at = |way: usize| self.looked_at[way].iter().rev().take_while(|at| **at > since_ms).count();
            WAYS.iter().enumerate().map(|(way, (_, chance))| looked_at(way) as f64 * chance).sum()
        };
        assert!(chances(now_ms - HOUR_MS) <= HOURLY_PROMISE, "{} in an hour", chances(now_ms - HOUR_MS));
        assert!(chances(i64::MIN) <= PROMISE, "{} ever", chances(i64::MIN));
    }

    /// The owner signs in, after a slip.
    async fn owner_signs_in(&mut self, bank: &Bank) {
        let mut session = bank.sessions.start(bank.now_ms(), &"default".into(), &"bank.example".into());
        let right = self.code(bank);
        let slip = if right == "000000" { "000001" } else { "000000" };
        for code in [slip.to_string(), right] {
            let said = Said { method: Method::Totp, code, send: false };
            let came = bank.answers(self.account, &mut session, 255, said, &mut self.random).await;
            self.got_in += usize::from(matches!(came, Came::Proven(..)));
        }
    }
}

/// For all accounts, many side by side.
async fn each<'v, F: Future<Output = ()> + 'v>(victims: &'v mut [Victim], act: impl Fn(&'v mut Victim) -> F) {
    for some in victims.chunks_mut(SIDE_BY_SIDE) {
        join_all(some.iter_mut().map(&act)).await;
    }
}

/// The least number that as many independent strokes of luck, so many expected, exceed with that probability at most.
pub(crate) fn most(expected: f64, false_alarm: f64) -> u64 {
    let (mut number, mut term, mut below) = (0, (-expected).exp(), 0.0);
    loop {
        below += term;
        if 1.0 - below <= false_alarm {
            return number;
        }
        number += 1;
        term *= expected / number as f64;
    }
}

pub(crate) async fn are_guessed_at_for_days(bank: &mut Bank, accounts: usize) {
    let mut victims = Vec::new();
    for number in 0..accounts {
        victims.push(Victim::new(bank, number).await);
    }
    for day in 0..DAYS {
        for guess in 0..GUESSES_A_DAY {
            if guess == GUESSES_A_DAY / 3 {
                each(&mut victims, |victim| victim.is_stormed(bank)).await;
            }
            each(&mut victims, |victim| victim.is_guessed_at(bank)).await;
            bank.wait(GUESS_EVERY_MS);
            if guess == GUESSES_A_DAY / 2 {
                bank.restart().await;
            }
        }
        bank.wait(2 * HOUR_MS);
        each(&mut victims, |victim| victim.owner_signs_in(bank)).await;
        if day == 0 {
            assert!(victims.iter().all(|it| it.got_in == 1), "owners get in, though guessed at for hours");
        }
        bank.wait(24 * HOUR_MS - GUESSES_A_DAY * GUESS_EVERY_MS - 2 * HOUR_MS);
    }
    for victim in &mut victims {
        victim.sets_up_anew(bank).await;
        let before = victim.got_in;
        victim.owner_signs_in(bank).await;
        assert_eq!(victim.got_in, before + 1, "what is set up anew was never guessed at");
    }
    let guesses: usize = victims.iter().map(|it| it.guesses).sum();
    let lucky: u64 = victims.iter().map(|it| it.lucky).sum();
    let counts = [0, 1].map(|way| victims.iter().map(|it| it.looked_at[way].len()).sum::<usize>());
    let expected: f64 = counts.iter().zip(WAYS).map(|(count, (_, chance))| *count as f64 * chance).sum();
    let promised = accounts as f64 * PROMISE;
    let most = most(promised, FALSE_ALARM);
    println!(
        "{accounts} accounts, {guesses} guesses, {counts:?} looked at, {lucky} lucky; {expected:.4} expected, {promised:.4} promised, {most} allowed"
    );
    assert!(expected <= promised);
    assert!(lucky <= most, "{lucky} of {guesses} guesses were right");
    for count in counts {
        assert!(count * 2 >= accounts * EVER_MAX as usize, "strangers were held up by something else: {counts:?}");
    }
}
