//! Nobody takes what is written on standard error: H24.

use crate::harness::CHEAP;
use crate::hazards::watch::withstands;
use crate::process::{Server, gatekey_by, status};

#[test]
fn a_standard_error_that_takes_nothing_ends_nothing_h24() {
    let closed = "exec 2>&-";
    let full = "exec 2>/dev/full";
    // A pipe whose reader has gone: whoever opens it for both is the reader for as long as it takes to open it.
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
