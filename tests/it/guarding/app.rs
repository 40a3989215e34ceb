//! The protected app: it records the requests that reach it, and can pass them to a CGI-style app.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What an app without a user to greet answers.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\napp";
/// A websocket that says one thing; clients here don't check `Sec-WebSocket-Accept`.
const SWITCHED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nopened";

/// The app's listener.
pub(super) struct App {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The heads of the requests, as they arrived.
    heads: Vec<String>,
    /// Who answers instead, given the same bytes.
    answers_instead: Option<SocketAddr>,
}

impl App {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::<Mutex<State>>::default());
        let shared = Arc::clone(&state);
        // It ends with the test's process.
        thread::spawn(move || {
            for connection in listener.incoming() {
                answer(connection.unwrap(), &shared);
            }
        });
        Self { address, state }
    }

    /// Lets another app answer from now on, given exactly the bytes that the proxy sent.
    pub(super) fn answer_by(&self, other: SocketAddr) {
        self.state.lock().unwrap().answers_instead = Some(other);
    }

    /// The last request's head, in lower case.
    pub(super) fn last_head(&self) -> String {
        self.state.lock().unwrap().heads.last().unwrap().to_lowercase()
    }

    pub(super) fn count(&self) -> usize {
        self.state.lock().unwrap().heads.len()
    }
}

fn answer(mut connection: TcpStream, state: &Mutex<State>) {
    let mut head = String::new();
    let mut lines = BufReader::new(&connection);
    while lines.read_line(&mut head).is_ok_and(|bytes| bytes > 2) {}
    let upgrades = head.to_lowercase().contains("\r\nupgrade: websocket\r\n");
    let mut answer = if upgrades { SWITCHED } else { ANSWER }.to_vec();
    let other = {
        let mut state = state.lock().unwrap();
        state.heads.push(head.clone());
        state.answers_instead
    };
    if let Some(other) = other {
        let mut other = TcpStream::connect(other).unwrap();
        other.write_all(head.as_bytes()).unwrap();
        answer.clear();
        other.read_to_end(&mut answer).unwrap();
    }
    // A client that is gone is no failure of the app's.
    let _ = connection.write_all(&answer);
}
