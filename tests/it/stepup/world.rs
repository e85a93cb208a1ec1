//! A gateway's challenges with everything real around them (store on disk, keys, mail server), and browsers that keep
//! cookies and send what browsers send.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use stepward::{
    arrival::{Arrival, Client, Parked, Withheld},
    challenges::{Begun, Challenges, Demand, Served, answer::Ahead},
    clock::Clock,
    keys::Keys,
    reply::Reply,
    sessions::{
        DEFAULT_LIMITS, SessionHandle, Sessions,
        record::{Subject, SubjectKind, VerifiedBy},
    },
    settings::{Mail, Passkeys, Route, approvals::Approvals, pages::Pages},
    store::{AnyStore, Begin, Id, StateStore, embedded::Embedded},
};
use stepward_core::{
    decision::{Binding, Challenge, Outcome},
    policy::{Apply, Budget, Mode, OnStateLoss, Policy},
    request::{Body, Request},
    session::Method,
};

use crate::mailbox::Mailbox;

/// Some moment in 2026, at the beginning of a TOTP step.
pub(crate) const START_MS: i64 = 1_780_000_020_000;
pub(crate) const HOST: &str = "bank.example";

pub(crate) struct World {
    pub(crate) challenges: Arc<Challenges>,
    pub(crate) store: Arc<AnyStore>,
    pub(crate) keys: Keys,
    pub(crate) sessions: Sessions,
    pub(crate) mailbox: Mailbox,
    pub(crate) now: Arc<AtomicI64>,
    clock: Clock,
    pub(crate) folder: tempfile::TempDir,
    route: Arc<Route>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::ephemeral();
        World::over(folder, keys, Mailbox::open().await, Some(START_MS))
    }

    /// A world whose time is the machine's.
    pub(crate) async fn by_the_clock() -> Self {
        World::over(tempfile::tempdir().unwrap(), Keys::ephemeral(), Mailbox::open().await, None)
    }

    fn over(folder: tempfile::TempDir, keys: Keys, mailbox: Mailbox, now_ms: Option<i64>) -> Self {
        let store = Arc::new(AnyStore::Embedded(Embedded::open(folder.path()).unwrap()));
        World::on(store, folder, keys, mailbox, now_ms)
    }

    /// A world whose state is in this store.
    pub(crate) fn on(
        store: Arc<AnyStore>,
        folder: tempfile::TempDir,
        keys: Keys,
        mailbox: Mailbox,
        now_ms: Option<i64>,
    ) -> Self {
        let now = Arc::new(AtomicI64::new(now_ms.unwrap_or_default()));
        let clock = if now_ms.is_some() { Clock::Manual(now.clone()) } else { Clock::System };
        let sessions = Sessions::new(keys.clone(), DEFAULT_LIMITS);
        let mail = Mail {
            smtp: format!("smtp://{}", mailbox.address).into(),
            login: None,
            from: "Tiny Bank <no-reply@bank.example>".into(),
        };
        let pages = Pages { service_name: "Tiny Bank".into(), ..Pages::default() };
        let keyring = Arc::new(keys.clone());
        let challenges =
            Challenges::new(&pages, Some(&mail), keyring, store.clone(), sessions.clone(), clock.clone()).unwrap();
        let origins = [format!("https://{HOST}").into()].into();
        let challenges = challenges.with_passkeys(Some(&Passkeys { rp_id: HOST.into(), origins })).unwrap();
        let groups = [("colleagues".into(), ["ada".into()].into())].into();
        let approvals = Approvals { waits: Duration::from_secs(900), groups };
        let challenges = challenges.with_approvers(Some(&approvals));
        let route = Route {
            host: None,
            path: "/".into(),
            upstream: "bank".into(),
            tenant: "default".into(),
            inject_script: false,
            app_may_ask: false,
        };
        let route = Arc::new(route);
        World { challenges: Arc::new(challenges), store, keys, sessions, mailbox, now, clock, folder, route }
    }

    /// The same state in a new process.
    pub(crate) fn restarted(self) -> Self {
        let World { challenges, store, keys, mailbox, now, folder, .. } = self;
        drop(challenges);
        drop(Arc::into_inner(store).unwrap());
        World::over(folder, keys, mailbox, Some(now.load(Ordering::Relaxed)))
    }

    pub(crate) fn wait(&self, ms: i64) {
        self.now.fetch_add(ms, Ordering::Relaxed);
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    pub(crate) fn route(&self) -> Arc<Route> {
        self.route.clone()
    }

    pub(crate) fn account(&self, name: &str) -> Id {
        self.keys.account("default", name)
    }

    /// Gives an account an address that has been known for long.
    pub(crate) async fn address(&self, name: &str, address: &str) {
        self.challenges.contacts().learn("default", self.account(name), address).await.unwrap();
    }

    /// Gives an account an authenticator app; its secret.
    pub(crate) async fn totp(&self, name: &str) -> Vec<u8> {
        self.challenges.provision_totp("default", self.account(name)).await.unwrap()
    }

    /// What an app with this secret shows now.
    pub(crate) fn code(&self, secret: &[u8]) -> String {
        let totp =
            totp_rs::Builder::new().with_secret(secret.to_vec()).with_account_name("x").with_skew(0).build().unwrap();
        totp.generate(self.now_ms().unsigned_abs() / 1000).to_string()
    }

    pub(crate) fn browser(&self) -> Browser<'_> {
        Browser {
            world: self,
            cookies: BTreeMap::new(),
            subject: None,
            headers: vec![("accept-language".into(), "en".into())],
        }
    }
}

/// A challenge that a policy may demand.
pub(crate) fn demand(methods: &[Method]) -> Challenge {
    Challenge {
        methods: methods.to_vec(),
        fresh_for_ms: 300_000,
        binding: None,
        attempts: 3,
        on_fail: Box::new(Outcome::Block),
        enrol_allowed: false,
        approval: None,
    }
}

/// The same, bound to values.
pub(crate) fn bound(methods: &[Method], digest: u8) -> Challenge {
    Challenge { binding: Some(Binding { digest: [digest; 32], slots: Vec::new() }), ..demand(methods) }
}

pub(crate) fn policy(event: &str) -> Policy {
    Policy {
        event: event.into(),
        file: "test.yaml".into(),
        journey: None,
        after: Vec::new(),
        about: None,
        owner: None,
        mode: Mode::Enforce,
        apply: Apply::Before,
        covers: Vec::new(),
        only_if: None,
        facts: Vec::new(),
        settings: BTreeMap::default(),
        succeeded: None,
        failed: None,
        ends_session: false,
        budget: Budget { time_ms: 900, paid_calls: 0 },
        when_unsure: Outcome::Block,
        otherwise: Outcome::Block,
        steps: Vec::new(),
        slots: Vec::new(),
        binds: Vec::new(),
        recheck_ms: 300_000,
        on_state_loss: OnStateLoss::Deny,
        reads_body: true,
        inspect_bytes_max: 256 << 10,
        park_bytes_max: 1 << 20,
        park_ms: 600_000,
        allowed_origins: vec!["https://shop.example".into()],
    }
}

/// A browser at `https://bank.example`.
#[derive(Clone)]
pub(crate) struct Browser<'w> {
    pub(crate) world: &'w World,
    pub(crate) cookies: BTreeMap<String, String>,
    /// Who is signed in at the app.
    pub(crate) subject: Option<Subject>,
    pub(crate) headers: Vec<(String, String)>,
}

impl Browser<'_> {
    pub(crate) fn signed_in(mut self, name: &str) -> Self {
        self.subject = Some(Subject {
            name: name.into(),
            account: self.world.account(name),
            kind: SubjectKind::Human,
            verified_by: VerifiedBy::Login,
            since_ms: self.world.now_ms(),
        });
        self
    }

    /// A request as the edge would hand it on.
    pub(crate) fn request(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Arrival {
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let mut all: BTreeMap<String, String> = self.headers.iter().cloned().collect();
        all.insert("host".into(), HOST.into());
        all.insert("accept".into(), "text/html".into());
        all.insert("sec-fetch-mode".into(), "navigate".into());
        all.insert("sec-fetch-site".into(), "same-origin".into());
        if method != "GET" {
            all.insert("origin".into(), format!("https://{HOST}"));
            all.insert("content-type".into(), "application/x-www-form-urlencoded".into());
        }
        all.extend(headers.iter().map(|(name, value)| (name.to_string(), value.to_string())));
        all.retain(|_, value| !value.is_empty());
        let map: HeaderMap = all
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap()))
            .collect();
        let request = Request {
            method: method.into(),
            host: HOST.into(),
            path: path.into(),
            query: query.map(Into::into),
            headers: all.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect(),
            cookies: self.cookies.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect(),
            client_ip: "192.0.2.1".parse().unwrap(),
            secure: true,
            body: Body::Unread,
        };
        Arrival {
            id: "01JREQUEST00000000000000AA".into(),
            route: self.world.route.clone(),
            client: Client::of(&map),
            request,
            headers: map,
            body: Some(body.to_string().into()),
            upload: None,
            trusted_peer: false,
        }
    }

    /// The session that the cookie names, or a new one.
    pub(crate) async fn session(&self, arrival: &Arrival) -> SessionHandle {
        let world = self.world;
        let tenant = &arrival.route.tenant;
        if let Some(ticket) = world.sessions.ticket(&arrival.request) {
            let session = Some(world.sessions.reference(tenant, &ticket));
            let standing = world.store.begin(world.now_ms(), Begin { session, ..Begin::default() }).await.unwrap();
            let stored = standing.session.as_ref();
            let resumed = stored.and_then(|it| world.sessions.resume(world.now_ms(), tenant, HOST, ticket, it));
            if let Some(session) = resumed {
                return session;
            }
        }
        world.sessions.start(world.now_ms(), tenant, &arrival.request.host)
    }

    /// Sends a request that the policy answers with this challenge.
    pub(crate) async fn held(&mut self, arrival: &Arrival, policy: &Policy, challenge: &Challenge) -> Begun {
        self.demanded(arrival, policy, challenge, None, None).await
    }

    pub(crate) async fn demanded(
        &mut self,
        arrival: &Arrival,
        policy: &Policy,
        challenge: &Challenge,
        claimed: Option<&str>,
        withheld: Option<Withheld>,
    ) -> Begun {
        let mut session = self.session(arrival).await;
        let shown = vec![("payee".to_string(), "DE02 <b>Mallory</b>".to_string()), ("amount".into(), "900".into())];
        let demand = Demand {
            arrival,
            policy,
            challenge,
            decision_id: "01JDECISION000000000000000",
            tell: None,
            shown: if challenge.binding.is_some() { shown } else { Vec::new() },
            session: &mut session,
            subject: self.subject.as_ref(),
            claimed: claimed.map(|name| (name.into(), self.world.account(name))),
            withheld,
            resuming: None,
            asked: None,
            ways: None,
        };
        let begun = self.world.challenges.begin(demand).await.unwrap();
        if let Begun::Asked(reply) = &begun {
            self.keep_cookies(reply);
        }
        begun
    }

    /// Begins a challenge at `POST /transfer` and gives its address.
    pub(crate) async fn challenged(&mut self, challenge: &Challenge) -> String {
        let arrival = self.request("POST", "/transfer", &[], "amount=900&payee=DE02");
        match self.held(&arrival, &policy("transfer money"), challenge).await {
            Begun::Asked(reply) => location(&reply),
            other => panic!("asked expected, got {other:?}"),
        }
    }

    pub(crate) async fn serve(&mut self, arrival: &Arrival) -> Served {
        let mut session = self.session(arrival).await;
        let served =
            self.world.challenges.serve(arrival, &mut session, self.subject.as_ref(), Ahead::default()).await.unwrap();
        if let Served::Answer(reply) | Served::Passed { reply, .. } | Served::Failed { reply, .. } = &served {
            self.keep_cookies(reply);
        }
        served
    }

    pub(crate) async fn get(&mut self, target: &str) -> Reply {
        let arrival = self.request("GET", target, &[], "");
        reply(self.serve(&arrival).await)
    }

    pub(crate) async fn post(&mut self, target: &str, form: &str) -> Served {
        let arrival = self.request("POST", target, &[], form);
        self.serve(&arrival).await
    }

    /// Whether this answer passes.
    pub(crate) async fn passes(&mut self, address: &str, method: Method, code: &str) -> bool {
        let form = format!("method={}&code={}", method.name(), code.replace(' ', "+"));
        matches!(self.post(address, &form).await, Served::Passed { .. })
    }

    pub(crate) async fn peek(&self, arrival: &Arrival, id: &str) -> Option<Parked> {
        let session = self.session(arrival).await;
        self.world.challenges.peek(arrival, &session, self.subject.as_ref(), id).await.unwrap()
    }

    pub(crate) async fn take(&self, arrival: &Arrival, id: &str) -> Option<Parked> {
        let session = self.session(arrival).await;
        self.world.challenges.take(arrival, &session, self.subject.as_ref(), id, None).await.unwrap()
    }

    fn keep_cookies(&mut self, reply: &Reply) {
        for (_, value) in reply.headers.iter().filter(|(name, _)| *name == header::SET_COOKIE) {
            let pair = value.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.into(), value.into());
        }
    }
}

pub(crate) fn reply(served: Served) -> Reply {
    match served {
        Served::Answer(reply) | Served::Passed { reply, .. } | Served::Failed { reply, .. } => reply,
        Served::Spent { .. } => panic!("spent"),
    }
}

pub(crate) fn location(reply: &Reply) -> String {
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", text(reply));
    value(reply, "location")
}

pub(crate) fn value(reply: &Reply, name: &str) -> String {
    let found = reply.headers.iter().find(|(it, _)| it.as_str() == name);
    found.map(|(_, value)| value.to_str().unwrap().to_string()).unwrap_or_default()
}

/// The body; a page's slashes are escaped, which no test is about.
pub(crate) fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.to_vec()).unwrap().replace("&#x2f;", "/")
}
