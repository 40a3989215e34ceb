//! Standard error fails or stalls: H24, H27.

use crate::harness::CHEAP;
use crate::hazards::watch::withstands;
use crate::process::{Server, gatekey_by, read_some, status};
use std::fs::File;
use std::io::{Read as _, Write as _};

#[test]
fn a_closed_standard_error_stops_nothing_h24() {
    let closed = "exec 2>&-";
    let full = "exec 2>/dev/full";
    // A pipe whose reader has gone: the process that opens it for both is the reader until it is open.
    let gone = "mkfifo \"${FIFO:?}\" && exec 3<>\"$FIFO\" 2>\"$FIFO\" && exec 3<&-";
    for redirection in [closed, full, gone] {
        for name in ["strict", "tiny-http"] {
            let directory = tempfile::tempdir().unwrap();
            let mut command = gatekey_by("sh", &["-c", &format!("{redirection}; exec \"$0\" \"$@\"")]);
            command.env("FIFO", directory.path().join("fifo"));
            let options = ["--scrypt", CHEAP, "--loop", name];
            let server = Server::start_as(command, directory.path().join("data"), &options);
            withstands(&server, |server| {
                assert_eq!(status(&server.register(name, "python")), 201);
                assert_eq!(server.login(name, "mistyped"), 401);
                server.signal("HUP"); // is answered by a notice
            });
            assert_eq!(server.stop(), (Some(0), String::new()), "{redirection}");
        }
    }
}

/// The reader of the log has stalled, as a full log collector does: the pipe is open and takes no more.
#[test]
fn a_stalled_log_reader_stops_nothing_and_dropped_lines_are_counted_h27() {
    const REQUESTS: usize = 6_000;
    for name in ["strict", "tiny-http"] {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        let script = "mkfifo \"${FIFO:?}\" && exec 3<>\"$FIFO\" 2>\"$FIFO\"; exec \"$0\" \"$@\"";
        let mut command = gatekey_by("sh", &["-c", script]);
        command.env("FIFO", &fifo);
        let options = ["--scrypt", CHEAP, "--loop", name];
        let server = Server::start_as(command, directory.path().join("data"), &options);
        let request = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(120));
        let mut connection = server.connect();
        for _ in 0..REQUESTS / 100 {
            connection.write_all(request.repeat(100).as_bytes()).unwrap();
            let (mut answers, mut bytes) = (0, [0; 16 * 1024]);
            while answers < 100 {
                let count = read_some(&mut connection, &mut bytes).unwrap();
                answers += String::from_utf8_lossy(&bytes[..count]).matches('}').count();
            }
        }
        assert_eq!(status(&server.register(name, "python")), 201);
        // It is read again.
        let mut log = File::open(&fifo).unwrap();
        let (mut text, mut bytes) = (String::new(), [0; 16 * 1024]);
        while !text.contains(" log lines were dropped, since standard error did not accept them\n") {
            let count = log.read(&mut bytes).unwrap();
            text += &String::from_utf8_lossy(&bytes[..count]);
        }
        let logged = text.matches(" 404 ").count();
        assert!((1..REQUESTS).contains(&logged), "{logged} of {REQUESTS}");
        assert_eq!(server.stop().0, Some(0));
    }
}
