//! One call to one vendor: no redirects, no proxy from the environment, a deadline for all of it, a bounded body.
//!
//! It never says what a vendor or a URL said: failures are fixed words, because both may hold secrets.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use stepward_core::connector::{Connector, Prepared, document::Method};

use crate::vendors::guard::Guard;

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
}

impl Client {
    /// A client that reaches this connector's host and no other.
    pub fn new(connector: &Connector, own: &Arc<[SocketAddr]>) -> Result<Self, &'static str> {
        // Whoever is first in the process installs the provider; the others find it there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let guard = Guard::new(&connector.origin, connector.network, own);
        let http = reqwest::Client::builder()
            .dns_resolver(guard.clone())
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .https_only(connector.origin.secure)
            .pool_max_idle_per_host(16)
            .user_agent("stepward")
            .build()
            .map_err(|_| "no client can be made")?;
        Ok(Client { http, guard, host: connector.origin.host.clone(), body_bytes_max: connector.body_bytes_max })
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
        let url = reqwest::Url::parse(&prepared.url).map_err(|_| "the request's URL is malformed")?;
        // INVARIANT: requests go to the host that the file names, whatever the inputs were.
        if url.host_str().map(|host| host.trim_matches(['[', ']'])) != Some(&*self.host) {
            return Err("the request's URL is malformed");
        }
        let answer = self.request(prepared, url)?.send().await.map_err(|_| "cannot connect")?;
        if answer.headers().get(reqwest::header::CONTENT_ENCODING).is_some_and(|it| it != "identity") {
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
