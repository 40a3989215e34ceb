//! A complete request.

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
    /// The method as sent: it is case-sensitive (RFC 9110 section 9.1).
    pub method: String,
    /// The target up to the first `?`, not decoded.
    pub path: String,
    /// What follows the `?`. Never logged: it may contain secrets.
    pub query: Option<String>,
    /// The address at the other end of the connection: the client's, or a proxy's.
    pub peer: Client,
    /// The body.
    pub body: Body,
    headers: Vec<(String, Vec<u8>)>,
}

/// The body of a request.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// The complete body, which may be empty.
    Complete(Vec<u8>),
    /// The body exceeds the limit and was not read to its end.
    TooLarge {
        /// The limit.
        max_bytes: usize,
    },
}

/// Prints the length only: the body may contain a password.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete(bytes) => write!(f, "Complete({} bytes)", bytes.len()),
            Self::TooLarge { max_bytes } => write!(f, "TooLarge(over {max_bytes} bytes)"),
        }
    }
}

impl Request {
    /// A request for a target (path, optionally `?` and query) from [`Client::Local`], without headers or
    /// body.
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

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.into(), value.as_ref().into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(self, body: Body) -> Self {
        Self { body, ..self }
    }

    /// Sets the peer.
    #[must_use]
    pub fn from_peer(self, peer: Client) -> Self {
        Self { peer, ..self }
    }

    /// The values of all headers with this name, in the order sent. Names are compared case-insensitively.
    pub fn headers<'a>(&'a self, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    /// The names of all headers, as sent.
    pub fn header_names(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|(name, _)| name.as_str())
    }

    /// The value of the header with this name; `None` if it is missing or repeated.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.headers(name);
        match (values.next(), values.next()) {
            (Some(value), None) => Some(value),
            _ => None,
        }
    }
}
