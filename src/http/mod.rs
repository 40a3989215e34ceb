//! HTTP as plain values: a [`Request`] that has arrived, a [`Response`] that has not yet left. No sockets.
//!
//! A server loop makes the one and sends the other; a test does both by hand. What stands in the bytes of a
//! request (RFC 9112) is the loop's matter; what it means (RFC 9110) is [`crate::routes`]'.

mod audit;
mod error;
mod host;
mod request;
mod request_id;
mod response;

pub use audit::AuditEvent;
pub use error::ErrorCode;
pub use host::{is_valid_host, split_port};
pub use request::{Body, Request};
pub use request_id::{REQUEST_ID, RequestIds};
pub use response::{AccessRecord, AuthOutcome, AuthRecord, CredentialKind, KeepAlive, Response};

/// `*` stands for the server as a whole (RFC 9112 section 3.2.4).
pub const ASTERISK_MESSAGE: &str = "Only OPTIONS takes the target *; send a path.";

/// A body may have this many bytes. The longest one that makes sense is a name and a password, every character
/// of them escaped: about 13 KiB.
pub const MAX_BODY_BYTES: usize = 16 * 1024;
