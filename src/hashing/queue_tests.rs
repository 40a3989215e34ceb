//! The fair queue, without threads: requests are named, and come out in an order.

use super::*;

/// A queue whose wakers are the names of the requests.
fn queue(max: usize) -> Queue<String> {
    Queue::new(max)
}

fn stranger(address: u64) -> Turn {
    Turn { line: Line::Strangers, owner: address, source: address, is_capped: true }
}

/// This user at this address. Users are numbers from 1000 on.
fn known(user: u64, address: u64) -> Turn {
    Turn { line: Line::Known, owner: 1_000 + user, source: 1_000_000 * (1 + address) + user, is_capped: true }
}

/// All that waits, in the order in which it is served.
fn drain(queue: &mut Queue<String>) -> Vec<String> {
    core::iter::from_fn(|| queue.pop()).collect()
}

fn push(queue: &mut Queue<String>, turn: Turn, name: &str) -> bool {
    queue.push(turn, name.to_string()).is_ok()
}

#[test]
fn an_address_of_strangers_has_at_most_two_requests_in_the_queue() {
    let mut queue = queue(64);
    for (address, fits) in [(1, true), (1, true), (1, false), (2, true), (1, false), (2, true), (2, false)] {
        assert_eq!(push(&mut queue, stranger(address), "x"), fits, "{address}");
    }
    let local = Turn { is_capped: false, ..stranger(3) };
    assert!(
        (0..10).all(|_| push(&mut queue, local, "x")),
        "behind an undeclared proxy all share its address"
    );
}

#[test]
fn a_user_has_at_most_two_requests_over_all_addresses() {
    let mut queue = queue(64);
    assert!(push(&mut queue, known(1, 1), "first") && push(&mut queue, known(1, 2), "second"));
    assert!(!push(&mut queue, known(1, 1), "third") && !push(&mut queue, known(1, 2), "third"));
    assert_eq!(queue.len(), 2);
    assert!(push(&mut queue, known(2, 1), "another user at the same address"));
}

#[test]
fn eight_logins_of_a_neighbour_leave_a_user_at_the_same_address_the_next_turn() {
    let mut queue = queue(64);
    queue.serve(known(1, 1));
    let fitting = (0..8).filter(|_| push(&mut queue, known(1, 1), "neighbour")).count();
    assert_eq!(fitting, 2);
    assert!(push(&mut queue, known(2, 1), "victim"));
    assert_eq!(drain(&mut queue), ["victim", "neighbour", "neighbour"]);
}

#[test]
fn thirty_three_addresses_with_accounts_of_their_own_leave_a_user_the_next_turn() {
    let mut queue = queue(64);
    for attacker in 0..33 {
        queue.serve(known(attacker, attacker));
    }
    for number in 0..66 {
        push(&mut queue, known(number / 2, number / 2), "attacker");
    }
    assert_eq!(queue.len(), 64);
    assert!(push(&mut queue, known(99, 99), "victim"), "the line is full of users who were served later");
    assert_eq!(queue.len(), 64, "one of them was displaced");
    assert_eq!(queue.pop().unwrap(), "victim");
}

#[test]
fn sixty_four_accounts_with_one_request_each_leave_a_user_the_next_turn() {
    let mut queue = queue(64);
    for attacker in 0..64 {
        queue.serve(known(attacker, attacker));
        assert!(push(&mut queue, known(attacker, attacker), "attacker"));
    }
    assert!(!push(&mut queue, known(63, 63), "attacker"), "no second request displaces a first one");
    assert!(push(&mut queue, known(99, 99), "victim"));
    assert!(!push(&mut queue, known(63, 63), "attacker"), "nor does the one that was displaced come back");
    assert_eq!(queue.pop().unwrap(), "victim");
}

#[test]
fn wrong_passwords_for_a_name_at_one_address_leave_its_user_a_place_at_another() {
    let mut queue = queue(64);
    queue.serve(known(1, 7));
    assert!(push(&mut queue, known(1, 7), "neighbour 1") && push(&mut queue, known(1, 7), "neighbour 2"));
    assert!(push(&mut queue, known(1, 8), "user at home"));
    assert_eq!(drain(&mut queue), ["user at home", "neighbour 1"]);

    // The same where neighbours at two addresses hold a place each.
    queue.serve(known(1, 7));
    queue.serve(known(1, 6));
    assert!(push(&mut queue, known(1, 7), "neighbour 1") && push(&mut queue, known(1, 6), "neighbour 2"));
    assert!(push(&mut queue, known(1, 9), "user at work"));
    assert_eq!(drain(&mut queue), ["user at work", "neighbour 1"]);
}

#[test]
fn strangers_and_known_users_take_turns_and_have_lines_of_their_own() {
    let mut queue = queue(2);
    assert!(push(&mut queue, stranger(1), "stranger 1") && push(&mut queue, stranger(2), "stranger 2"));
    assert!(
        !push(&mut queue, stranger(3), "stranger 3"),
        "the line is full and all are due at the same time"
    );
    assert!(push(&mut queue, known(1, 1), "known 1") && push(&mut queue, known(2, 2), "known 2"));
    assert!(!push(&mut queue, known(3, 3), "known 3"));
    assert_eq!(drain(&mut queue), ["known 1", "stranger 1", "known 2", "stranger 2"]);
}

#[test]
fn a_line_without_places_is_full() {
    let mut queue = queue(0);
    assert!(!push(&mut queue, known(1, 1), "x") && !push(&mut queue, stranger(1), "x"));
}

#[test]
fn a_withdrawn_request_is_not_served() {
    let mut queue = queue(64);
    let ticket = queue.push(known(1, 1), "withdrawn".into()).unwrap();
    assert!(push(&mut queue, stranger(1), "waits"));
    assert!(queue.withdraw(ticket));
    assert!(!queue.withdraw(ticket));
    assert_eq!(drain(&mut queue), ["waits"]);
}

#[test]
fn records_of_owners_are_bounded() {
    let mut queue = queue(64);
    for user in 0..10_000 {
        queue.serve(known(user, user));
        queue.serve(stranger(user));
    }
    for line in [&queue.known, &queue.strangers] {
        assert_eq!((line.records.last.len(), line.records.by_turn.len()), (MAX_RECORDS, MAX_RECORDS));
    }
    assert_eq!(queue.known.records.last(known(0, 0).owner), 0);
    assert_ne!(queue.known.records.last(known(9_999, 9_999).owner), 0);
}

/// A request is rejected or displaced only if the queue is full of requests by users served less recently. It waits
/// only for these.
#[test]
fn no_sequence_of_requests_rejects_the_least_recently_served_user() {
    const ATTACKERS: u64 = 20;
    const PLACES: usize = 8;
    for seed in 0..50 {
        let mut random = crate::tests::mutations::Random(seed);
        let mut queue = queue(PLACES);
        (0..ATTACKERS).for_each(|attacker| queue.serve(known(attacker, attacker)));
        let victim = known(99, 99);
        let (mut is_waiting, mut turns_waited, mut turns) = (false, 0, 0);
        for step in 0..2_000 {
            let context = format!("seed {seed}, step {step}");
            let attacker = random.next() % ATTACKERS;
            let turn = match random.below(4) {
                0 => stranger(attacker),
                1 => known(attacker, attacker),
                _ => known(attacker, attacker + 100 * (random.next() % 3)),
            };
            push(&mut queue, turn, "attacker");
            if !is_waiting && random.below(10) == 0 {
                (is_waiting, turns_waited) = (push(&mut queue, victim, "victim"), 0);
                assert!(is_waiting || is_full_of_earlier(&queue, victim), "{context}");
            }
            if is_waiting && !queue.known.entries.iter().any(|entry| entry.waker == "victim") {
                assert!(is_full_of_earlier(&queue, victim), "{context}");
                is_waiting = false;
            }
            if random.below(3) == 0 {
                if queue.pop().as_deref() == Some("victim") {
                    is_waiting = false;
                    turns += 1;
                } else if is_waiting {
                    turns_waited += 1;
                    // Each attacker at most once, and as many strangers.
                    assert!(turns_waited <= 2 * ATTACKERS, "{context}");
                }
            }
            assert!(queue.known.entries.len() <= PLACES && queue.strangers.entries.len() <= PLACES);
        }
        assert!(turns > 5, "seed {seed}: the victim was served {turns} times");
    }
}

/// Whether every place is an owner's who was served less recently than this one's.
fn is_full_of_earlier(queue: &Queue<String>, turn: Turn) -> bool {
    let last = queue.known.records.last(turn.owner);
    let is_earlier = |entry: &Entry<String>| queue.known.records.last(entry.turn.owner) <= last;
    queue.known.entries.len() == queue.known.max && queue.known.entries.iter().all(is_earlier)
}

#[test]
fn owners_are_served_in_turns_whatever_they_request() {
    let mut queue = queue(64);
    let mut served = vec![0; 4];
    // User 0 asks again as soon as there is a place; the others once a round.
    for _ in 0..40 {
        while push(&mut queue, known(0, 0), "0") {}
        for user in 1..4 {
            push(&mut queue, known(user, user), &format!("{user}"));
        }
        for _ in 0..4 {
            served[queue.pop().unwrap().parse::<usize>().unwrap()] += 1;
        }
    }
    assert!(served.iter().all(|served| (39..=41).contains(served)), "{served:?}");
}
