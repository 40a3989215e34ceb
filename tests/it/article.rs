//! `examples/article.rs` answers the article's own transcript as the recorded original does.

#[allow(dead_code, reason = "its main serves for ever on port 5000")]
#[path = "../../examples/article.rs"]
mod example;

use crate::harness::{CHEAP, basic};
use crate::original::recorded;
use crate::process::{body, header, status};
use gatekey::json::{self, Value};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;

/// Starts the example on a free port. It runs until the test process ends.
fn start() -> (SocketAddr, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let realm = example::open_realm(directory.path(), CHEAP.parse().unwrap()).unwrap();
    let server = Arc::new(tiny_http::Server::http("127.0.0.1:0").unwrap());
    let address = server.server_addr().to_ip().unwrap();
    thread::spawn(move || example::serve(&server, &realm));
    (address, directory)
}

fn send(address: SocketAddr, line: &str, credentials: Option<(&str, &str)>, json: &str) -> String {
    let authorization = credentials
        .map_or(String::new(), |(name, password)| format!("Authorization: {}\r\n", basic(name, password)));
    let mut connection = TcpStream::connect(address).unwrap();
    write!(
        connection,
        "{line} HTTP/1.1\r\nHost: localhost\r\n{authorization}Connection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}",
        json.len()
    )
    .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

/// The body, with a token replaced by the number of its parts, since no two tokens are equal.
fn comparable(body: &str) -> Value {
    let Ok(mut object) = json::parse_object(body.as_bytes()) else { return body.into() };
    if let Some(token) = object.get_mut("token") {
        *token = token.as_str().unwrap().split('.').count().into();
    }
    object.into()
}

fn assert_is_recorded(name: &str, answer: &str) {
    let original = recorded(name);
    assert_eq!(status(answer), original.status, "{name}: {answer}");
    for common in ["Content-Type", "WWW-Authenticate"] {
        assert_eq!(header(answer, common), original.header(common), "{name}");
    }
    let path = |location: &str| location.split_once("/api/").unwrap().1.to_owned();
    assert_eq!(header(answer, "Location").map(path), original.header("Location").map(path), "{name}");
    // The original's page for a 400 is Werkzeug's; only its status is the article's.
    if original.status != 400 {
        assert_eq!(comparable(body(answer)), comparable(&original.body), "{name}");
    }
}

#[test]
fn the_articles_transcript_is_answered_as_the_original_answered_it() {
    let (address, _directory) = start();
    let user = r#"{"username":"miguel","password":"python"}"#;
    let send = |line, credentials, body| send(address, line, credentials, body);
    assert_is_recorded("register ok", &send("POST /api/users", None, user));
    assert_is_recorded("register dup", &send("POST /api/users", None, user));
    assert_is_recorded("missing password", &send("POST /api/users", None, r#"{"username":"nopw"}"#));
    assert_is_recorded("get user 1", &send("GET /api/users/1", None, ""));
    assert_is_recorded("get missing", &send("GET /api/users/999", None, ""));
    assert_is_recorded("resource ok", &send("GET /api/resource", Some(("miguel", "python")), ""));
    assert_is_recorded("resource bad pw", &send("GET /api/resource", Some(("miguel", "ruby")), ""));
    assert_is_recorded("resource unknown user", &send("GET /api/resource", Some(("susan", "ruby")), ""));
    let issued = send("GET /api/token", Some(("miguel", "python")), "");
    assert_is_recorded("token ok", &issued);
    let issued = json::parse_object(body(&issued).as_bytes()).unwrap();
    let token = issued["token"].as_str().unwrap();
    assert_is_recorded("resource by token", &send("GET /api/resource", Some((token, "unused")), ""));
    assert_is_recorded("token by token (renew)", &send("GET /api/token", Some((token, "unused")), ""));
    // A forged token costs the original a password check, and is refused as one.
    let forged = format!("{token}x");
    assert_is_recorded("resource bad pw", &send("GET /api/resource", Some((&forged, "unused")), ""));
}
