//! A request that has arrived whole.

use crate::client::Client;
use core::fmt;

/// A request, as plain values.
///
/// ```
/// use gatekey::http::Request;
/// let request = Request::new("GET", "/api/resource?x=1").with_header("Authorization", "Basic YTpi");
/// assert_eq!(request.path, "/api/resource");
/// assert_eq!(request.header("authorization"), Some(&b"Basic YTpi"[..]));
/// ```
#[derive(Clone, Debug)]
pub struct Request {
    /// As sent; method names are case-sensitive (RFC 9110 section 9.1).
    pub method: String,
    /// The target up to its first `?`, nothing decoded.
    pub path: String,
    /// What follows that `?`. It may hold secrets: never logged.
    pub query: Option<String>,
    /// Who is at the other end of the connection: the client, or a proxy that speaks for it.
    pub peer: Client,
    /// What follows the head.
    pub body: Body,
    headers: Vec<(String, Vec<u8>)>,
}

/// A request's body, as far as it was read.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// All of it.
    Complete(Vec<u8>),
    /// It has more bytes than may be sent, and the rest was not read.
    TooLarge {
        /// So many may.
        max_bytes: usize,
    },
}

/// How long it is; what stands in it may be a password.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete(bytes) => write!(f, "Complete({} bytes)", bytes.len()),
            Self::TooLarge { max_bytes } => write!(f, "TooLarge(over {max_bytes} bytes)"),
        }
    }
}

impl Request {
    /// A request for this target (path, perhaps `?` and a query), from a local client, without headers or body.
    pub fn new(method: &str, target: &str) -> Self {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.into())),
            None => (target, None),
        };
        Self {
            method: method.into(),
            path: path.into(),
            query,
            peer: Client::Local,
            body: Body::Complete(Vec::new()),
            headers: Vec::new(),
        }
    }

    /// The same request with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.into(), value.as_ref().into()));
        self
    }

    /// The same request with this body.
    #[must_use]
    pub fn with_body(self, body: Body) -> Self {
        Self { body, ..self }
    }

    /// The same request, over a connection from this client.
    #[must_use]
    pub fn from_peer(self, peer: Client) -> Self {
        Self { peer, ..self }
    }

    /// The values of every header of this name, in the order sent. Names are compared without case.
    pub fn headers<'a>(&'a self, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    /// The name of every header, as sent, in the order sent.
    pub fn header_names(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|(name, _)| name.as_str())
    }

    /// The value of the header of this name, if there is exactly one.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.headers(name);
        match (values.next(), values.next()) {
            (Some(value), None) => Some(value),
            _ => None,
        }
    }
}
