//! Calls to one vendor: no redirects, no proxy from the environment, a deadline for all of it, a bounded body.
//!
//! It never says what a vendor or a URL said: failures are fixed words, because both may hold secrets.

use std::{
    net::SocketAddr,
    sync::{Arc, Once},
    time::Duration,
};

use stepward_core::connector::{
    Class, Connector, Named, Operation, Origin, Prepared,
    answer::{Interpreted, Reply},
    auth::Certificate,
    document::{Network, operation::Cause},
    request::{Asked, Moment},
};
use tokio::time::Instant;

use crate::vendors::{
    fixtures,
    guard::{Guard, Lookup},
    limits,
    mock::detour::{Detour, Elsewhere},
    signing,
    tokens::Tokens,
};

/// What a vendor answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its header fields, names in lower case; those that are no text are not among them.
    pub headers: Vec<(Arc<str>, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// Why there is no answer. The words are fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What it means.
    pub class: Class,
    /// What it counts as for a retry; nothing where another try would end the same way.
    pub cause: Option<Cause>,
    /// For the log.
    pub why: &'static str,
}

impl Failure {
    fn connect(why: &'static str) -> Self {
        Failure { class: Class::Unavailable, cause: Some(Cause::ConnectError), why }
    }

    fn broken(why: &'static str) -> Self {
        Failure { class: Class::Unavailable, cause: Some(Cause::Timeout), why }
    }

    /// The same would come of it again: of a wrong key, or of an answer that is not what was agreed.
    pub(super) fn lasting(class: Class, why: &'static str) -> Self {
        Failure { class, cause: None, why }
    }
}

/// A question to one operation.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// What is asked.
    pub operation: &'a Operation,
    /// From [`Operation::inputs`].
    pub inputs: &'a Named,
    /// What an earlier operation kept.
    pub state: &'a Named,
    /// The time of the event, in milliseconds since 1970.
    pub now_ms: i64,
    /// When nobody waits any longer.
    pub deadline: Instant,
}

/// What is known of an earlier download.
#[derive(Clone, Copy, Default)]
pub(super) struct Known<'a> {
    /// Its entity tag.
    pub(super) etag: Option<&'a str>,
    /// When it was last modified, in the words of its source.
    pub(super) last_modified: Option<&'a str>,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// What the answer means and says.
    pub answer: Interpreted,
    /// The answer itself, if there was one.
    pub reply: Option<Answer>,
    /// In how many milliseconds the vendor may be asked again, where it says so.
    pub again_in_ms: Option<u64>,
    /// How many requests were sent, repetitions included; not those for tokens.
    pub sent: u32,
}

/// A client for one connector: its secrets, its tokens, and a way to each place it may connect to.
pub struct Client {
    ways: Vec<Way>,
    secrets: Vec<(Arc<str>, Arc<str>)>,
    tokens: Tokens,
}

/// A way to one place with one certificate.
struct Way {
    origin: Origin,
    /// By address: operations that connect alike share what they connect with.
    certificate: Option<Arc<Certificate>>,
    http: reqwest::Client,
    guard: Guard,
    /// The mock that is called instead.
    detour: Option<Detour>,
}

impl Client {
    /// A client that reaches this connector's hosts and no others. `secrets` are the connector's own, by their names.
    ///
    /// # Errors
    /// A certificate that cannot be used.
    pub fn new(
        connector: &Connector,
        secrets: Vec<(Arc<str>, Arc<str>)>,
        own: &Arc<[SocketAddr]>,
    ) -> Result<Self, &'static str> {
        Client::with(connector, secrets, own, &Lookup::System)
    }

    /// A client that reaches this connector's part of a mock and nothing else. It knows no secret: their names stand for
    /// them, as in fixtures.
    ///
    /// # Errors
    /// The mock is not on this machine.
    pub fn detoured(connector: &Connector, mock: SocketAddr, own: &Arc<[SocketAddr]>) -> Result<Self, String> {
        let detour = Detour::to(mock, &connector.id).map_err(|elsewhere: Elsewhere| elsewhere.to_string())?;
        let (instead, mut ways) = (detour.origin(), Vec::<Way>::new());
        for operation in &connector.operations {
            // What is looked up is asked of no mock.
            let Some(origin) = operation.origin() else { continue };
            if ways.iter().any(|way| way.origin == *origin) {
                continue;
            }
            let guard = Guard::new(&instead, Network::Internal, own, Lookup::System);
            let http = http(&guard, instead.secure, operation.connect_timeout_ms, None, &[])?;
            ways.push(Way { origin: origin.clone(), certificate: None, http, guard, detour: Some(detour.clone()) });
        }
        Ok(Client { ways, secrets: fixtures::masked(connector), tokens: Tokens::default() })
    }

    fn with(
        connector: &Connector,
        secrets: Vec<(Arc<str>, Arc<str>)>,
        own: &Arc<[SocketAddr]>,
        lookup: &Lookup,
    ) -> Result<Self, &'static str> {
        let mut ways: Vec<Way> = Vec::new();
        for operation in &connector.operations {
            for origin in operation.origins() {
                let is_there =
                    |way: &Way| way.origin == *origin && same(way.certificate.as_ref(), operation.certificate.as_ref());
                if ways.iter().any(is_there) {
                    continue;
                }
                let guard = Guard::new(origin, connector.network, own, lookup.clone());
                let (connect, certificate) = (operation.connect_timeout_ms, operation.certificate.clone());
                let http = http(&guard, origin.secure, connect, certificate.as_deref(), &secrets)?;
                ways.push(Way { origin: origin.clone(), certificate, http, guard, detour: None });
            }
        }
        Ok(Client { ways, secrets, tokens: Tokens::default() })
    }

    /// The connector's own secrets, by their names.
    pub(super) fn secrets(&self) -> &Named {
        &self.secrets
    }

    /// Asks, waits, tries again where the file allows it, and reads the answer. It never waits past the deadline, nor
    /// longer than the operation may take. What cannot be sent is `invalid_input`.
    pub async fn ask(&self, ask: &Ask<'_>) -> Heard {
        let operation = ask.operation;
        let limit = Instant::now() + Duration::from_millis(operation.timeout_ms);
        let ask = Ask { deadline: ask.deadline.min(limit), ..*ask };
        let moment = Moment { now_ms: ask.now_ms, uuid: uuid() };
        let mut sent = 0;
        loop {
            let tried = tokio::time::timeout_at(ask.deadline, self.try_once(&ask, &moment, &mut sent)).await;
            let tried = tried.unwrap_or(Err(Failure::broken("no answer in time")));
            let (heard, cause) = match tried {
                Ok(Some(answer)) => {
                    let status = answer.status;
                    let heard = Heard::of(operation, answer, ask.inputs, ask.now_ms, sent);
                    let cause = cause_of(status, heard.answer.class);
                    (heard, cause)
                }
                Ok(None) => {
                    (Heard::silent(operation, Class::InvalidInput, "the request cannot be made of this", sent), None)
                }
                Err(failure) => (Heard::silent(operation, failure.class, failure.why, sent), failure.cause),
            };
            let again = cause.filter(|cause| operation.retry.on.contains(cause) && sent <= operation.retry.max);
            let Some(wait) = again.map(|_| pause(operation, sent, heard.again_in_ms)) else { return heard };
            if sent == 0 || Instant::now() + wait >= ask.deadline {
                return heard;
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// One request, and a second one with a fresh token where the first was refused. `None`: it cannot be made.
    async fn try_once(&self, ask: &Ask<'_>, moment: &Moment, sent: &mut u32) -> Result<Option<Answer>, Failure> {
        let Some(source) = &ask.operation.token else { return self.send(ask, None, moment, sent).await };
        if self.is_detoured() {
            return self.send(ask, Some(fixtures::TOKEN), moment, sent).await;
        }
        let fetch = |refused: Option<Arc<str>>| async move {
            let way = self.way(source.origin(), ask.operation.certificate.as_ref())?;
            self.tokens.get(source, way, &self.secrets, ask.now_ms, refused).await
        };
        let token = fetch(None).await?;
        match self.send(ask, Some(&token), moment, sent).await? {
            Some(answer) if answer.status == 401 => {
                let token = fetch(Some(token)).await?;
                self.send(ask, Some(&token), moment, sent).await
            }
            other => Ok(other),
        }
    }

    async fn send(
        &self,
        ask: &Ask<'_>,
        token: Option<&str>,
        moment: &Moment,
        sent: &mut u32,
    ) -> Result<Option<Answer>, Failure> {
        let asked = Asked { inputs: ask.inputs, secrets: &self.secrets, state: ask.state, token, moment };
        let Some(prepared) = ask.operation.prepare(asked) else { return Ok(None) };
        *sent += 1;
        let origin = ask.operation.origin().ok_or(Failure::connect("it sends nothing"))?;
        let way = self.way(origin, ask.operation.certificate.as_ref())?;
        way.exchange(prepared, ask.operation.body_bytes_max).await.map(Some)
    }

    /// Downloads a part of what an operation looks up, unless it has not changed since: then the status is 304.
    pub(super) async fn download(
        &self,
        operation: &Operation,
        at: usize,
        known: Known<'_>,
        bytes_max: u64,
        now_ms: i64,
    ) -> Result<Answer, Failure> {
        let moment = Moment { now_ms, uuid: uuid() };
        let asked = Asked { inputs: &[], secrets: &self.secrets, state: &[], token: None, moment: &moment };
        let made = operation.download(at, asked);
        let (origin, mut prepared) = made.ok_or(Failure::broken("the request cannot be made"))?;
        let mut when = |name: &str, value: Option<&str>| {
            prepared.headers.extend(value.map(|value| (name.into(), value.to_owned())));
        };
        when("if-none-match", known.etag);
        when("if-modified-since", known.last_modified);
        let way = self.way(origin, operation.certificate.as_ref())?;
        way.exchange(prepared, usize::try_from(bytes_max).unwrap_or(usize::MAX)).await
    }

    fn is_detoured(&self) -> bool {
        self.ways.iter().any(|way| way.detour.is_some())
    }

    fn way(&self, origin: &Origin, certificate: Option<&Arc<Certificate>>) -> Result<Sender<'_>, Failure> {
        let fits = |way: &&Way| way.detour.is_some() || same(way.certificate.as_ref(), certificate);
        let found = self.ways.iter().filter(|way| way.origin == *origin).find(fits);
        found.map(Sender).ok_or(Failure::connect("there is no way there"))
    }
}

fn same(one: Option<&Arc<Certificate>>, two: Option<&Arc<Certificate>>) -> bool {
    match (one, two) {
        (None, None) => true,
        (Some(one), Some(two)) => Arc::ptr_eq(one, two),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn http(
    guard: &Guard,
    secure: bool,
    connect_timeout_ms: Option<u64>,
    certificate: Option<&Certificate>,
    secrets: &Named,
) -> Result<reqwest::Client, &'static str> {
    static PROVIDER: Once = Once::new();
    // Whoever is first in the process installs the provider; the others find it there.
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    let mut builder = reqwest::Client::builder()
        .dns_resolver(guard.clone())
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .https_only(secure)
        .pool_max_idle_per_host(16)
        .user_agent("stepward");
    if let Some(ms) = connect_timeout_ms {
        builder = builder.connect_timeout(Duration::from_millis(ms));
    }
    if let Some(certificate) = certificate {
        let (cert, key, ca) = certificate.reveal(secrets).ok_or("the secrets of its certificate are missing")?;
        let identity = reqwest::Identity::from_pem(format!("{cert}\n{key}").as_bytes());
        builder = builder.identity(identity.map_err(|_| "its certificate cannot be used with its key")?);
        if let Some(ca) = ca {
            // Instead of the public authorities, not beside them.
            let roots = reqwest::Certificate::from_pem_bundle(ca.as_bytes());
            builder = builder.tls_certs_only(roots.map_err(|_| "its authorities cannot be read")?);
        }
    }
    builder.build().map_err(|_| "no client can be made")
}

/// Sends requests to one place.
pub(super) struct Sender<'a>(&'a Way);

impl Sender<'_> {
    /// Sends a request and reads the answer.
    pub(super) async fn exchange(&self, prepared: Prepared, body_bytes_max: usize) -> Result<Answer, Failure> {
        let way = self.0;
        let instead = way.detour.as_ref().map(|detour| (detour.origin().host, detour.instead_of(&prepared.url)));
        let (host, url) = match &instead {
            Some((host, url)) => (host, url.as_str()),
            None => (&way.origin.host, prepared.url.as_str()),
        };
        // A host that is an address never passes the resolver.
        if !way.guard.allows_host(host) {
            return Err(Failure::connect("the address is not allowed"));
        }
        let url = reqwest::Url::parse(url).map_err(|_| Failure::broken("the request's URL is malformed"))?;
        // INVARIANT: requests go to the host that the file names, whatever the inputs were.
        if url.host_str().map(|host| host.trim_matches(['[', ']'])) != Some(&**host) {
            return Err(Failure::broken("the request's URL is malformed"));
        }
        let request = self.request(prepared, url)?;
        let answer = request.send().await.map_err(|error| match error.is_connect() {
            true => Failure::connect("cannot connect"),
            false => Failure::broken("the answer broke off"),
        })?;
        if answer.headers().get_all(reqwest::header::CONTENT_ENCODING).iter().any(|it| it != "identity") {
            return Err(Failure::lasting(Class::ContractError, "the answer is compressed, which was not asked for"));
        }
        let status = answer.status().as_u16();
        let headers = answer.headers().iter();
        let headers = headers.filter_map(|(name, value)| Some((name.as_str().into(), value.to_str().ok()?.to_owned())));
        Ok(Answer { status, headers: headers.collect(), body: body(answer, body_bytes_max).await? })
    }

    fn request(&self, prepared: Prepared, url: reqwest::Url) -> Result<reqwest::RequestBuilder, Failure> {
        let method = reqwest::Method::from_bytes(prepared.method.name().as_bytes());
        let method = method.map_err(|_| Failure::broken("no such method"))?;
        let mut request = self.0.http.request(method, url);
        request = request.header(reqwest::header::ACCEPT_ENCODING, "identity");
        let mut headers = prepared.headers;
        if let Some(unsigned) = &prepared.unsigned {
            headers.push(match &self.0.detour {
                Some(_) => fixtures::signature(unsigned),
                None => {
                    let signed = signing::sign(unsigned).map_err(|why| Failure::lasting(Class::ConfigError, why))?;
                    unsigned.header(&signed)
                }
            });
        }
        for (name, value) in &headers {
            let value = reqwest::header::HeaderValue::from_str(value);
            let mut value = value.map_err(|_| Failure::broken("a header cannot be sent"))?;
            value.set_sensitive(true);
            request = request.header(&**name, value);
        }
        if let Some((user, password)) = prepared.basic {
            request = request.basic_auth(user, Some(password));
        }
        Ok(match prepared.body {
            Some((media_type, bytes)) => request.header(reqwest::header::CONTENT_TYPE, media_type).body(bytes),
            None => request,
        })
    }
}

async fn body(mut answer: reqwest::Response, bytes_max: usize) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|_| Failure::broken("the answer broke off"))? {
        if body.len() + chunk.len() > bytes_max {
            return Err(Failure::lasting(Class::ContractError, "the answer is too large"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

impl Heard {
    /// An answer that came, read.
    pub(super) fn of(operation: &Operation, reply: Answer, inputs: &Named, now_ms: i64, sent: u32) -> Heard {
        let read = Reply { status: reply.status, headers: &reply.headers, body: &reply.body };
        let answer = operation.interpret(&read, inputs, now_ms);
        let told = |name: &str| reply.headers.iter().find(|(it, _)| **it == *name).map(|(_, value)| value.trim());
        let moment = |name: &str| limits::moment(told(name)?, now_ms);
        let again = moment("retry-after").or_else(|| moment(operation.limits.reset_header.as_deref()?));
        let again_in_ms = again.map(|ms| u64::try_from(ms.saturating_sub(now_ms)).unwrap_or(0));
        Heard { answer, reply: Some(reply), again_in_ms, sent }
    }

    /// None came.
    pub(super) fn silent(operation: &Operation, class: Class, why: &str, sent: u32) -> Heard {
        Heard { answer: operation.nothing(class, why), reply: None, again_in_ms: None, sent }
    }
}

fn cause_of(status: u16, class: Class) -> Option<Cause> {
    match class {
        Class::RateLimited => Some(Cause::RateLimited),
        Class::Unavailable if (500..600).contains(&status) => Some(Cause::ServerError),
        Class::Unavailable
        | Class::Success
        | Class::NotFound
        | Class::Pending
        | Class::InvalidInput
        | Class::ConfigError
        | Class::ContractError => None,
    }
}

/// How long to wait before the next try: twice as long each time, and a random part of that, so that many who failed
/// together do not come back together; never shorter than the vendor asked for.
fn pause(operation: &Operation, sent: u32, again_in_ms: Option<u64>) -> Duration {
    let retry = &operation.retry;
    let full_ms = retry.backoff_ms.saturating_mul(1 << sent.saturating_sub(1).min(10));
    let asked_ms = again_in_ms.filter(|_| retry.respects_retry_after).unwrap_or(0);
    Duration::from_millis(rand::random_range(full_ms / 2..=full_ms).max(asked_ms))
}

/// A random id (RFC 9562 §5.4).
pub(super) fn uuid() -> Arc<str> {
    let bits: u128 = rand::random();
    let bits = (bits & !(0xf000 << 64) & !(0xc000 << 48)) | (0x4000 << 64) | (0x8000 << 48);
    let hex = format!("{bits:032x}");
    let part = |range| hex.get(range).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)).into()
}

#[cfg(test)]
mod tests;
