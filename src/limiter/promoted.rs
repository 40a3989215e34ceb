//! Promotion: an address that becomes remembered keeps the failures that were charged before.
//!
//! A user at one address has two buckets: that of any client, and that of a remembered user. If they were
//! independent, a client behind the same NAT would get the limit twice, before and after the user's first
//! login there. Therefore
//!
//! - at that login, the remembered bucket is raised to the level of the other, with the checks in flight;
//! - afterwards each failure is charged to both. Only the remembered bucket limits; when the address is
//!   forgotten, the other is as full.
//!
//! A check that read the store just before that login would be charged to the first bucket alone. So the
//! limiter keeps the last promotions itself, for longer than a login takes. An address that the store forgets
//! within that time counts as remembered until it is over.

use crate::client::AddressMark;
use core::time::Duration;
use std::collections::VecDeque;
use std::time::Instant;

/// How long the limiter keeps a promotion.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);
/// How many it keeps, in 24 KiB: more logins at new addresses than sixteen cores verify in five seconds.
const MAX_PROMOTED: usize = 1024;

/// The last promotions, oldest first. Used with the tables locked, so that charging and promoting are atomic.
#[derive(Debug, Default)]
pub(super) struct Promoted(VecDeque<(AddressMark, Instant)>);

impl Promoted {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn insert(&mut self, mark: AddressMark, now: Instant) {
        if self.0.len() == MAX_PROMOTED {
            self.0.pop_front();
        }
        self.0.push_back((mark, now));
    }

    pub(super) fn contains(&self, mark: AddressMark, now: Instant) -> bool {
        let is_fresh = |at: &Instant| now.saturating_duration_since(*at) < REMEMBERED_FOR;
        self.0.iter().rev().any(|(promoted, at)| *promoted == mark && is_fresh(at))
    }
}
