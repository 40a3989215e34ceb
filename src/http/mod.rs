//! HTTP requests and responses as plain values, without sockets.
//!
//! A server parses bytes (RFC 9112) into a [`Request`] and encodes the [`Response`]; [`crate::routes`] knows
//! what they mean (RFC 9110). Tests build both directly.

mod access_record;
mod error;
mod host;
mod request;
mod request_id;
mod response;

pub use access_record::{AccessRecord, AuditEvent, AuthOutcome, AuthRecord, CredentialKind};
pub use error::ErrorCode;
pub use host::{is_loopback_name, is_valid_host, split_port};
pub use request::{Body, Request};
pub use request_id::{REQUEST_ID, RequestIds};
pub use response::{KeepAlive, Response};

/// Message for the target `*`, which only `OPTIONS` may have (RFC 9112 section 3.2.4).
pub const ASTERISK_MESSAGE: &str = "Only OPTIONS takes the target *; send a path.";

/// The longest accepted body. A username and a password with every character escaped take about 13 KiB.
pub const MAX_BODY_BYTES: usize = 16 * 1024;
