//! An edge on port 0 in front of an app, on loopback.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use stepward::{
    clock::Clock,
    edge::{Edge, RunningEdge},
    gateway::{self, Running},
    registry::Origin,
    settings::{
        Geo, Limits, Listen, LogTarget, Route, SessionLimits, Settings, State, Unmatched, Upstream, pages::Pages,
    },
    sockets::Sockets,
};

/// Plain HTTP on port 0, host `a.test` to an app at this address.
pub(crate) fn settings(app: SocketAddr) -> Settings {
    let name: Arc<str> = "app".into();
    Settings {
        listen: vec![listen()],
        trusted_proxies: Vec::new(),
        upstreams: BTreeMap::from([(name.clone(), upstream("app", &[app]))]),
        routes: vec![route(Some("a.test"), "/", "app")],
        subject: Vec::new(),
        state: State { path: None, keys: None, wait: stepward::store::WAIT, redis: None, spool: None },
        policies: PathBuf::from("policies"),
        connectors: None,
        connector_config: BTreeMap::new(),
        secrets: BTreeMap::new(),
        mock: None,
        admin: None,
        health: None,
        decisions: None,
        security_events: None,
        mail: None,
        passkeys: None,
        approvals: None,
        phone: Default::default(),
        oidc: None,
        unmatched: Unmatched::Forward,
        mailboxes: Default::default(),
        lists: BTreeMap::new(),
        geo: Geo::default(),
        sessions: SessionLimits { idle: Duration::from_secs(60), absolute: Duration::from_secs(3600) },
        limits: Limits {
            header_bytes_max: 32 * 1024,
            header_fields_max: 100,
            header_deadline: Duration::from_secs(10),
            body_deadline: Duration::from_secs(10),
            connections_per_ip_max: 0,
            drain: Duration::from_secs(10),
            hand_over: Duration::from_secs(5),
        },
        decision_log: LogTarget::File("/dev/null".into()),
        sinks: Vec::new(),
        access_log: None,
        pages: Pages { service_name: "Test".into(), ..Pages::default() },
    }
}

pub(crate) fn listen() -> Listen {
    Listen { address: "127.0.0.1:0".parse().unwrap(), socket: None, tls: Vec::new(), proxy_protocol: false }
}

pub(crate) fn upstream(name: &str, addresses: &[SocketAddr]) -> Upstream {
    Upstream {
        name: name.into(),
        addresses: addresses.iter().map(|it| (it.ip().to_string().into(), it.port())).collect(),
        tls: None,
        http2: false,
        assertion: true,
        connect: Duration::from_secs(2),
        read: Duration::from_secs(5),
        health: None,
    }
}

pub(crate) fn route(host: Option<&str>, path: &str, upstream: &str) -> Route {
    Route {
        host: host.map(Arc::from),
        path: path.into(),
        upstream: upstream.into(),
        tenant: "default".into(),
        inject_script: false,
        app_may_ask: false,
    }
}

/// An edge with everything real behind it.
pub(crate) struct Started {
    pub(crate) edge: RunningEdge,
    pub(crate) gateway: Running,
}

impl std::ops::Deref for Started {
    type Target = RunningEdge;

    fn deref(&self) -> &RunningEdge {
        &self.edge
    }
}

/// A policy that no request of these tests meets: there has to be one.
const ELSEWHERE: &str = "event: elsewhere\ncovers: [GET elsewhere.test/only]\nwhen_unsure: block\notherwise: block\n";

/// No request is an event.
pub(crate) async fn start(settings: &Settings) -> Started {
    judged(settings, ELSEWHERE).await
}

/// These policies.
pub(crate) async fn start_with(settings: &Settings, policies: Origin) -> Started {
    let gateway = gateway(settings, policies).await;
    let edge = Edge::start(settings, gateway.journeys.clone(), &Sockets::none()).await.unwrap();
    Started { edge, gateway }
}

/// This one policy.
pub(crate) async fn judged(settings: &Settings, policy: &str) -> Started {
    start_with(settings, texts(policy)).await
}

fn texts(policy: &str) -> Origin {
    Origin::Texts(BTreeMap::from([("test.yaml".into(), policy.into())]))
}

/// Everything but the edge, where no request is an event.
pub(crate) async fn behind(settings: &Settings) -> Running {
    gateway(settings, texts(ELSEWHERE)).await
}

async fn gateway(settings: &Settings, policies: Origin) -> Running {
    let mut behind = Settings { listen: Vec::new(), ..settings.clone() };
    // The edge under test checks its apps itself.
    behind.upstreams.values_mut().for_each(|upstream| upstream.health = None);
    match gateway::start(behind, Some(policies), Clock::System).await {
        Ok(running) => running,
        Err(error) => panic!("{error}: {error:?}"),
    }
}

/// An address where nobody listens.
pub(crate) async fn dead_address() -> SocketAddr {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}
