//! A request that has passed the guard, with everything the journey needs; made by the edge, once.
//!
//! A body that no event reads stays with the client until somebody draws it as an [`Upload`]; what breaks off on its way
//! is an error, never a shorter body.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use stepward_core::{request::Request, session::required::Required};
use tokio::sync::{mpsc, oneshot};

use crate::settings::Route;

/// A request on its way through.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Names this request in logs and problem documents; 26 characters, unguessable.
    pub id: Arc<str>,
    /// The route that took it, with its tenant.
    pub route: Arc<Route>,
    /// The canonical view.
    pub request: Request,
    /// Header fields as received, reserved and spoofable ones already removed.
    pub headers: HeaderMap,
    /// The whole body, where an event reads it or the request is for `/.stepward/`.
    pub body: Option<Bytes>,
    /// The body as it still comes, where nobody has read it and a policy may keep it.
    pub upload: Option<Upload>,
    /// What kind of client asks.
    pub client: Client,
    /// Whether the peer that connected is a trusted proxy, so that its headers about the client are believed.
    pub trusted_peer: bool,
}

/// What kind of client asks, by `Sec-Fetch-*` and `Accept`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// A browser that navigates: it is shown pages.
    Page,
    /// A script in a page: it is given problem documents with a `challenge_url`.
    Fetch,
    /// Anything else: problem documents, and RFC 9470 for bearer tokens.
    Api,
}

impl Client {
    /// The word for `request.client`.
    pub fn name(self) -> &'static str {
        match self {
            Client::Page => "page",
            Client::Fetch => "fetch",
            Client::Api => "api",
        }
    }

    /// Told from the header fields: a navigation says so in `Sec-Fetch-Mode`, an old browser by accepting HTML.
    pub fn of(headers: &HeaderMap) -> Client {
        static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
        let value = |name: &HeaderName| headers.get(name).and_then(|it| it.to_str().ok());
        match value(&SEC_FETCH_MODE) {
            Some("navigate") => Client::Page,
            Some(_) => Client::Fetch,
            None if value(&header::ACCEPT).is_some_and(|accept| accept.contains("text/html")) => Client::Page,
            None => Client::Api,
        }
    }
}

/// A request that is kept until its challenge is met; sealed as JSON.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Parked {
    /// The event it was held at.
    pub event: Arc<str>,
    /// The subject it belongs to, if one was known.
    pub subject: Option<Arc<str>>,
    /// Method.
    pub method: Arc<str>,
    /// Host.
    pub host: Arc<str>,
    /// Path and query as received.
    pub target: Arc<str>,
    /// Header fields that travel with it: content type, `Origin`, `Referer`, `Sec-Fetch-*`, `Accept*` and the app's
    /// own, values by [`kept`]. Never `Cookie` or `Authorization`: those come from the request that resumes it.
    pub headers: Vec<(String, String)>,
    /// The body, base64; empty where it lies in a file.
    pub body: String,
    /// The body's file, where it is too large for the store.
    #[serde(default)]
    pub spooled: Option<Spooled>,
    /// Whether what is kept is not a request but the app's withheld answer (`apply: after_success`).
    pub answer: Option<Withheld>,
    /// What the app asked for, where it did; it is told of the proof when the request comes again.
    #[serde(default)]
    pub asked: Option<Required>,
}

/// A body that is kept in a file of its own, named after what is parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Spooled {
    /// Which folder of files it is in: the one of a node, or one that several share.
    pub folder: [u8; 16],
    /// How long the body is.
    pub bytes: u64,
}

/// A header value as text that can be sealed and comes back byte for byte: each byte is one character.
pub fn kept(value: &HeaderValue) -> String {
    value.as_bytes().iter().copied().map(char::from).collect()
}

/// The value that [`kept`] was given; `None` for text that is none.
pub fn restored(text: &str) -> Option<HeaderValue> {
    let bytes: Option<Vec<u8>> = text.chars().map(|it| u8::try_from(it).ok()).collect();
    HeaderValue::from_bytes(&bytes?).ok()
}

/// An answer of the app that is withheld until the flow lets it go.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Withheld {
    /// Status.
    pub status: u16,
    /// Header fields, cookies among them; values by [`kept`].
    pub headers: Vec<(String, String)>,
    /// The body, base64.
    pub body: String,
}

/// A body that has not been read: whoever keeps the request draws it piece by piece, as fast as it can be put away.
#[derive(Clone, Debug)]
pub struct Upload {
    announced: Option<u64>,
    wishes: mpsc::Sender<Wish>,
}

/// Somebody waits for the next piece.
pub type Wish = oneshot::Sender<Drawn>;
/// The next piece, or `None` after the last.
pub type Drawn = Result<Option<Bytes>, Broken>;

/// The body did not come to its end: the client is gone, too slow, or sent less than it announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body did not come to its end")]
pub struct Broken;

impl Upload {
    /// A body of this length, if the client has told it, and where the wishes for its pieces arrive.
    pub fn new(announced: Option<u64>) -> (Upload, mpsc::Receiver<Wish>) {
        let (wishes, wished) = mpsc::channel(1);
        (Upload { announced, wishes }, wished)
    }

    /// How many bytes the client has announced.
    pub fn announced(&self) -> Option<u64> {
        self.announced
    }

    /// The next piece; each is given once.
    ///
    /// # Errors
    /// [`Broken`] where no more comes although the body has not ended.
    pub async fn next(&self) -> Drawn {
        let (wish, granted) = oneshot::channel();
        self.wishes.send(wish).await.map_err(|_| Broken)?;
        granted.await.map_err(|_| Broken)?
    }
}
