//! Channels: where a token is shown decides which kinds are accepted.
//!
//! | shown as | accepts |
//! |---|---|
//! | `Authorization` | tokens without a session, and named tokens |
//! | cookie of a browser | browser sessions |
//! | guard cookie | guard sessions |

use super::policy::Policy;
use super::refusal::RefusalReason;
use crate::clock::UnixTime;
use crate::session_id::SessionId;
use crate::store::{Session, SessionKind};
use crate::wait::{lock, try_lock};
use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Mutex;

/// How often a use of a session is noted.
const USE_INTERVAL: Duration = Duration::from_secs(86_400);
/// Uses that are noted at once. Further ones wait for the next time.
const MAX_USES: usize = 4096;

/// Where a token was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    Authorization,
    /// The cookie of this kind.
    Cookie(SessionKind),
}

impl Channel {
    /// Whether tokens of this kind are valid here; `None` is a token without a session.
    fn admits(self, kind: Option<SessionKind>) -> bool {
        match self {
            Self::Authorization => matches!(kind, None | Some(SessionKind::Token)),
            Self::Cookie(own) => kind == Some(own),
        }
    }

    /// Whether the session of a token with these parts is valid here.
    pub(super) fn check(
        self,
        sid: Option<SessionId>,
        session: Option<&Session>,
        policy: &Policy,
        now: UnixTime,
    ) -> Result<(), RefusalReason> {
        if sid.is_some() && session.is_none() {
            return Err(RefusalReason::SessionEnded);
        }
        if !self.admits(session.map(|session| session.kind)) {
            return Err(RefusalReason::OtherChannel);
        }
        match session {
            Some(session) if !session.is_live(policy.max_age(session.kind), now) => {
                Err(RefusalReason::SessionExpired)
            }
            _ => Ok(()),
        }
    }
}

/// The sessions whose use is to be noted in the store.
#[derive(Debug, Default)]
pub(super) struct UsedSessions(Mutex<BTreeSet<SessionId>>);

impl UsedSessions {
    /// Notes a use, unless one is recorded already. May lose it, rather than block.
    pub(super) fn note(&self, session: &Session, now: UnixTime) {
        if now.duration_since(session.used_at) >= USE_INTERVAL
            && let Ok(mut used) = try_lock(&self.0)
            && used.len() < MAX_USES
        {
            used.insert(session.id);
        }
    }

    pub(super) fn take(&self) -> BTreeSet<SessionId> {
        core::mem::take(&mut lock(&self.0))
    }
}
