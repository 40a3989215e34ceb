//! Who comes in numbers: H4, H5, H21.

use super::watch::{GET, SetAtEnd, ask, await_that, quiet, read_all, read_one, threads_named, withstands};
use crate::harness::CHEAP;
use crate::process::{Server, body, gatekey_with_descriptors, header, status};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

// Of this file's hazards the tiny_http server withstands none: it stops accepting for good when descriptors
// have run out (H4), serves four connections at a time (H5), and has a thread for each, however many there
// are (H21).

/// Connections that have had an answer each, and wait.
fn idle(server: &Server, count: usize) -> Vec<TcpStream> {
    let mut connections: Vec<_> = (0..count).map(|_| server.connect()).collect();
    for (number, connection) in connections.iter_mut().enumerate() {
        assert_eq!(ask(connection), Ok(200));
        if number == 0 {
            quiet(server); // a thread waits a moment after its answer has arrived; this one has waited longest
        }
    }
    quiet(server);
    connections
}

/// A server with a user, and with these options.
fn start(options: &[&str]) -> Server {
    let server = Server::start(options);
    assert_eq!(status(&server.register("ok", "python")), 201);
    quiet(&server);
    server
}

#[test]
fn descriptors_are_never_used_up_h4() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let options = ["--scrypt", CHEAP, "--event-loops", "2"];
    let server = Server::start_as(gatekey_with_descriptors(96), data, &options);
    withstands(&server, |server| {
        let mut held = Vec::new();
        for number in 0..200 {
            let mut connection = server.connect();
            // The idle ones stay fewer than the places, so that the silent ones yield and not the good
            // client.
            if number % 20 == 0 {
                assert_eq!(ask(&mut connection), Ok(200), "connection {number}");
            }
            held.push(connection);
        }
    });
    let (_, log) = server.stop();
    let notice = "serving 32 connections at once, not 256: this process may open 96 descriptors (ulimit -n)";
    assert!(log.contains(notice), "{log}");
}

#[test]
fn each_event_loop_has_descriptors_reserved_whether_their_number_is_given_or_not_h4() {
    let cores = thread::available_parallelism().map_or(2, NonZeroUsize::get).max(2);
    let given = cores.to_string();
    for options in [&["--scrypt", CHEAP][..], &["--scrypt", CHEAP, "--event-loops", &given]] {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::start_as(gatekey_with_descriptors(200), directory.path().join("data"), options);
        let left = 200_usize.saturating_sub(54 + 5 * cores).max(1);
        let notice = format!("serving {left} connections at once, not 256");
        assert!(await_that(|| server.log().contains(&notice)), "{}", server.log());
    }
}

#[test]
fn newcomers_wait_until_those_who_make_room_for_them_are_gone_h4() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let options = ["--scrypt", CHEAP, "--event-loops", "2"];
    let server = Server::start_as(gatekey_with_descriptors(96), data, &options);
    assert_eq!(status(&server.register("ok", "python")), 201);
    let descriptors = || fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
    let (is_over, most) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Acquire) {
                most.fetch_max(descriptors(), Ordering::AcqRel);
            }
        });
        let _ending = SetAtEnd(&is_over);
        let mut held = Vec::new();
        for _ in 0..5 {
            // All of them are at the door at once, and each takes another's place.
            server.signal("STOP");
            held.extend((0..40).map(|_| server.connect()));
            server.signal("CONT");
            assert_eq!(ask(held.last_mut().unwrap()), Ok(200));
        }
    });
    let most = most.into_inner();
    assert!((32..64).contains(&most), "{most} descriptors at once");
}

#[test]
fn a_hundred_connections_are_all_served_h5() {
    withstands(&Server::start(&[]), |server| {
        let mut connections: Vec<_> = (0..100).map(|_| server.connect()).collect();
        for round in 0..3 {
            for connection in &mut connections {
                connection.write_all(GET).unwrap();
            }
            // The last one first: no client waits for another.
            for connection in connections.iter_mut().rev() {
                assert_eq!(read_one(connection).map(|answer| status(&answer)), Ok(200), "round {round}");
            }
        }
    });
}

#[test]
fn a_thousand_connections_opened_and_dropped_leave_nothing_h21() {
    withstands(&Server::start(&[]), |server| {
        for number in 0..1_000 {
            let mut connection = server.connect();
            if number % 4 == 0 {
                assert_eq!(ask(&mut connection), Ok(200));
            }
        }
    });
}

#[test]
fn a_thousand_idle_connections_keep_no_newcomer_out_h21() {
    withstands(&Server::start(&["--max-connections", "64"]), |server| {
        let mut held = Vec::new();
        for number in 0..1_000 {
            let mut connection = server.connect();
            // The idle ones stay fewer than the places, so that the others yield and not the good client.
            match number % 25 {
                0 => assert_eq!(ask(&mut connection), Ok(200), "connection {number}"),
                1..=12 => connection.write_all(b"GET /api").unwrap(),
                _ => {}
            }
            held.push(connection);
        }
    });
}

#[test]
fn a_newcomer_takes_the_place_of_whoever_waits_longest_h21() {
    let server = start(&["--max-connections", "16"]);
    let mut crowd = idle(&server, 16);
    let mut newcomer = server.connect();
    assert_eq!(ask(&mut newcomer), Ok(200));
    assert_eq!(read_all(&mut crowd[0]), "", "closed without a word");
    for connection in &mut crowd[1..] {
        assert_eq!(ask(connection), Ok(200));
    }
    assert_eq!(ask(&mut newcomer), Ok(200));
}

#[test]
fn half_a_head_makes_room_before_silence_and_silence_before_the_idle_h21() {
    let server = start(&["--max-connections", "16"]);
    let mut crowd = idle(&server, 12);
    let mut silent: Vec<_> = (0..2).map(|_| server.connect()).collect();
    let mut halves: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for half in &mut halves {
        half.write_all(b"GET /api/users/1 HTTP/1.1\r\nHost:").unwrap();
        quiet(&server); // this one has waited longer than the next
    }
    let mut newcomers = Vec::new();
    for yielding in halves.iter_mut().chain(&mut silent).chain(crowd.iter_mut().take(1)) {
        let mut newcomer = server.connect();
        assert_eq!(ask(&mut newcomer), Ok(200));
        assert_eq!(read_all(yielding), "");
        quiet(&server);
        newcomers.push(newcomer);
    }
    for connection in crowd[1..].iter_mut().chain(&mut newcomers) {
        assert_eq!(ask(connection), Ok(200));
    }
}

/// A registration whose body is waited for: its head is read, so that it counts as work.
fn begin_registration(server: &Server, name: &str) -> (TcpStream, String) {
    let json = format!(r#"{{"username":"{name}","password":"python"}}"#);
    let mut connection = server.connect();
    let head = format!(
        "POST /api/users HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n\
         Content-Length: {}\r\n\r\n",
        json.len()
    );
    connection.write_all(head.as_bytes()).unwrap();
    assert_eq!(read_one(&mut connection).unwrap(), "HTTP/1.1 100 Continue\r\n\r\n");
    (connection, json)
}

#[test]
fn who_is_being_answered_is_never_cut_and_the_newcomer_is_told_h21() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    // A hash takes longer than turning three newcomers away, however many cores there are. There is a slot
    // for each, so that no request waits in the queue: after five seconds, on a busy machine, it would be
    // answered 503.
    let slow = ["--scrypt", "ln=13,r=8,p=16", "--hash-slots", "16", "--max-connections", "16"];
    let server = Server::start_in(data, &slow);
    let mut working: Vec<_> =
        (0..16).map(|number| begin_registration(&server, &format!("user {number}"))).collect();
    for (connection, json) in &mut working {
        connection.write_all(json.as_bytes()).unwrap();
    }
    // Until then some may still be reading a body, and a connection that reads one for a second is evicted.
    assert!(await_that(|| threads_named(&server, "hash") == 16), "all of them are being answered");
    for _ in 0..3 {
        // The request is there before the server looks: closing over it must not reset the connection, which
        // would take the answer along.
        server.signal("STOP");
        let mut newcomer = server.connect();
        newcomer.write_all(GET).unwrap();
        server.signal("CONT");
        let mut answer = String::new();
        newcomer.read_to_string(&mut answer).unwrap();
        assert_eq!(status(&answer), 503, "{answer}");
        assert_eq!(header(&answer, "Retry-After"), Some("1"));
        assert_eq!(header(&answer, "Connection"), Some("close"));
        assert!(body(&answer).starts_with(r#"{"error":"busy""#), "{answer}");
    }
    for (connection, json) in &mut working {
        let answer = read_one(connection).unwrap_or_else(|error| panic!("{json}: {error}"));
        assert_eq!(status(&answer), 201, "{json}");
    }
    // As soon as they are idle, there is room.
    quiet(&server);
    assert_eq!(ask(&mut server.connect()), Ok(200));
}

#[test]
fn an_address_over_its_share_closes_its_own_longest_waiting_h21() {
    let server = start(&["--max-connections-per-address", "4"]);
    let mut crowd = idle(&server, 4);
    let mut fifth = server.connect();
    assert_eq!(ask(&mut fifth), Ok(200));
    assert_eq!(read_all(&mut crowd[0]), "");
    for connection in crowd[1..].iter_mut().chain([&mut fifth]) {
        assert_eq!(ask(connection), Ok(200));
    }
}

#[test]
fn a_burst_from_one_address_closes_no_more_than_it_must_h21() {
    for round in 0..5 {
        let server = start(&["--max-connections-per-address", "8"]);
        let mut crowd = idle(&server, 4);
        let mut halves: Vec<_> = (0..4).map(|_| server.connect()).collect();
        for half in &mut halves {
            half.write_all(b"GET").unwrap();
        }
        quiet(&server);
        // All at once: those that yield are still on their way out when the next comes.
        let mut burst: Vec<_> = (0..4).map(|_| server.connect()).collect();
        for half in &mut halves {
            assert_eq!(read_all(half), "");
        }
        for connection in crowd.iter_mut().chain(&mut burst) {
            assert_eq!(ask(connection), Ok(200), "round {round}");
        }
    }
}

#[test]
fn a_body_that_is_withheld_makes_room_after_a_while_h21() {
    let server = start(&["--max-connections", "8"]);
    let withheld: Vec<_> =
        (0..8).map(|number| begin_registration(&server, &format!("user {number}"))).collect();
    // Until then the newcomer is answered 503.
    assert!(await_that(|| status(&ask_once(&server)) == 200));
    let ended = withheld.iter().filter(|(connection, _)| {
        connection.set_nonblocking(true).unwrap();
        matches!((&*connection).read(&mut [0; 1]), Ok(0))
    });
    assert_eq!(ended.count(), 1, "the one that has waited longest, and no other");
}

/// One request on a connection of its own, which may be turned away.
fn ask_once(server: &Server) -> String {
    let mut connection = server.connect();
    let _ = connection.write_all(b"GET /api/users/1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    read_all(&mut connection)
}

#[test]
fn an_address_whose_connections_all_work_gets_no_more_h21() {
    let server = start(&["--max-connections-per-address", "2"]);
    let mut working: Vec<_> = ["a", "b"].map(|name| begin_registration(&server, name)).into();
    assert_eq!(status(&read_all(&mut server.connect())), 503);
    for (connection, json) in &mut working {
        connection.write_all(json.as_bytes()).unwrap();
        assert_eq!(read_one(connection).map(|answer| status(&answer)), Ok(201));
    }
    drop(working);
    assert!(await_that(|| ask(&mut server.connect()) == Ok(200)));
}

#[test]
fn an_address_without_end_keeps_no_other_one_out_h21() {
    const CROWD: [u8; 4] = [127, 0, 0, 2];
    const OTHER: [u8; 4] = [127, 0, 0, 3];
    let server = start(&["--max-connections", "16", "--max-connections-per-address", "12"]);
    let mut other: Vec<_> = (0..4).map(|_| server.connect_from(OTHER)).collect();
    for connection in &mut other {
        assert_eq!(ask(connection), Ok(200));
    }
    let mut crowd = Vec::new();
    for number in 0..100 {
        let mut connection = server.connect_from(CROWD);
        assert_eq!(ask(&mut connection), Ok(200), "connection {number}");
        quiet(&server); // this one has waited longer than the next
        crowd.push(connection);
        if number >= 12 {
            assert_eq!(read_all(&mut crowd[number - 12]), "", "its own, the one that has waited longest");
        }
    }
    // The first of the other's have waited longer than any of the crowd.
    for connection in &mut other {
        assert_eq!(ask(connection), Ok(200));
    }
    // All places are taken, and a newcomer gets one of those who have most.
    let mut newcomer = server.connect_from(OTHER);
    assert_eq!(ask(&mut newcomer), Ok(200));
    assert_eq!(read_all(&mut crowd[88]), "");
    for connection in other.iter_mut().chain([&mut newcomer]).chain(&mut crowd[89..]) {
        assert_eq!(ask(connection), Ok(200));
    }
}
