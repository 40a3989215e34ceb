//! A panic in the service or its observer is a 500, or the end of one connection; no other connection is
//! affected.

use super::*;

const GET: &str = "GET / HTTP/1.0\r\n\r\n";

/// Panics in the call that the path names, and where it observes anything if that is wanted.
struct Panicking {
    observes: bool,
}

impl Service for Panicking {
    fn answer(&self, request: &Request, reads: Reads<'_>, _: Instant) -> Result<Response, WouldBlock> {
        assert_ne!(request.path, "/answer");
        if request.path.starts_with("/blocks") {
            reads.may_block()?;
        }
        assert_ne!(request.path, "/blocks-answer");
        Ok(Response::empty(204))
    }

    fn needs_body(&self, request: &Request) -> bool {
        assert_ne!(request.path, "/needs-body");
        true
    }

    fn may_hash(&self, request: &Request) -> bool {
        assert_ne!(request.path, "/blocks-may-hash");
        false
    }

    fn observe(&self, _: Event<'_>) {
        assert!(!self.observes);
    }
}

#[test]
fn a_panic_in_any_call_of_the_service_is_a_500_and_others_are_served() {
    for observes in [false, true] {
        serving_service(NonZeroUsize::new(1), Limits::default(), Panicking { observes }, |address, _| {
            let other = connect(address);
            for path in ["/answer", "/blocks-answer", "/blocks-may-hash", "/needs-body", "malformed"] {
                let mut stream = connect(address);
                write!(stream, "POST {path} HTTP/1.1\r\nHost: a\r\n").unwrap();
                let rest = if path == "/needs-body" { "Content-Length: 5\r\n\r\n" } else { "\r\n" };
                stream.write_all(rest.as_bytes()).unwrap();
                stream.shutdown(net::Shutdown::Write).unwrap();
                let expected = if path == "malformed" { b"400" } else { b"500" };
                assert_eq!(status(stream), expected, "{path}");
                ask_once_more(&other, "/");
                assert_204(&other);
                ask_once_more(&other, "/blocks");
                assert_204(&other);
            }
        });
    }
}

#[test]
fn a_500_after_a_panic_is_sent_once_and_only_to_an_unanswered_request() {
    let inbox = Arc::new(Inbox::new().unwrap());
    let (mut idle, mut client) = connected(&inbox, |_: &Request| Response::empty(204));
    assert!(matches!(idle.step(|_| panic!("as the test wants it")), Step::Close));
    drop(idle);
    assert_eq!(client.read_to_end(&mut Vec::new()).unwrap(), 0);
    let (mut answered, client) = dispatched(&inbox, |_: &Request| Response::empty(204), GET);
    let step = answered.step(|connection| connection.answer(Reads::PerCall));
    assert!(matches!(step, Step::Write));
    let step = answered.step(|connection| {
        let _ = connection.write(clock::monotonic());
        panic!("as the test wants it");
    });
    assert!(matches!(step, Step::Close));
    drop(answered);
    assert_eq!(status(client), b"204");
}
