//! The acceptor: one thread that accepts connections at all listeners, admits them, and gives each to the event loop that has the
//! fewest.

use super::connection::Connection;
use super::inbox::{Inbox, Message};
use super::limits::READ_BYTES;
use super::service::Event;
use super::stream::{Listener, Stream};
use super::{Context, PAUSE};
use crate::client::Client;
use crate::clock;
use crate::http::{ErrorCode, KeepAlive, Response};
use crate::os::{self, Waker};
use crate::server::heartbeats::{Heartbeat, Heartbeats};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;

/// What the acceptor needs.
pub(super) struct Acceptor<'a> {
    pub(super) listeners: Vec<(Listener, Arc<Context>)>,
    pub(super) inboxes: &'a [Arc<Inbox<Connection>>],
    pub(super) heartbeat: Heartbeat,
}

impl Acceptor<'_> {
    /// Accepts until it is woken.
    ///
    /// By poll(2), which is level-triggered: where a new process takes over from an old one that shares its socket, both wait, and
    /// the one that comes second goes back to waiting.
    pub(super) fn run(&self, wake: &Waker) {
        let listeners = self.listeners.iter().map(|(listener, _)| listener.as_fd());
        let descriptors: Vec<_> = [wake.as_fd()].into_iter().chain(listeners).collect();
        loop {
            let ready = os::wait_to_read(&descriptors, Some(Heartbeats::EVERY));
            self.heartbeat.beat(clock::monotonic());
            let Ok(ready) = ready else {
                thread::sleep(PAUSE); // out of memory: that passes
                continue;
            };
            for position in ready {
                let Some(position) = position.checked_sub(1) else { return };
                self.listeners.get(position).into_iter().for_each(|(listener, context)| {
                    self.accept(listener, context);
                });
            }
        }
    }

    /// Accepts one connection, if there is one.
    fn accept(&self, listener: &Listener, context: &Arc<Context>) {
        match listener.accept() {
            Ok((stream, client)) => self.admit(stream, client, context),
            // Gone again, or never there.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionAborted) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Out of descriptors or memory: that passes, when a connection ends.
            Err(_) => thread::sleep(PAUSE),
        }
    }

    fn admit(&self, stream: Stream, client: Client, context: &Arc<Context>) {
        let now = clock::monotonic();
        let entry = match context.registry.admit(stream, client, now) {
            Ok(entry) => entry,
            Err(stream) => return turn_away(context, &stream, client),
        };
        let Some(inbox) = self.inboxes.iter().min_by_key(|inbox| inbox.connections()) else { return };
        let connection = Connection::new(context.clone(), entry, inbox.clone(), client, now);
        inbox.send(Message::Admitted(Box::new(connection)));
    }
}

/// All places are taken by requests that are being answered.
fn turn_away(context: &Context, stream: &Stream, client: Client) {
    let mut response = Response::error(ErrorCode::Busy, "All connections are taken; try again in a moment.")
        .with_header("Retry-After", "1");
    context.service.observe(Event::Refused(client, &mut response));
    let bytes = response.encode(false, clock::unix(), KeepAlive::Close);
    // The acceptor doesn't wait: the response is one small write into an empty buffer, and where even that fails, the
    // client sees the close alone. What has arrived of a request by now is received first, since closing over it would
    // send a reset, which takes the response along.
    let mut stream = stream;
    let _ = stream.read(&mut [0; READ_BYTES]);
    let _ = stream.write_all(&bytes);
}
