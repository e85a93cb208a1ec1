//! One call to one vendor: no redirects, no proxy from the environment, a deadline for all of it, a bounded body.
//!
//! It never says what a vendor or a URL said: failures are fixed words, because both may hold secrets.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use stepward_core::connector::{
    Connector, Prepared,
    document::{Method, Network},
};

use crate::vendors::{
    guard::{Guard, Lookup},
    mock::detour::Detour,
};

/// What a vendor answered.
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

/// A client for one connector.
pub struct Client {
    http: reqwest::Client,
    guard: Guard,
    host: Arc<str>,
    body_bytes_max: usize,
    /// The mock that is called instead of the vendor.
    detour: Option<Detour>,
}

impl Client {
    /// A client that reaches this connector's host and no other.
    pub fn new(connector: &Connector, own: &Arc<[SocketAddr]>) -> Result<Self, &'static str> {
        let guard = Guard::new(&connector.origin, connector.network, own, Lookup::System);
        Client::behind(guard, connector.origin.secure, connector.origin.host.clone(), connector.body_bytes_max)
    }

    /// A client that reaches this connector's part of a mock and nothing else.
    pub fn detoured(connector: &Connector, mock: SocketAddr, own: &Arc<[SocketAddr]>) -> Result<Self, String> {
        let detour = Detour::to(mock, &connector.id).map_err(|elsewhere| elsewhere.to_string())?;
        let origin = detour.origin();
        let guard = Guard::new(&origin, Network::Internal, own, Lookup::System);
        let client = Client::behind(guard, false, origin.host, connector.body_bytes_max)?;
        Ok(Client { detour: Some(detour), ..client })
    }

    fn behind(guard: Guard, secure: bool, host: Arc<str>, body_bytes_max: usize) -> Result<Self, &'static str> {
        // Whoever is first in the process installs the provider; the others find it there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .dns_resolver(guard.clone())
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .https_only(secure)
            .pool_max_idle_per_host(16)
            .user_agent("stepward")
            .build()
            .map_err(|_| "no client can be made")?;
        Ok(Client { http, guard, host, body_bytes_max, detour: None })
    }

    /// Sends a request and reads the answer, all within `limit`.
    pub async fn call(&self, prepared: Prepared, limit: Duration) -> Result<Answer, &'static str> {
        tokio::time::timeout(limit, self.exchange(prepared)).await.unwrap_or(Err("no answer in time"))
    }

    async fn exchange(&self, prepared: Prepared) -> Result<Answer, &'static str> {
        // A host that is an address never passes the resolver.
        if !self.guard.allows_host(&self.host) {
            return Err("the address is not allowed");
        }
        let url = self.detour.as_ref().map_or_else(|| prepared.url.clone(), |it| it.instead_of(&prepared.url));
        let url = reqwest::Url::parse(&url).map_err(|_| "the request's URL is malformed")?;
        // INVARIANT: requests go to the host that the file names, whatever the inputs were.
        if url.host_str().map(|host| host.trim_matches(['[', ']'])) != Some(&*self.host) {
            return Err("the request's URL is malformed");
        }
        let answer = self.request(prepared, url)?.send().await.map_err(|_| "cannot connect")?;
        if answer.headers().get_all(reqwest::header::CONTENT_ENCODING).iter().any(|it| it != "identity") {
            return Err("the answer is compressed, which was not asked for");
        }
        let status = answer.status().as_u16();
        Ok(Answer { status, body: self.body(answer).await? })
    }

    fn request(&self, prepared: Prepared, url: reqwest::Url) -> Result<reqwest::RequestBuilder, &'static str> {
        let mut request = match prepared.method {
            Method::Get => self.http.get(url),
            Method::Post => self.http.post(url),
        };
        request = request.header(reqwest::header::ACCEPT_ENCODING, "identity");
        for (name, value) in &prepared.headers {
            let mut value = reqwest::header::HeaderValue::from_str(value).map_err(|_| "a header cannot be sent")?;
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

    async fn body(&self, mut answer: reqwest::Response) -> Result<Vec<u8>, &'static str> {
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|_| "the answer broke off")? {
            if body.len() + chunk.len() > self.body_bytes_max {
                return Err("the answer is too large");
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::IpAddr,
        sync::{
            Mutex,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use stepward_core::connector::Origin;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// Answers `{}` to whoever comes, and counts them.
    async fn listen(address: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
        let listener = TcpListener::bind(address).await.unwrap();
        let (address, came) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let counted = came.clone();
        tokio::spawn(async move {
            while let Ok((mut tcp, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut head = [0; 4096];
                let _ = tcp.read(&mut head).await;
                let _ = tcp.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}").await;
            }
        });
        (address, came)
    }

    /// A name server that says one thing after another, and how often it was asked.
    fn rebinding(answers: &[&[&str]]) -> (Lookup, Arc<AtomicUsize>) {
        let read = |list: &&[&str]| list.iter().map(|it| it.parse().unwrap()).collect::<Vec<IpAddr>>();
        let left = Mutex::new(answers.iter().rev().map(read).collect::<Vec<_>>());
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let told = move |_: &str| {
            counted.fetch_add(1, Ordering::SeqCst);
            left.lock().unwrap().pop().unwrap_or_default()
        };
        (Lookup::Told(Arc::new(told)), asked)
    }

    fn client(network: Network, port: u16, own: &[SocketAddr], lookup: Lookup) -> Client {
        let origin = Origin { secure: false, host: "vendor.example".into(), port };
        Client::behind(Guard::new(&origin, network, &own.into(), lookup), false, origin.host, 1024).unwrap()
    }

    async fn call(client: &Client, port: u16) -> Result<u16, &'static str> {
        let url = format!("http://vendor.example:{port}/");
        let prepared = Prepared { method: Method::Get, url, headers: Vec::new(), basic: None, body: None };
        client.call(prepared, Duration::from_secs(5)).await.map(|answer| answer.status)
    }

    #[tokio::test]
    async fn i1_a_name_that_changes_its_address_leads_nowhere_it_may_not() {
        let (vendor, vendor_came) = listen("127.0.0.1:0".parse().unwrap()).await;
        let port = vendor.port();
        let (own, own_came) = listen(SocketAddr::from(([127, 0, 0, 2], port))).await;
        let (lookup, asked) = rebinding(&[
            &["127.0.0.1"],
            &["127.0.0.2"],
            &["127.0.0.1", "127.0.0.2"],
            &["::ffff:127.0.0.2"],
            &["169.254.169.254"],
            &[],
            &["127.0.0.1"],
        ]);
        let client = client(Network::Internal, port, &[own], lookup);
        assert_eq!(call(&client, port).await, Ok(200), "the vendor itself");
        for changed in ["our own listener", "both", "in IPv6 clothes", "the cloud's metadata", "nothing"] {
            assert_eq!(call(&client, port).await, Err("cannot connect"), "{changed}");
        }
        assert_eq!(call(&client, port).await, Ok(200), "the vendor again");
        let count = |it: &AtomicUsize| it.load(Ordering::SeqCst);
        assert_eq!((count(&vendor_came), count(&own_came)), (2, 0));
        assert_eq!(count(&asked), 7, "each answer is looked at and connected to; nobody asks a second time");
    }

    #[tokio::test]
    async fn i1_a_public_name_that_becomes_a_private_one_is_not_connected_to() {
        let (inside, came) = listen("127.0.0.1:0".parse().unwrap()).await;
        let private: [&[&str]; 5] =
            [&["127.0.0.1"], &["8.8.8.8", "127.0.0.1"], &["::1"], &["::ffff:7f00:1"], &["64:ff9b::7f00:1"]];
        let (lookup, asked) = rebinding(&private);
        let client = client(Network::Internet, inside.port(), &[], lookup);
        for _ in private {
            assert_eq!(call(&client, inside.port()).await, Err("cannot connect"));
        }
        assert_eq!((came.load(Ordering::SeqCst), asked.load(Ordering::SeqCst)), (0, private.len()));
    }
}
