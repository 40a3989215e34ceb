//! Admission and eviction, with clients of many addresses, over socket pairs.

use super::*;
use crate::clock;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;

/// A registry with connections, and their clients' ends.
struct Crowd {
    registry: Registry,
    now: Instant,
    connections: Vec<(Arc<Entry>, UnixStream)>,
}

impl Crowd {
    fn new(limits: Limits, proxies: &[&str]) -> Self {
        let proxies = proxies.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
        let now = clock::monotonic();
        let registry = Registry::new(limits, proxies.into_iter().collect(), now);
        Self { registry, now, connections: Vec::new() }
    }

    /// Connects a second after the previous client; then sets the activity. False if it was rejected.
    fn admit(&mut self, peer: &str, activity: Activity) -> bool {
        self.now += Duration::from_secs(1);
        let (stream, other_end) = UnixStream::pair().unwrap();
        let peer = if peer == "unix" { Client::Local } else { Client::Ip(peer.parse().unwrap()) };
        let admitted = self.registry.admit(Stream::Unix(stream), peer, self.now);
        let Ok(entry) = admitted else { return false };
        assert!(entry.change_activity(Activity::Silent, activity, self.registry.millis(self.now)));
        other_end.set_nonblocking(true).unwrap();
        self.connections.push((entry, other_end));
        true
    }

    /// Closes the connections that were evicted since the last call, and returns their numbers.
    fn take_evicted(&mut self) -> Vec<usize> {
        let is_evicted = |(entry, _): &&(Arc<Entry>, UnixStream)| entry.activity() == Activity::Evicted as u8;
        let here =
            |entry: &Arc<Entry>| self.registry.lock().all.iter().any(|other| Arc::ptr_eq(entry, other));
        let evicted =
            self.connections.iter().enumerate().filter(|(_, pair)| is_evicted(pair) && here(&pair.0));
        let mut numbers = Vec::new();
        for (number, (entry, other_end)) in evicted {
            let mut end = other_end;
            assert_eq!(end.read(&mut [0; 1]).unwrap(), 0, "its client sees the close");
            self.registry.remove(entry);
            numbers.push(number);
        }
        numbers
    }
}

fn limits(max_connections: usize, max_connections_per_address: usize) -> Limits {
    Limits { max_connections, max_connections_per_address, ..Limits::default() }
}

#[test]
fn an_address_that_has_all_connections_does_not_block_other_addresses() {
    let mut crowd = Crowd::new(limits(8, 8), &[]);
    for _ in 0..8 {
        assert!(crowd.admit("192.0.2.1", Activity::Idle));
    }
    // A new client evicts a connection of the address with the most, and is never evicted itself.
    for number in 0..100 {
        assert!(crowd.admit(&format!("198.51.100.{}", number % 3), Activity::Idle));
        let left = crowd.take_evicted();
        assert_eq!(left.len(), 1);
    }
    let of = |address: &str| {
        let prefix = Client::Ip(address.parse().unwrap()).prefix();
        crowd.registry.lock().all.iter().filter(|entry| entry.prefix == prefix).count()
    };
    for address in ["192.0.2.1", "198.51.100.0", "198.51.100.1", "198.51.100.2"] {
        assert!((1..=3).contains(&of(address)), "{address} has {}", of(address));
    }
}

#[test]
fn an_address_never_exceeds_its_limit() {
    let mut crowd = Crowd::new(limits(256, 64), &[]);
    assert!(crowd.admit("198.51.100.1", Activity::PartialHead));
    for number in 0..10_000_u32 {
        // The addresses of an IPv6 /64 count as one.
        assert!(crowd.admit(&format!("2001:db8::{:x}", number % 0xffff), Activity::Idle));
        let left = crowd.take_evicted();
        assert_eq!(left.len(), usize::from(number >= 64), "{number}: {left:?}");
        assert!(!left.contains(&0), "another address was evicted");
        crowd.connections.retain(|(entry, _)| entry.activity() != Activity::Evicted as u8);
        assert!(crowd.registry.lock().all.len() <= 65);
    }
}

#[test]
fn an_address_at_its_limit_is_rejected_while_all_its_requests_are_in_progress() {
    let mut crowd = Crowd::new(limits(4, 2), &[]);
    assert!(crowd.admit("192.0.2.1", Activity::Working));
    assert!(crowd.admit("192.0.2.1", Activity::Working));
    assert!(!crowd.admit("192.0.2.1", Activity::Working));
    assert!(crowd.admit("192.0.2.2", Activity::Working));
    assert!(crowd.admit("192.0.2.3", Activity::Working));
    assert!(!crowd.admit("192.0.2.4", Activity::Working), "no connection can be evicted");
    assert_eq!(crowd.take_evicted(), [0; 0]);
}

#[test]
fn this_machine_and_trusted_proxies_are_exempt_from_the_limit_per_address() {
    let more_than_two = |exempts_local: bool, peer: &str| {
        let mut crowd = Crowd::new(Limits { exempts_local, ..limits(16, 2) }, &["10.0.0.0/8", "127.0.0.9"]);
        (0..3).all(|_| crowd.admit(peer, Activity::Working))
    };
    for (peer, by_default, by_option) in [
        ("10.0.0.1", true, true),
        ("::ffff:10.0.0.1", true, true),
        ("127.0.0.9", true, true),
        ("127.0.0.1", true, false),
        ("::1", true, false),
        ("unix", true, false),
        ("192.0.2.1", false, false),
    ] {
        assert_eq!(more_than_two(true, peer), by_default, "{peer}");
        assert_eq!(more_than_two(false, peer), by_option, "{peer}");
    }
}

#[test]
fn connections_of_a_trusted_proxy_are_evicted_last() {
    let mut crowd = Crowd::new(limits(6, 6), &["10.0.0.1"]);
    for (peer, activity) in [
        ("10.0.0.1", Activity::PartialHead),
        ("10.0.0.1", Activity::Idle),
        ("10.0.0.1", Activity::Idle),
        ("192.0.2.1", Activity::Idle),
        ("192.0.2.2", Activity::Silent),
        ("192.0.2.3", Activity::Working),
    ] {
        assert!(crowd.admit(peer, activity), "{peer}");
    }
    for expected in [4, 3, 0, 1] {
        assert!(crowd.admit("198.51.100.1", Activity::Working));
        assert_eq!(crowd.take_evicted(), [expected]);
    }
}

#[test]
fn an_incomplete_body_is_evicted_only_after_its_grace_period() {
    let mut crowd = Crowd::new(limits(1, 1), &[]);
    assert!(crowd.admit("192.0.2.1", Activity::PartialBody));
    let (stream, _other_end) = UnixStream::pair().unwrap();
    let newcomer = Client::Ip("192.0.2.2".parse().unwrap());
    let early = crowd.now + BODY_GRACE.saturating_sub(Duration::from_millis(1));
    let rejected = crowd.registry.admit(Stream::Unix(stream), newcomer, early);
    let Err(stream) = rejected else { panic!("evicted within the grace period") };
    assert!(crowd.registry.admit(stream, newcomer, crowd.now + BODY_GRACE).is_ok());
    assert_eq!(crowd.take_evicted(), [0]);
}

#[test]
fn only_a_few_evicted_connections_are_open_at_once() {
    let mut crowd = Crowd::new(limits(4, 4), &[]);
    for number in 0..4 + MAX_CLOSING {
        assert!(crowd.admit(&format!("192.0.2.{number}"), Activity::Idle));
    }
    assert!(!crowd.admit("198.51.100.1", Activity::Idle), "none was closed meanwhile");
    assert_eq!(crowd.take_evicted().len(), MAX_CLOSING, "a rejected client evicts nothing");
    assert!(crowd.admit("198.51.100.1", Activity::Idle));
    assert_eq!(crowd.take_evicted().len(), 1);
}

#[test]
fn a_stalled_event_loop_delays_one_new_client_and_no_later_one() {
    let mut crowd = Crowd::new(limits(1, 1), &[]);
    for number in 0..=MAX_CLOSING {
        assert!(crowd.admit(&format!("192.0.2.{number}"), Activity::Idle));
    }
    let (rejected, all_rejected) = mpsc::channel();
    thread::spawn(move || {
        // With a delay of a second each, these would exceed the deadline below.
        for _ in 0..1_000 {
            assert!(!crowd.admit("198.51.100.1", Activity::Idle));
        }
        rejected.send(crowd).unwrap();
    });
    let mut crowd = all_rejected.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(crowd.take_evicted().len(), MAX_CLOSING);
    assert!(crowd.admit("198.51.100.1", Activity::Idle), "as soon as one is closed");
}

#[test]
fn the_drains_of_two_listeners_share_one_deadline() {
    let mut crowds = [0, 1].map(|_| Crowd::new(limits(1, 1), &[]));
    for crowd in &mut crowds {
        assert!(crowd.admit("192.0.2.1", Activity::Working));
    }
    // It has passed, so neither waits.
    let deadline = clock::monotonic();
    for crowd in &mut crowds {
        crowd.registry.drain(deadline);
        assert_eq!(crowd.connections[0].1.read(&mut [0; 1]).unwrap(), 0, "its client sees the close");
    }
}
