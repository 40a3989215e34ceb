//! Fair queue: who gets the next free hash slot, and who is rejected when the queue is full.
//!
//! There are two lines, and they take turns while both wait:
//!
//! | line | who waits in it | an owner of places is |
//! |---|---|---|
//! | known | logins at an address that the user has logged in from, and users whose password was just verified | the user |
//! | strangers | everyone else: other logins, registrations | the client address (IPv6: /64) |
//!
//! Within a line, the owner who was served longest ago comes first, and an owner without a record comes before all
//! others. An owner has at most [`MAX_PER_OWNER`] places. In the known line, the addresses of one user take turns in
//! the same way, so a neighbour at one of them doesn't hold up the user at another.
//!
//! A full line doesn't reject an owner who is due earlier than somebody in it. The newcomer then takes the place of the
//! request that would be served last: a second request of an owner before any owner's only one, and of several only
//! ones that of the owner who was served most recently.
//!
//! So a user at a remembered address is rejected only while the known line is full of others none of whom was served
//! since that user was. To keep a line like that full takes more accounts than the line has records ([`MAX_RECORDS`])
//! and a place for each of its requests.
//!
//! Nothing in here reads a clock or waits: `pool.rs` does.

use std::collections::BTreeMap;

/// Requests of one owner that may wait in a line.
const MAX_PER_OWNER: usize = 2;
/// Owners, and addresses of owners, whose last turn a line remembers; the one served longest ago is forgotten first.
const MAX_RECORDS: usize = 2048;

/// Which line a request waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Known,
    Strangers,
}

/// Whose turn a request takes. The numbers are keyed hashes: a client can't choose with whom to share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) line: Line,
    pub(super) owner: u64,
    /// The owner at one address; for a stranger, the same number again.
    pub(super) source: u64,
    /// Whether [`MAX_PER_OWNER`] holds. It doesn't for strangers on this machine, since behind a proxy that isn't declared
    /// everyone has its address, nor for a user whose password was just verified.
    pub(super) is_capped: bool,
}

/// The line is full of requests that are due before this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// The two lines. `W` is what wakes a waiting thread: it is dropped without use when its request is displaced.
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
    /// Lines of at most this length each.
    pub(super) fn new(max: usize) -> Self {
        let line = || Waiting { max, entries: Vec::new(), records: Records::default() };
        Self { known: line(), strangers: line(), next_ticket: 0, last_line: Line::Strangers }
    }

    /// Notes that a request was served without waiting.
    pub(super) fn serve(&mut self, turn: Turn) {
        self.last_line = turn.line;
        self.line(turn.line).records.note(turn);
    }

    /// Adds a request, in the place of one that is due later if need be. Returns its ticket.
    ///
    /// # Errors
    /// [`Full`].
    pub(super) fn push(&mut self, turn: Turn, waker: W) -> Result<u64, Full> {
        let ticket = self.next_ticket;
        self.line(turn.line).push(Entry { turn, ticket, waker })?;
        self.next_ticket = ticket.wrapping_add(1);
        Ok(ticket)
    }

    /// Takes the request whose turn it is.
    pub(super) fn pop(&mut self) -> Option<W> {
        let other = match self.last_line {
            Line::Known => Line::Strangers,
            Line::Strangers => Line::Known,
        };
        let entry = self.line(other).pop().or_else(|| self.line(self.last_line).pop())?;
        self.last_line = entry.turn.line;
        Some(entry.waker)
    }

    /// Takes a request out; false if it was served or displaced already.
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
    fn push(&mut self, entry: Entry<W>) -> Result<(), Full> {
        let turn = entry.turn;
        let requests = self.count(|other| other.owner == turn.owner);
        if turn.is_capped && requests >= MAX_PER_OWNER {
            let own = self.last_of(turn.owner).ok_or(Full)?;
            let newcomer = (self.count(|other| other.source == turn.source), self.records.last(turn.source));
            if newcomer >= self.due_in_owner(own) {
                return Err(Full);
            }
            self.entries.remove(own);
        } else if self.entries.len() >= self.max {
            let latest = self.latest_owner().ok_or(Full)?;
            if (requests, self.records.last(turn.owner)) >= self.due(latest) {
                return Err(Full);
            }
            let last = self.last_of(latest).ok_or(Full)?;
            self.entries.remove(last);
        }
        self.entries.push(entry);
        Ok(())
    }

    /// The owner served longest ago, of that owner the source served longest ago, of that source the oldest request.
    fn pop(&mut self) -> Option<Entry<W>> {
        let due = |entry: &Entry<W>| {
            (self.records.last(entry.turn.owner), self.records.last(entry.turn.source), entry.ticket)
        };
        let (position, _) = self.entries.iter().enumerate().min_by_key(|(_, entry)| due(entry))?;
        let entry = self.entries.remove(position);
        self.records.note(entry.turn);
        Some(entry)
    }

    fn count(&self, matches: impl Fn(&Turn) -> bool) -> usize {
        self.entries.iter().filter(|entry| matches(&entry.turn)).count()
    }

    /// How late an owner's last request is due: how many it has before that one, and when it was served.
    fn due(&self, owner: u64) -> (usize, u64) {
        let requests = self.count(|turn| turn.owner == owner);
        (requests.saturating_sub(1), self.records.last(owner))
    }

    /// The owner whose last request is due last.
    fn latest_owner(&self) -> Option<u64> {
        let owners = self.entries.iter().map(|entry| entry.turn.owner);
        owners.max_by_key(|owner| self.due(*owner))
    }

    /// The same within one owner, for the source of the request at this position.
    fn due_in_owner(&self, position: usize) -> (usize, u64) {
        self.entries.get(position).map_or((0, 0), |entry| {
            let of_source = self.count(|turn| turn.source == entry.turn.source);
            (of_source.saturating_sub(1), self.records.last(entry.turn.source))
        })
    }

    /// Where the request stands that its owner could spare first.
    fn last_of(&self, owner: u64) -> Option<usize> {
        let own = self.entries.iter().enumerate().filter(|(_, entry)| entry.turn.owner == owner);
        own.max_by_key(|(position, entry)| (self.due_in_owner(*position), entry.ticket))
            .map(|(position, _)| position)
    }
}

/// In which order owners and sources were served last.
#[derive(Default)]
struct Records {
    /// How many turns there were.
    turns: u64,
    last: BTreeMap<u64, u64>,
    /// The same the other way round.
    by_turn: BTreeMap<u64, u64>,
}

impl Records {
    /// The number of the turn; 0 where there is no record.
    fn last(&self, whose: u64) -> u64 {
        self.last.get(&whose).copied().unwrap_or(0)
    }

    fn note(&mut self, turn: Turn) {
        self.note_one(turn.owner);
        if turn.source != turn.owner {
            self.note_one(turn.source);
        }
    }

    fn note_one(&mut self, whose: u64) {
        self.turns = self.turns.saturating_add(1);
        if let Some(earlier) = self.last.insert(whose, self.turns) {
            self.by_turn.remove(&earlier);
        }
        self.by_turn.insert(self.turns, whose);
        if self.last.len() > MAX_RECORDS
            && let Some((_, forgotten)) = self.by_turn.pop_first()
        {
            self.last.remove(&forgotten);
        }
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
