//! Logins that crowd out another user's: H30.

use super::watch::SetAtEnd;
use crate::harness::basic;
use crate::process::{Server, status};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Where the victim is at home, and the other user, too.
const SHARED: &str = "192.0.2.1";
const AT_ONCE: usize = 8;

fn log_in(server: &Server, username: &str, password: &str) -> u16 {
    let authorization = format!("Authorization: {}", basic(username, password));
    let forwarded = format!("X-Forwarded-For: {SHARED}");
    status(&server.request("GET /api/resource", &[&authorization, &forwarded], ""))
}

#[test]
fn a_user_who_logs_in_without_a_break_does_not_keep_a_neighbour_from_logging_in_h30() {
    let many = ["--guesses-per-address", "--guesses-per-user", "--guesses-per-user-and-address"];
    let many = many.into_iter().flat_map(|option| [option, "100000/1s"]);
    let options =
        ["--trusted-proxy", "127.0.0.1", "--throttle", "on", "--hash-slots", "1", "--password-cache", "0"];
    let options: Vec<_> = options.into_iter().chain(many).chain(["--scrypt", "ln=12,r=8,p=1"]).collect();
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_in(directory.path().join("data"), &options);
    for username in ["victim", "hog"] {
        assert_eq!(status(&server.register(username, "python")), 201);
        assert_eq!(log_in(&server, username, "python"), 200, "the address is remembered");
    }
    let (is_over, attempts) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for number in 0..AT_ONCE {
            let (server, is_over, attempts) = (&server, &is_over, &attempts);
            scope.spawn(move || {
                // Each another password, since one hash serves for identical ones.
                for round in 0.. {
                    log_in(server, "hog", &format!("{number} {round}"));
                    attempts.fetch_add(1, Ordering::Relaxed);
                    if is_over.load(Ordering::Acquire) {
                        break;
                    }
                }
            });
        }
        let _ending = SetAtEnd(&is_over);
        while attempts.load(Ordering::Relaxed) < 2 * AT_ONCE {
            thread::yield_now();
        }
        for attempt in 0..10 {
            assert_eq!(log_in(&server, "victim", "python"), 200, "attempt {attempt}");
        }
    });
}
