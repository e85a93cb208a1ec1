//! A browser without a screen: keeps cookies, follows nothing by itself, says what it saw.

use std::{collections::BTreeMap, net::SocketAddr};

use http::{HeaderMap, StatusCode, header};

/// A browser of one person.
pub(crate) struct Visitor {
    client: reqwest::Client,
    origin: String,
    /// Its cookies, by name.
    pub(crate) cookies: BTreeMap<String, String>,
    /// Header fields it sends with everything.
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its header fields.
    pub(crate) headers: HeaderMap,
    /// Its text.
    pub(crate) text: String,
}

impl Seen {
    /// Where it sends the browser.
    pub(crate) fn location(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |it| it.to_str().unwrap())
    }

    /// As JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {} {}", self.status, self.text))
    }

    /// The value of an attribute that comes after a mark in the text, such as a form's `action="`.
    pub(crate) fn after(&self, mark: &str) -> String {
        let rest = self.text.split_once(mark).unwrap_or_else(|| panic!("no {mark} in {}", self.text)).1;
        rest.split('"').next().unwrap().replace("&amp;", "&").replace("&#x2f;", "/").replace("&#x3f;", "?")
    }
}

impl Visitor {
    /// A browser that opens pages of this address.
    pub(crate) fn of(address: SocketAddr) -> Visitor {
        // A second call finds the provider, and the log, already there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // What the gateway had to say is printed with a test that fails.
        let _ = tracing_subscriber::fmt().with_env_filter("stepward=warn").with_test_writer().try_init();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let headers = vec![("sec-fetch-mode", "navigate".to_string()), ("accept", "text/html".to_string())];
        Visitor { client, origin: format!("http://{address}"), cookies: BTreeMap::new(), headers }
    }

    /// From now on the same pages are at this address.
    pub(crate) fn goes_to(&mut self, address: SocketAddr) {
        self.origin = format!("http://{address}");
    }

    /// From now on the same pages are at this origin, by its name.
    pub(crate) fn is_at(&mut self, origin: &str) {
        self.origin = origin.into();
    }

    /// Opens a page.
    pub(crate) async fn get(&mut self, path: &str) -> Seen {
        let request = self.client.get(self.url(path)).header("sec-fetch-site", "same-origin");
        self.send(request).await
    }

    /// Sends a form from a page of the same origin.
    pub(crate) async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Seen {
        let body: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self
            .client
            .post(self.url(path))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", self.origin.clone())
            .header("sec-fetch-site", "same-origin")
            .body(body);
        self.send(request).await
    }

    /// Sends what was made by hand, with this browser's cookies.
    pub(crate) async fn send(&mut self, request: reqwest::RequestBuilder) -> Seen {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = request;
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        for line in headers.get_all(header::SET_COOKIE) {
            let line = line.to_str().unwrap();
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            match line.contains("Max-Age=0") {
                true => self.cookies.remove(name),
                false => self.cookies.insert(name.to_string(), value.to_string()),
            };
        }
        Seen { status, headers, text: response.text().await.unwrap() }
    }

    /// A request that is not made by a page.
    pub(crate) fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// A URL of this origin.
    pub(crate) fn url(&self, path: &str) -> String {
        match path.starts_with("http") {
            true => path.to_string(),
            false => format!("{}{path}", self.origin),
        }
    }
}
