//! Addresses that become remembered: the wrong passwords that were counted before go on counting.
//!
//! A user at one address has two buckets, one for each way to be counted: as a stranger, and as a remembered user. Were
//! they independent, a guesser behind the same NAT would get the allowance twice: once before the user logs in there for
//! the first time, and once afterwards. So
//!
//! - at that login, the remembered bucket is raised to the stranger's level, checks in flight included;
//! - afterwards, each wrong password is charged to both. Only the remembered bucket limits, but when the address is
//!   forgotten, the stranger's is as full.
//!
//! A check that asked the store just before that login still takes the user for a stranger. It would be charged to the
//! stranger's bucket alone. So the limiter remembers the last promotions itself, for longer than a login takes. (An address
//! that the store forgets within that time counts as remembered until it is over.)

use super::table::Key;
use super::{Kind, Limiter};
use crate::client::{AddressMark, Client};
use crate::wait::lock;
use core::sync::atomic::Ordering;
use core::time::Duration;
use std::collections::VecDeque;
use std::time::Instant;

/// How long a promotion is remembered here.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);
/// How many are, in 24 KiB: more logins at new addresses than a machine of sixteen cores verifies in five seconds.
const MAX_PROMOTED: usize = 1024;

/// The last promotions, the oldest first. Only used with the tables locked, so that it is one step with charging.
#[derive(Debug, Default)]
pub(super) struct Promoted(VecDeque<(AddressMark, Instant)>);

impl Promoted {
    fn note(&mut self, mark: AddressMark, now: Instant) {
        if self.0.len() == MAX_PROMOTED {
            self.0.pop_front();
        }
        self.0.push_back((mark, now));
    }

    fn contains(&self, mark: AddressMark, now: Instant) -> bool {
        let is_fresh = |at: &Instant| now.saturating_duration_since(*at) < REMEMBERED_FOR;
        self.0.iter().rev().any(|(promoted, at)| *promoted == mark && is_fresh(at))
    }
}

impl Limiter {
    /// From now on this address is remembered for this user, who has logged in there for the first time. To be called
    /// before the store says so.
    pub fn promote(&self, client: Client, username: &str, now: Instant) {
        let [limit, stranger] = self.remembered_keys(client, username);
        let mut tables = self.lock();
        let at = self.millis(now);
        let level = stranger.kind.table(&tables).held(stranger, at);
        limit.kind.table_mut(&mut tables).raise(limit, level, at);
        lock(&self.promoted).note(self.mark(client, username), now);
        if level > 0 {
            self.has_changed.store(true, Ordering::Release);
        }
    }

    pub(super) fn is_promoted(&self, client: Client, username: &str, now: Instant) -> bool {
        let promoted = lock(&self.promoted);
        !promoted.0.is_empty() && promoted.contains(self.mark(client, username), now)
    }

    /// The bucket that limits a remembered user, and the stranger's, which is charged too and doesn't limit: strangers
    /// elsewhere may fill it by collisions.
    pub(super) fn remembered_keys(&self, client: Client, username: &str) -> [Key; 2] {
        let stranger = self.pair_key(Kind::UserAndAddress, client, username);
        [self.pair_key(Kind::Remembered, client, username), stranger.without_limit()]
    }
}
