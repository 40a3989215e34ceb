//! Server on tiny_http: a few threads that receive, dispatch and respond.
//!
//! Read this server first, and embed it for trusted clients. **It is not for an open network.** tiny_http
//! 0.12 reads requests without limits or deadlines, and these faults can't be fixed from outside the crate:
//!
//! | what a client does | what happens |
//! |---|---|
//! | `Content-Length: 40000000000` without a body | the process aborts when it allocates that memory |
//! | `Content-Length` over 2^63 | a thread of this server panics and is not replaced |
//! | `GET / HTTP/2.0` | a thread and two descriptors leak, without a response |
//! | descriptors run out while accepting | the server stops accepting |
//! | several connections opened at once, some of them silent | a request may wait until a silent connection ends |
//!
//! The engine (`engine/`) is for an open network.

use super::{Handler, Shutdown};
use crate::client::Client;
use crate::clock;
use crate::http::{Body, KeepAlive, MAX_BODY_BYTES, Request, Response};
use crate::routes;
use core::error::Error;
use core::time::Duration;
use std::io::{self, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, mpsc};
use std::thread;

/// Worker threads, one request each: as many as tiny_http has for reading requests.
pub const WORKERS: usize = 4;
/// Workers that may hash or wait for a hash ([`crate::hashing::Hasher::with_max_requests`]); the others keep
/// checking tokens.
pub const MAX_HASHING: usize = WORKERS - 2;
/// The timeout of a graceful shutdown.
const DRAIN: Duration = Duration::from_secs(10);

/// Serves until the shutdown is requested, then waits up to 10 s for requests in progress.
///
/// # Errors
/// The system has no thread, or the listener is unusable.
pub fn run(
    listener: TcpListener,
    handler: &Arc<Handler>,
    shutdown: &Shutdown,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let server = Arc::new(tiny_http::Server::from_listener(listener, None)?);
    let (finished, all_finished) = mpsc::channel::<()>();
    for number in 1..=WORKERS {
        let (server, handler, finished) = (server.clone(), handler.clone(), finished.clone());
        thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
            work(&server, &*handler);
            drop(handler); // before the end of this worker is signalled, so that its references are dropped by then
            drop(finished);
        })?;
    }
    drop(finished);
    shutdown.wait();
    for _ in 1..=WORKERS {
        server.unblock(); // wakes one worker, or the next that receives
    }
    // No message is sent: the channel disconnects when every worker has ended.
    let _ = all_finished.recv_timeout(DRAIN);
    Ok(())
}

/// The loop of a worker: receive, dispatch, respond, until unblocked.
fn work(server: &tiny_http::Server, handler: &Handler) {
    while let Ok(mut received) = server.recv() {
        // An incomplete request is dropped with its connection.
        let Ok(request) = read(&mut received) else { continue };
        let response = super::catch_panic(|| handler(&request)).unwrap_or_else(routes::panicked);
        let _ = respond(received, &request, &response); // fails if the client has disconnected
    }
}

/// Converts the request. A body over the limit stays unread.
fn read(received: &mut tiny_http::Request) -> io::Result<Request> {
    let mut request = Request::new(received.method().as_str(), received.url());
    for header in received.headers() {
        request = request.with_header(header.field.as_str().as_str(), header.value.as_bytes());
    }
    if let Some(address) = received.remote_addr() {
        request = request.from_peer(Client::at(address.ip()));
    }
    let body = read_body(received)?;
    Ok(request.with_body(body))
}

/// The limit is not configurable here.
const TOO_LARGE: Body = Body::TooLarge { max_bytes: MAX_BODY_BYTES };

fn read_body(received: &mut tiny_http::Request) -> io::Result<Body> {
    if received.body_length().is_some_and(|length| length > MAX_BODY_BYTES) {
        return Ok(TOO_LARGE);
    }
    let mut body = Vec::new();
    // A chunked body has no declared length: one byte over the limit is enough to reject it.
    received.as_reader().take(MAX_BODY_BYTES as u64 + 1).read_to_end(&mut body)?;
    Ok(if body.len() > MAX_BODY_BYTES { TOO_LARGE } else { Body::Complete(body) })
}

fn respond(received: tiny_http::Request, request: &Request, response: &Response) -> io::Result<()> {
    if request.body == TOO_LARGE {
        // tiny_http drains an unread body when the request is dropped, which waits for the client. Its own
        // `respond` sends the response before that.
        return received.respond(as_tiny_http(response));
    }
    // Encoded here: tiny_http adds Content-Length to a 204, and panics on `TE: a;q=nan`.
    let bytes = response.encode(request.method == "HEAD", clock::unix(), keep_alive(&received));
    let mut writer = received.into_writer();
    writer.write_all(&bytes)?;
    writer.flush()
}

/// What tiny_http will do with the connection, for the `Connection` header.
fn keep_alive(received: &tiny_http::Request) -> KeepAlive {
    let connection = received.headers().iter().find(|header| header.field.equiv("Connection"));
    let options = connection.map(|header| header.value.as_str().to_ascii_lowercase()).unwrap_or_default();
    let is_http_1_0 = *received.http_version() <= (1, 0);
    if options.contains("close") || options.contains("upgrade") {
        KeepAlive::Close
    } else if is_http_1_0 && options.contains("keep-alive") {
        KeepAlive::Explicit
    } else if is_http_1_0 {
        KeepAlive::Close
    } else {
        KeepAlive::Default
    }
}

fn as_tiny_http(response: &Response) -> tiny_http::Response<&[u8]> {
    let own = response.headers.iter().map(|(name, value)| (*name, value.as_ref()));
    let headers = Response::COMMON_HEADERS
        .into_iter()
        .chain(own)
        .filter_map(|(name, value)| tiny_http::Header::from_bytes(name, value).ok());
    let length = response.body.len();
    tiny_http::Response::new(
        response.status.into(),
        headers.collect(),
        response.body.as_slice(),
        Some(length),
        None,
    )
}
