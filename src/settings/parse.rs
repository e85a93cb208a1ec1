//! From the document to settings that are ready to use, or to everything that keeps it from being used.
//!
//! Shapes and forms were checked before; this is about what goes together, and what is there.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use stepward_core::{
    connector::mapping::{Expression, Names},
    diagnostic::{self, Diagnostic, Severity},
};

use crate::settings::{
    self, Presence, Settings, check,
    document::{self, Document},
    format,
    security_events::{self, SecurityEvents},
    tree::Node,
};

/// The longest that a copy of a session may answer for the store.
const SNAPSHOTS_MAX: Duration = Duration::from_secs(60);

/// Settings as far as they can be made, and everything found.
pub(super) fn parse(
    file: &Arc<str>,
    text: &str,
    base: &Path,
    presence: Presence,
) -> (Option<Settings>, Vec<Diagnostic>) {
    let tree = match Node::read(file, text) {
        Ok(tree) => tree,
        Err(finding) => return (None, vec![finding]),
    };
    let found = check::check(file, &settings::schema(), &tree);
    if !found.is_empty() {
        return (None, found);
    }
    let mut parser = Parser { file, tree: &tree, base, presence, found };
    match serde_json::from_value(tree.to_json()) {
        Ok(document) => {
            let settings = parser.settings(&document);
            (Some(settings), parser.found)
        }
        // The schema and the types come from the same declarations; should they ever differ, it is told, not passed.
        Err(error) => (None, vec![Diagnostic::error("settings.unreadable", file, 0..0, error.to_string())]),
    }
}

/// What reads the sections of a file, and what was found so far.
pub(super) struct Parser<'a> {
    file: &'a Arc<str>,
    tree: &'a Node,
    base: &'a Path,
    presence: Presence,
    found: Vec<Diagnostic>,
}

impl Parser<'_> {
    fn settings(&mut self, document: &Document) -> Settings {
        let listen = self.listen(document);
        let upstreams = self.upstreams(document);
        let settings = Settings {
            listen,
            trusted_proxies: document.trusted_proxies.iter().filter_map(|it| format::network(it)).collect(),
            routes: self.routes(document),
            upstreams,
            subject: self.subject(document),
            state: self.state(&document.state),
            policies: self.folder(&document.policies, &["policies"]),
            connectors: self.connectors(document),
            connector_config: document
                .connector_config
                .iter()
                .map(|(name, value)| (Arc::from(name.as_str()), value.clone()))
                .collect(),
            secrets: self.secrets(document),
            mock: None,
            admin: self.admin(document),
            health: document.health.as_ref().and_then(|plane| format::address(&plane.address)),
            decisions: self.decisions(document),
            security_events: self.security_events(document),
            mail: self.mail(document),
            passkeys: document.passkeys.as_ref().map(|it| self.passkeys(it)),
            approvals: self.approvals(document),
            phone: self.phone(document),
            oidc: self.oidc(document),
            unmatched: match document.unmatched {
                document::Unmatched::Forward => settings::Unmatched::Forward,
                document::Unmatched::Block => settings::Unmatched::Block,
            },
            mailboxes: settings::Mailboxes {
                dots_ignored_at: document.accounts.dots_ignored_at.iter().map(|it| domain(it)).collect(),
                plus_ignored_at: document.accounts.plus_ignored_at.iter().map(|it| domain(it)).collect(),
            },
            lists: self.lists(document),
            geo: settings::Geo {
                city: document.geo.city.as_ref().map(|it| self.present(it, &["geo", "city"])),
                asn: document.geo.asn.as_ref().map(|it| self.present(it, &["geo", "asn"])),
            },
            sessions: self.sessions(&document.sessions),
            limits: limits(&document.limits),
            decision_log: self.log_target(&document.decision_log),
            sinks: self.sinks(document),
            access_log: document.access_log.as_ref().map(|it| self.log_target(it)),
            pages: self.pages(document),
        };
        self.addresses(&settings);
        settings
    }

    fn listen(&mut self, document: &Document) -> Vec<settings::Listen> {
        if document.listen.is_empty() {
            self.error("listen.empty", &["listen"], "nothing to listen on", "add `- address: 127.0.0.1:8080`");
        }
        let mut listen = Vec::new();
        for (at, entry) in document.listen.iter().enumerate() {
            let Some(address) = format::address(&entry.address) else { continue };
            let at = at.to_string();
            let tls = self.certificates(entry, &["listen", &at, "tls"]);
            let exposed = tls.is_empty() && !address.ip().is_loopback() && document.trusted_proxies.is_empty();
            if exposed {
                let message =
                    "events that need a session are refused on this address: it is neither https nor loopback";
                let help = "add `tls`, or name the proxy that ends TLS in `trusted_proxies`";
                self.warning("transport.insecure", &["listen", &at, "address"], message, help);
            }
            let socket = entry.socket.as_deref().map(Arc::from);
            listen.push(settings::Listen { address, socket, tls, proxy_protocol: entry.proxy_protocol });
            if entry.proxy_protocol && document.trusted_proxies.is_empty() {
                let message = "no peer may send a PROXY protocol header: every connection here is refused";
                self.error(
                    "proxy_protocol.untrusted",
                    &["listen", &at, "proxy_protocol"],
                    message,
                    "name the peers in `trusted_proxies`",
                );
            }
        }
        listen
    }

    fn certificates(&mut self, entry: &document::Listen, path: &[&str]) -> Vec<settings::Certificate> {
        let Some(tls) = &entry.tls else { return Vec::new() };
        let mut pairs = vec![(&tls.certificate, &tls.key)];
        pairs.extend(tls.others.iter().map(|other| (&other.certificate, &other.key)));
        let mut certificates = Vec::new();
        for (certificate, key) in pairs {
            certificates.push(settings::Certificate {
                certificate: self.present(certificate, path),
                key: self.present(key, path),
            });
        }
        certificates
    }

    fn upstreams(&mut self, document: &Document) -> BTreeMap<Arc<str>, settings::Upstream> {
        let mut upstreams = BTreeMap::new();
        for (name, entry) in &document.upstreams {
            let Some(origin) = format::origin(&entry.url) else { continue };
            let path = ["upstreams", name.as_str()];
            let mut addresses: Vec<_> = entry.addresses.iter().filter_map(|it| format::host_port(it, None)).collect();
            if addresses.is_empty() {
                addresses.push((origin.host.clone(), origin.port));
            }
            if !origin.secure && (entry.ca.is_some() || entry.tls_name.is_some()) {
                self.error(
                    "upstream.plain",
                    &path,
                    "`ca` and `tls_name` go with an https `url`",
                    "write `url: https://…`",
                );
            }
            let tls = origin.secure.then(|| settings::UpstreamTls {
                name: entry.tls_name.as_deref().unwrap_or(&origin.host).into(),
                ca: entry.ca.as_ref().map(|ca| self.present(ca, &["upstreams", name, "ca"])),
            });
            let health = entry.health.as_ref().map(|health| settings::Health {
                path: health.path.as_str().into(),
                host: entry.url.split_once("://").map_or("", |(_, host)| host).trim_end_matches('/').into(),
                every: time(&health.every),
                within: time(&health.within),
                down_after: health.down_after,
                up_after: health.up_after,
                status: health.status.clone(),
            });
            let name: Arc<str> = name.as_str().into();
            let addresses = addresses.into_iter().map(|(host, port)| (Arc::from(host), port)).collect();
            let (connect, read) = (time(&entry.connect), time(&entry.read));
            let (http2, assertion) = (entry.http2, entry.assertion);
            let upstream =
                settings::Upstream { name: name.clone(), addresses, tls, http2, assertion, connect, read, health };
            upstreams.insert(name, upstream);
        }
        upstreams
    }

    fn routes(&mut self, document: &Document) -> Vec<settings::Route> {
        if document.routes.is_empty() {
            self.error("routes.empty", &["routes"], "no request would go anywhere", "add `- upstream: <name>`");
        }
        let mut routes: Vec<settings::Route> = Vec::new();
        for (at, entry) in document.routes.iter().enumerate() {
            let at = at.to_string();
            if !document.upstreams.contains_key(&entry.upstream) {
                let message = format!("there is no upstream `{}`", entry.upstream);
                let near = diagnostic::nearest(&entry.upstream, document.upstreams.keys().map(String::as_str));
                let help = near.map_or("name it under `upstreams`".into(), |near| format!("did you mean `{near}`?"));
                self.error("upstream.unknown", &["routes", &at, "upstream"], &message, &help);
            }
            let host: Option<Arc<str>> = entry.host.as_deref().map(Arc::from);
            if let Some(earlier) = routes.iter().find(|earlier| covers(earlier, host.as_deref(), &entry.path)) {
                let message = format!("no request comes here: an earlier route takes `{}` first", earlier.path);
                self.warning(
                    "route.unreachable",
                    &["routes", &at, "upstream"],
                    &message,
                    "put the narrower route first",
                );
            }
            routes.push(settings::Route {
                host,
                path: entry.path.as_str().into(),
                upstream: entry.upstream.as_str().into(),
                tenant: entry.tenant.as_str().into(),
                inject_script: entry.inject_script,
                app_may_ask: entry.app_may_ask,
            });
        }
        routes
    }

    fn subject(&mut self, document: &Document) -> Vec<settings::SubjectSource> {
        let mut sources = Vec::new();
        for (at, entry) in document.subject.iter().enumerate() {
            let at = at.to_string();
            sources.push(match entry {
                document::Subject::Jwt(jwt) => {
                    settings::SubjectSource::Jwt(self.jwt(jwt, &["subject", &at, "jwt", "jwks"]))
                }
                document::Subject::AppSession(session) => {
                    settings::SubjectSource::AppSession { cookie: session.cookie.as_str().into() }
                }
                document::Subject::Header(header) => {
                    if document.trusted_proxies.is_empty() {
                        let message = format!("nobody may set `{}`: there are no trusted proxies", header.name);
                        self.error(
                            "subject.untrusted",
                            &["subject", &at],
                            &message,
                            "name the proxy in `trusted_proxies`",
                        );
                    }
                    let lower = |name: &String| Arc::from(name.to_ascii_lowercase());
                    settings::SubjectSource::Header {
                        name: lower(&header.name),
                        email: header.email.as_ref().map(lower),
                    }
                }
            });
        }
        sources
    }

    fn jwt(&mut self, jwt: &document::Jwt, path: &[&str]) -> settings::JwtSource {
        settings::JwtSource {
            from: match &jwt.from {
                document::TokenPlace::Bearer => settings::TokenPlace::Bearer,
                document::TokenPlace::Header(name) => settings::TokenPlace::Header(name.to_ascii_lowercase().into()),
                document::TokenPlace::Cookie(name) => settings::TokenPlace::Cookie(name.as_str().into()),
            },
            issuer: jwt.issuer.as_str().into(),
            audience: jwt.audience.as_str().into(),
            jwks: self.key_set(&jwt.jwks, path),
            id: jwt.id.as_str().into(),
            kind: jwt.kind.as_deref().map(Arc::from),
            email: jwt.email.as_deref().map(Arc::from),
        }
    }

    /// Where keys are: https, http on this machine, or a file.
    fn key_set(&mut self, jwks: &str, path: &[&str]) -> Arc<str> {
        match jwks.split_once("://") {
            Some(("https", _)) => jwks.into(),
            Some(("http", rest)) if ["127.0.0.1", "localhost", "[::1]"].iter().any(|it| rest.starts_with(it)) => {
                jwks.into()
            }
            Some(_) => {
                let message = format!("`{jwks}` could be changed on its way: keys come over https or from a file");
                self.error("jwks.insecure", path, &message, "write an `https://` address");
                jwks.into()
            }
            None => self.present(jwks, path).display().to_string().into(),
        }
    }

    fn state(&mut self, state: &document::State) -> settings::State {
        let path = match state.store {
            document::Store::Memory => None,
            document::Store::Embedded | document::Store::Redis => Some(self.base.join(&state.path)),
        };
        let keys = match &state.keys {
            Some(keys) => Some(self.base.join(&keys.file)),
            None => path.as_ref().map(|path| path.join("keys.yaml")),
        };
        let spool = path.as_ref().map(|state_path| settings::Spool {
            path: state.spool.path.as_ref().map_or_else(|| state_path.join("spool"), |path| self.base.join(path)),
            bytes_max: format::size(&state.spool.max).map_or(0, |bytes| bytes as u64),
        });
        settings::State { path, keys, wait: time(&state.wait), redis: self.redis(state), spool }
    }

    fn redis(&mut self, state: &document::State) -> Option<settings::Redis> {
        let url = match (&state.store, &state.url) {
            (document::Store::Redis, Some(url)) => self.secret(url, &["state", "url"]),
            (document::Store::Redis, None) => {
                let help = "write `url: { env: REDIS_URL }`, and `redis://host:6379` into that variable";
                self.error("state.url", &["state"], "`store: redis` needs a `url`", help);
                return None;
            }
            (document::Store::Embedded | document::Store::Memory, Some(_)) => {
                self.error("state.url", &["state", "url"], "only `store: redis` has a `url`", "write `store: redis`");
                return None;
            }
            (document::Store::Embedded | document::Store::Memory, None) => return None,
        };
        let topology = match (state.topology, &state.master) {
            (document::Topology::Standalone, _) => settings::Topology::Standalone,
            (document::Topology::Cluster, _) => settings::Topology::Cluster,
            (document::Topology::Sentinel, Some(master)) => {
                settings::Topology::Sentinel { master: master.as_str().into() }
            }
            (document::Topology::Sentinel, None) => {
                let help = "write `master: ` and the name in `sentinel monitor`";
                self.error("state.master", &["state"], "Sentinels are asked for a master by its name", help);
                return None;
            }
        };
        if state.prefix.is_empty() || state.prefix.contains(['{', '}', ':', ' ', '*']) {
            let message = "a prefix is a word without braces, colons and stars, by which an ACL can name the keys";
            self.error("state.prefix", &["state", "prefix"], message, "write `prefix: stepward`");
        }
        // `never` is none.
        let snapshots = time(&state.snapshots);
        if snapshots > SNAPSHOTS_MAX {
            let message = "a copy of a session answers for Redis for a minute at most";
            self.error("state.snapshots", &["state", "snapshots"], message, "write `snapshots: 30s`");
        }
        Some(settings::Redis {
            url,
            topology,
            user: state.user.as_deref().map(Arc::from),
            password: state.password.as_ref().map(|it| self.secret(it, &["state", "password"])),
            ca: state.ca.as_ref().map(|it| self.present(it, &["state", "ca"])),
            prefix: state.prefix.as_str().into(),
            wait: time(&state.wait),
            snapshots,
        })
    }

    /// The folder that is named has to be there; the one that is not is used if it is there.
    fn connectors(&mut self, document: &Document) -> Option<PathBuf> {
        match &document.connectors {
            Some(folder) => Some(self.folder(folder, &["connectors"])),
            None => Some(self.base.join("connectors")).filter(|folder| folder.is_dir()),
        }
    }

    fn secrets(&mut self, document: &Document) -> BTreeMap<Arc<str>, settings::Secret> {
        let named = document.secrets.iter();
        named.map(|(name, secret)| (Arc::from(name.as_str()), self.secret(secret, &["secrets", name]))).collect()
    }

    fn secret(&mut self, secret: &document::Secret, path: &[&str]) -> settings::Secret {
        let secret = match secret {
            document::Secret::Env(name) => settings::Secret::Env(name.as_str().into()),
            document::Secret::File(file) => settings::Secret::File(self.base.join(file)),
        };
        if let Err(why) = secret.reveal() {
            self.missing("secret.missing", path, format!("there is no secret at {why}"));
        }
        secret
    }

    fn admin(&mut self, document: &Document) -> Option<SocketAddr> {
        let address = format::address(&document.admin.as_ref()?.address)?;
        if !address.ip().is_loopback() {
            let message = "the admin address can be reached from other machines, without TLS";
            self.warning("admin.exposed", &["admin", "address"], message, "listen on 127.0.0.1 and use an SSH tunnel");
        }
        Some(address)
    }

    fn decisions(&mut self, document: &Document) -> Option<SocketAddr> {
        let address = format::address(&document.decisions.as_ref()?.address)?;
        if document.security_events.is_none() {
            let message = "`decisions` is not built yet but for `/ssf/events`, and nobody may push events there";
            self.error("setting.not_built", &["decisions"], message, "add `security_events`, or leave it out for now");
        }
        if !address.ip().is_loopback() {
            let message = "the decisions address can be reached from other machines, without TLS";
            let help = "listen on 127.0.0.1 behind a proxy that ends TLS and passes on `/ssf/events` alone";
            self.warning("decisions.exposed", &["decisions", "address"], message, help);
        }
        Some(address)
    }

    fn security_events(&mut self, document: &Document) -> Option<SecurityEvents> {
        let events = document.security_events.as_ref()?;
        let at = ["security_events", "transmitters"];
        if document.decisions.is_none() {
            let message = "nobody can bring events here: there is no decisions address";
            let help = "add `decisions: { address: 127.0.0.1:7302 }`";
            self.error("security_events.nowhere", &["security_events"], message, help);
        }
        if events.transmitters.is_empty() {
            self.error("security_events.nobody", &at, "nobody may push events", "add a transmitter, or leave it out");
        }
        let mut ready = Vec::new();
        for (index, from) in events.transmitters.iter().enumerate() {
            let index = index.to_string();
            let under = |key| [at[0], at[1], index.as_str(), key];
            let earlier = events.transmitters.iter().take(ready.len());
            for (key, is_twice) in [
                ("issuer", earlier.clone().any(|it| it.issuer == from.issuer)),
                ("name", earlier.clone().any(|it| it.name == from.name)),
            ] {
                if is_twice {
                    let message = format!("a transmitter is told apart by its {key}, and another has this one");
                    self.error("security_events.twice", &under(key), &message, "say all of it in one place");
                }
            }
            self.transmitter(document, from, &under);
            let jwks = self.key_set(&from.jwks, &under("jwks"));
            let token = from.token.as_ref().map(|it| self.secret(it, &under("token")));
            ready.push((jwks, token));
        }
        Some(events.ready(time(&events.remember_for), ready))
    }

    fn transmitter<'a>(
        &mut self,
        document: &Document,
        from: &security_events::From,
        under: &dyn Fn(&'a str) -> [&'a str; 4],
    ) {
        if from.audience.is_empty() {
            let help = "write the `aud` that the stream was set up with";
            self.error("security_events.audience", &under("audience"), "any event would do", help);
        }
        if from.subject.is_empty() {
            let help = "write `subject: [iss_sub]`, or how it names your users";
            self.error("security_events.subject", &under("subject"), "its events are about nobody", help);
        }
        if from.subject_issuer.is_some() && !from.subject.contains(&security_events::Format::IssSub) {
            let help = "add `iss_sub` to `subject`, or leave it out";
            let message = "`subject_issuer` goes with `iss_sub`";
            self.error("security_events.subject", &under("subject_issuer"), message, help);
        }
        if !document.routes.iter().any(|route| route.tenant == from.tenant) {
            let message = format!("no route has the tenant `{}`: its events reach nobody", from.tenant);
            self.warning("tenant.unknown", &under("tenant"), &message, "write the tenant of a route");
        }
        let known = security_events::known();
        for kind in from.on.keys().filter(|it| !known.contains(&it.as_str()) && !security_events::is_uri(it)) {
            let near = diagnostic::nearest(kind, known.iter().copied());
            let help = near
                .map_or("write a type of CAEP or RISC, or the whole `https://` URI of another".into(), |near| {
                    format!("did you mean `{near}`?")
                });
            self.error("security_events.type", &under("on"), &format!("no type of event is called `{kind}`"), &help);
        }
    }

    fn phone(&mut self, document: &Document) -> settings::Phone {
        let Some(phone) = &document.phone else { return settings::Phone::default() };
        let is_prefix = |it: &String| {
            let digits = it.strip_prefix('+').unwrap_or_default();
            (1..=15).contains(&digits.len()) && digits.bytes().all(|it| it.is_ascii_digit()) && !digits.starts_with('0')
        };
        if phone.prefixes.as_ref().is_some_and(|it| it.is_empty() || !it.iter().all(is_prefix)) {
            let message = "`phone.prefixes` are beginnings of numbers as E.164 has them";
            self.error("phone.prefix", &["phone", "prefixes"], message, "write `+` and digits, such as `\"+49\"`");
        }
        if !(1..=30).contains(&phone.per_number) {
            let message = "`phone.per_number` is from 1 to 30";
            self.error("value.range", &["phone", "per_number"], message, "write 5, the default");
        }
        settings::Phone {
            prefixes: phone.prefixes.as_ref().map(|it| it.iter().map(|it| it.as_str().into()).collect()),
            per_number: phone.per_number,
            per_range: phone.per_range.into(),
            in_total: phone.in_total.into(),
        }
    }

    fn approvals(&mut self, document: &Document) -> Option<settings::approvals::Approvals> {
        let approvals = document.approvals.as_ref()?;
        for (place, message, help) in approvals.faults() {
            let place: Vec<&str> = ["approvals"].into_iter().chain(place).collect();
            self.error("value.malformed", &place, &message, help);
        }
        if document.passkeys.is_none() {
            let message = "nobody could approve anything: approvers confirm by passkey";
            let help = "add `passkeys: { rp_id: …, origins: [https://…] }`: the domain and the origins of the app";
            self.error("approvals.passkeys", &["approvals"], message, help);
        }
        Some(approvals.ready())
    }

    fn mail(&mut self, document: &Document) -> Option<settings::Mail> {
        let mail = document.mail.as_ref()?;
        let login = match (&mail.user, &mail.password) {
            (Some(user), Some(password)) => {
                Some((Arc::from(user.as_str()), self.secret(password, &["mail", "password"])))
            }
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                self.error("mail.login", &["mail"], "`user` and `password` go together", "write both, or neither");
                None
            }
        };
        Some(settings::Mail { smtp: mail.smtp.as_str().into(), login, from: mail.from.as_str().into() })
    }

    /// Passkeys of a domain can be used on its origins and on those of names under it (WebAuthn §5.1.3): anything else is
    /// refused by browsers, to people who cannot mend it.
    fn passkeys(&mut self, passkeys: &document::Passkeys) -> settings::Passkeys {
        let rp_id = passkeys.rp_id.as_str();
        let is_address = rp_id.starts_with('[') || rp_id.parse::<Ipv4Addr>().is_ok();
        let is_domain = rp_id == "localhost" || rp_id.contains('.') && !rp_id.contains('*');
        if is_address || !is_domain {
            let message = format!("browsers make no passkeys for `{rp_id}`: it is no domain of yours");
            let help = "write the host that people visit, such as `bank.example.com`, or `localhost` for a trial";
            self.error("passkeys.rp_id", &["passkeys", "rp_id"], &message, help);
        }
        if passkeys.origins.is_empty() {
            let help = format!("add `https://{rp_id}`");
            self.error("passkeys.origins", &["passkeys", "origins"], "passkeys would be good nowhere", &help);
        }
        let mut origins: Vec<Arc<str>> = Vec::new();
        for (at, written) in passkeys.origins.iter().enumerate() {
            let Some(origin) = format::origin(written) else { continue };
            let (at, host) = (at.to_string(), origin.host.to_ascii_lowercase());
            let place = ["passkeys", "origins", &at];
            let is_under = |name: &str| host == name || host.strip_suffix(name).is_some_and(|it| it.ends_with('.'));
            if !is_under(rp_id) && !is_address {
                let message = format!("passkeys of `{rp_id}` cannot be used on `{host}`");
                self.error("passkeys.foreign", &place, &message, "`rp_id` is the host itself, or a domain above it");
            }
            if !origin.secure && !is_under("localhost") {
                let message = format!("browsers use no passkeys on `{written}`: it is neither https nor `localhost`");
                self.error("passkeys.insecure", &place, &message, "write `https://…`");
            }
            origins.push(as_browsers_write(origin.secure, &host, origin.port));
        }
        settings::Passkeys { rp_id: rp_id.into(), origins: origins.into() }
    }

    fn oidc(&mut self, document: &Document) -> Option<settings::oidc::Oidc> {
        let oidc = document.oidc.as_ref()?;
        for (key, message, help) in oidc.faults() {
            self.error("value.malformed", &["oidc", key], message, help);
        }
        if oidc.acr_values.is_empty() {
            let message = "a sign-in of any strength counts: the provider decides what is asked of the user";
            self.warning("oidc.acr", &["oidc"], message, "name what you ask for: `acr_values: [phr, mfa]`");
        }
        let secret = oidc.client_secret.as_ref().map(|it| self.secret(it, &["oidc", "client_secret"]));
        Some(oidc.ready(secret))
    }

    fn lists(&mut self, document: &Document) -> BTreeMap<Arc<str>, settings::List> {
        let mut lists = BTreeMap::new();
        for (name, list) in &document.lists {
            let kind = match list.kind {
                document::ListKind::Ip => settings::ListKind::Ip,
                document::ListKind::Email => settings::ListKind::Email,
                document::ListKind::Subject => settings::ListKind::Subject,
                document::ListKind::Device => settings::ListKind::Device,
            };
            let file = self.present(&list.file, &["lists", name, "file"]);
            lists.insert(Arc::from(name.as_str()), settings::List { kind, file });
        }
        lists
    }

    fn sessions(&mut self, sessions: &document::Sessions) -> settings::SessionLimits {
        let (idle, absolute) = (time(&sessions.idle), time(&sessions.absolute));
        if idle > absolute {
            self.error(
                "sessions.idle",
                &["sessions", "idle"],
                "`idle` is longer than `absolute`",
                "make `absolute` longer",
            );
        }
        settings::SessionLimits { idle, absolute }
    }

    fn sinks(&mut self, document: &Document) -> Vec<settings::Sink> {
        let mut sinks: Vec<settings::Sink> = Vec::new();
        for (at, entry) in document.sinks.iter().enumerate() {
            let at = at.to_string();
            if sinks.iter().any(|earlier| *earlier.connector == *entry.connector) {
                let message = format!("`{}` is a sink already", entry.connector);
                self.error("sink.twice", &["sinks", &at, "connector"], &message, "say all of it in one place");
            }
            let names = Names { is_about_decision: true, ..Names::default() };
            let only = entry.only.as_ref().and_then(|text| match Expression::parse(text, &names) {
                Ok(expression) => Some(Arc::new(expression)),
                Err(fault) => {
                    let help = fault.help.unwrap_or_else(|| "write `decision.outcome != 'forward'`".into());
                    self.error("sink.only", &["sinks", &at, "only"], &fault.message, &help);
                    None
                }
            });
            let connector = entry.connector.as_str().into();
            sinks.push(settings::Sink { connector, only, batch: entry.batch, wait: time(&entry.wait) });
        }
        sinks
    }

    fn log_target(&self, target: &document::LogTarget) -> settings::LogTarget {
        match target {
            document::LogTarget::Stdout => settings::LogTarget::Stdout,
            document::LogTarget::File(file) => settings::LogTarget::File(self.base.join(file)),
        }
    }

    /// No address twice, and no upstream that is ourselves: a request would go round for ever, past every policy.
    fn addresses(&mut self, settings: &Settings) {
        let mut own: Vec<(SocketAddr, Vec<String>)> = Vec::new();
        let listed = settings.listen.iter().enumerate();
        let mut candidates: Vec<_> =
            listed.map(|(at, it)| (it.address, vec!["listen".to_string(), at.to_string(), "address".into()])).collect();
        candidates.extend(settings.admin.map(|it| (it, vec!["admin".into(), "address".into()])));
        candidates.extend(settings.health.map(|it| (it, vec!["health".into(), "address".into()])));
        candidates.extend(settings.decisions.map(|it| (it, vec!["decisions".into(), "address".into()])));
        for (address, path) in candidates {
            if address.port() != 0 && own.iter().any(|(other, _)| same(*other, address)) {
                let path: Vec<_> = path.iter().map(String::as_str).collect();
                self.error(
                    "address.twice",
                    &path,
                    &format!("`{address}` is listened on already"),
                    "choose another port",
                );
            }
            own.push((address, path));
        }
        for (name, upstream) in &settings.upstreams {
            for (host, port) in &upstream.addresses {
                let Some(ip) = ip(host) else { continue };
                if *port != 0 && own.iter().any(|(own, _)| same(*own, SocketAddr::new(ip, *port))) {
                    let message = format!("upstream `{name}` points at Stepward itself (`{host}:{port}`)");
                    self.error("upstream.own", &["upstreams", name, "url"], &message, "name the address of the app");
                }
            }
        }
    }

    pub(super) fn folder(&mut self, path: &str, at: &[&str]) -> PathBuf {
        let folder = self.base.join(path);
        if !folder.is_dir() {
            self.missing("file.missing", at, format!("there is no folder `{}`", folder.display()));
        }
        folder
    }

    pub(super) fn present(&mut self, path: &str, at: &[&str]) -> PathBuf {
        let file = self.base.join(path);
        if !file.is_file() {
            self.missing("file.missing", at, format!("there is no file `{}`", file.display()));
        }
        file
    }

    fn missing(&mut self, code: &'static str, path: &[&str], message: String) {
        let finding = Diagnostic::error(code, self.file, self.tree.span_at(path), message);
        let severity = match self.presence {
            Presence::Required => Severity::Error,
            Presence::Advised => Severity::Warning,
        };
        self.found.push(Diagnostic { severity, ..finding }.help("paths are relative to this file"));
    }

    pub(super) fn error(&mut self, code: &'static str, path: &[&str], message: &str, help: &str) {
        self.found.push(Diagnostic::error(code, self.file, self.span(path), message).help(help));
    }

    pub(super) fn warning(&mut self, code: &'static str, path: &[&str], message: &str, help: &str) {
        self.found.push(Diagnostic::warning(code, self.file, self.span(path), message).help(help));
    }

    fn span(&self, path: &[&str]) -> Range<usize> {
        self.tree.span_at(path)
    }
}

/// An origin without the port that its scheme has anyway (RFC 6454 §6.2).
fn as_browsers_write(is_secure: bool, host: &str, port: u16) -> Arc<str> {
    match (is_secure, port) {
        (true, 443) => format!("https://{host}").into(),
        (false, 80) => format!("http://{host}").into(),
        (true, _) => format!("https://{host}:{port}").into(),
        (false, _) => format!("http://{host}:{port}").into(),
    }
}

fn domain(typed: &str) -> String {
    typed.trim().trim_start_matches('@').to_lowercase()
}

fn limits(limits: &document::Limits) -> settings::Limits {
    settings::Limits {
        header_bytes_max: format::size(&limits.header_max).unwrap_or(65_536),
        header_fields_max: limits.header_fields_max,
        header_deadline: time(&limits.header_deadline),
        body_deadline: time(&limits.body_deadline),
        connections_per_ip_max: limits.connections_per_ip_max,
        drain: time(&limits.drain),
        hand_over: time(&limits.hand_over),
    }
}

/// The form was checked; nothing is the strictest reading of what was not.
fn time(text: &str) -> Duration {
    format::duration(text).unwrap_or(Duration::ZERO)
}

/// Whether an earlier route takes every request that a later one could.
fn covers(earlier: &settings::Route, host: Option<&str>, path: &str) -> bool {
    let same_host = match (earlier.host.as_deref(), host) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(earlier), Some(host)) => {
            earlier == host
                || earlier.strip_prefix('*').is_some_and(|suffix| host.ends_with(suffix) && !host.starts_with('*'))
        }
    };
    let prefix = earlier.path.trim_end_matches('/');
    same_host && path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn ip(host: &str) -> Option<IpAddr> {
    if host == "localhost" { Some(Ipv4Addr::LOCALHOST.into()) } else { host.parse().ok() }
}

/// Whether two addresses meet: one of them may be every address of the machine.
fn same(one: SocketAddr, other: SocketAddr) -> bool {
    let any = |ip: IpAddr| ip.is_unspecified();
    let local = |ip: IpAddr| ip.is_loopback() || ip.is_unspecified();
    let (a, b) = (one.ip(), other.ip());
    one.port() == other.port() && (a == b || (any(a) && local(b)) || (any(b) && local(a)))
}
