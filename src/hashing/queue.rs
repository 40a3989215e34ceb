//! Fair queue of the hash pool: which request gets the next free slot, and which is rejected when the queue
//! is full.
//!
//! There are two lines, which take turns:
//!
//! | line | requests | owner of a request |
//! |---|---|---|
//! | known | logins at an address that the user has logged in from, and users whose password was just verified | the user |
//! | strangers | all others: other logins, registrations | the client address (IPv6: /64) |
//!
//! Within a line, the least recently served owner comes first; an owner without a record comes before all
//! others. An owner has at most [`MAX_PER_OWNER`] requests in it. In the known line, the addresses of one
//! user take turns in the same way, so that requests at one address don't hold up the user at another.
//!
//! If a line is full, a request that is due earlier displaces the one that would be served last: an owner's
//! second request before any owner's only one; among those, the one of the most recently served owner.
//!
//! So a user at a remembered address is rejected only while the known line is full of users none of whom was
//! served since. To keep it so takes more accounts than the line has records ([`MAX_RECORDS`]).
//!
//! This file doesn't wait or read a clock: `pool.rs` does.

use std::collections::BTreeMap;

/// Requests of one owner in a line.
const MAX_PER_OWNER: usize = 2;
/// Owners, and addresses of owners, whose last turn a line records; the oldest record is evicted.
const MAX_RECORDS: usize = 2048;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Known,
    Strangers,
}

/// Identifies the owner of a request, by keyed hashes: a client can't choose a collision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) line: Line,
    pub(super) owner: u64,
    /// The owner at one address; for a stranger, the same number again.
    pub(super) source: u64,
    /// Whether [`MAX_PER_OWNER`] applies. Not for strangers on this machine, since all clients of an
    /// undeclared proxy have its address; nor for a user whose password was just verified.
    pub(super) is_capped: bool,
}

/// All slots are taken and the queue has no place for this request, or no slot became free in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QueueFull;

/// The two lines. `W` wakes a waiting thread; it is dropped unused when its request is displaced.
pub(super) struct Queue<W> {
    known: Waiting<W>,
    strangers: Waiting<W>,
    next_ticket: u64,
    last_line: Line,
}

struct Waiting<W> {
    max: usize,
    entries: Vec<Entry<W>>,
    records: Records,
}

struct Entry<W> {
    turn: Turn,
    ticket: u64,
    waker: W,
}

impl<W> Queue<W> {
    pub(super) fn new(max: usize) -> Self {
        let line = || Waiting { max, entries: Vec::new(), records: Records::default() };
        Self { known: line(), strangers: line(), next_ticket: 0, last_line: Line::Strangers }
    }

    /// Records a request that didn't wait.
    pub(super) fn serve(&mut self, turn: Turn) {
        self.last_line = turn.line;
        self.line(turn.line).records.record(turn);
    }

    /// Adds a request, displacing one that is due later if the line is full. Returns its ticket.
    pub(super) fn push(&mut self, turn: Turn, waker: W) -> Result<u64, QueueFull> {
        let ticket = self.next_ticket;
        self.line(turn.line).push(Entry { turn, ticket, waker })?;
        self.next_ticket = ticket.wrapping_add(1);
        Ok(ticket)
    }

    /// Removes the next request.
    pub(super) fn pop(&mut self) -> Option<W> {
        let other = match self.last_line {
            Line::Known => Line::Strangers,
            Line::Strangers => Line::Known,
        };
        let entry = self.line(other).pop().or_else(|| self.line(self.last_line).pop())?;
        self.last_line = entry.turn.line;
        Some(entry.waker)
    }

    /// Removes a request; false if it was served or displaced.
    pub(super) fn withdraw(&mut self, ticket: u64) -> bool {
        [Line::Known, Line::Strangers].into_iter().any(|line| {
            let entries = &mut self.line(line).entries;
            let position = entries.iter().position(|entry| entry.ticket == ticket);
            position.map(|position| entries.remove(position)).is_some()
        })
    }

    pub(super) fn len(&self) -> usize {
        self.known.entries.len() + self.strangers.entries.len()
    }

    fn line(&mut self, line: Line) -> &mut Waiting<W> {
        match line {
            Line::Known => &mut self.known,
            Line::Strangers => &mut self.strangers,
        }
    }
}

impl<W> Waiting<W> {
    fn push(&mut self, entry: Entry<W>) -> Result<(), QueueFull> {
        let turn = entry.turn;
        let requests = self.count(|other| other.owner == turn.owner);
        if turn.is_capped && requests >= MAX_PER_OWNER {
            let own = self.last_of(turn.owner).ok_or(QueueFull)?;
            let newcomer = (self.count(|other| other.source == turn.source), self.records.last(turn.source));
            if newcomer >= self.due_in_owner(own) {
                return Err(QueueFull);
            }
            self.entries.remove(own);
        } else if self.entries.len() >= self.max {
            let latest = self.latest_owner().ok_or(QueueFull)?;
            if (requests, self.records.last(turn.owner)) >= self.due(latest) {
                return Err(QueueFull);
            }
            let last = self.last_of(latest).ok_or(QueueFull)?;
            self.entries.remove(last);
        }
        self.entries.push(entry);
        Ok(())
    }

    /// The least recently served owner's least recently served source's oldest request.
    fn pop(&mut self) -> Option<Entry<W>> {
        let due = |entry: &Entry<W>| {
            (self.records.last(entry.turn.owner), self.records.last(entry.turn.source), entry.ticket)
        };
        let (position, _) = self.entries.iter().enumerate().min_by_key(|(_, entry)| due(entry))?;
        let entry = self.entries.remove(position);
        self.records.record(entry.turn);
        Some(entry)
    }

    fn count(&self, matches: impl Fn(&Turn) -> bool) -> usize {
        self.entries.iter().filter(|entry| matches(&entry.turn)).count()
    }

    /// How late an owner's last request is due: the number of its requests before that one, and its last
    /// turn.
    fn due(&self, owner: u64) -> (usize, u64) {
        let requests = self.count(|turn| turn.owner == owner);
        (requests.saturating_sub(1), self.records.last(owner))
    }

    /// The owner whose last request is due last.
    fn latest_owner(&self) -> Option<u64> {
        let owners = self.entries.iter().map(|entry| entry.turn.owner);
        owners.max_by_key(|owner| self.due(*owner))
    }

    /// [`Self::due`] within one owner, for the source of the request at this position.
    fn due_in_owner(&self, position: usize) -> (usize, u64) {
        self.entries.get(position).map_or((0, 0), |entry| {
            let of_source = self.count(|turn| turn.source == entry.turn.source);
            (of_source.saturating_sub(1), self.records.last(entry.turn.source))
        })
    }

    /// Position of the owner's request that is due last.
    fn last_of(&self, owner: u64) -> Option<usize> {
        let own = self.entries.iter().enumerate().filter(|(_, entry)| entry.turn.owner == owner);
        own.max_by_key(|(position, entry)| (self.due_in_owner(*position), entry.ticket))
            .map(|(position, _)| position)
    }
}

/// LRU records: the last turn of each owner and source.
#[derive(Default)]
struct Records {
    /// Number of turns so far.
    turns: u64,
    last: BTreeMap<u64, u64>,
    /// The inverse of `last`.
    by_turn: BTreeMap<u64, u64>,
}

impl Records {
    /// The last turn; 0 without a record.
    fn last(&self, id: u64) -> u64 {
        self.last.get(&id).copied().unwrap_or(0)
    }

    fn record(&mut self, turn: Turn) {
        self.record_one(turn.owner);
        if turn.source != turn.owner {
            self.record_one(turn.source);
        }
    }

    fn record_one(&mut self, id: u64) {
        self.turns = self.turns.saturating_add(1);
        if let Some(earlier) = self.last.insert(id, self.turns) {
            self.by_turn.remove(&earlier);
        }
        self.by_turn.insert(self.turns, id);
        if self.last.len() > MAX_RECORDS
            && let Some((_, evicted)) = self.by_turn.pop_first()
        {
            self.last.remove(&evicted);
        }
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
