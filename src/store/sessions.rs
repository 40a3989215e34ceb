//! Sessions: the operations on the table `sessions`. A row is a signed-in browser, its guard cookie, or a
//! named token.
//!
//! A token with the claim `sid` is valid only while its row exists, so deleting the row revokes it. Whatever
//! raises a user's generation deletes the user's rows in the same transaction.

use super::columns::{integer, seconds, timestamp, unsigned, user_id};
use super::error::StoreError;
use super::generations;
use super::open::Store;
use super::session::Reads;
use super::users::{TOKEN_COLUMNS, TokenRow, token_row};
use crate::clock::UnixTime;
use crate::session_id::SessionId;
use crate::user_id::{Generation, UserId};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

/// Browser sessions that a user may have. One more ends the oldest.
pub const MAX_BROWSER_SESSIONS: u32 = 50;
/// Live named tokens that a user may have.
pub const MAX_NAMED_TOKENS: u32 = 100;
/// Guard cookies that a browser session may have: one, and those that requests under way still carry.
const MAX_GUARD_SESSIONS: u32 = 4;
/// Expired rows that [`Store::sweep_sessions`] deletes at once.
const SWEEP_STEP: u32 = 500;

/// What a session is, and so which channel its token is accepted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// A signed-in browser; its token is the host-only cookie.
    Browser,
    /// Its second cookie, which every host under the cookie domain receives.
    Guard,
    /// A named token, for `Authorization`.
    Token,
}

impl SessionKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Browser, Self::Guard, Self::Token];

    /// As the table and the API have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Guard => "guard",
            Self::Token => "token",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for SessionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A session's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Never given again.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is.
    pub kind: SessionKind,
    /// The browser session of a guard cookie, with which it ends.
    pub parent: Option<SessionId>,
    /// Of a token as the user named it; of a browser its own name.
    pub name: String,
    /// When the password was shown. A guard cookie has its browser session's.
    pub auth_time: UnixTime,
    /// When it was made, and its token signed.
    pub created_at: UnixTime,
    /// The first second at which it is expired. It never moves.
    pub expires_at: UnixTime,
    /// A recent use, to the day; it may be lost.
    pub used_at: UnixTime,
}

impl Session {
    /// Whether it is neither expired nor older than sessions of its kind may be today.
    pub fn is_live(&self, max_age: Duration, now: UnixTime) -> bool {
        now < self.expires_at && now < self.auth_time.saturating_add(max_age)
    }
}

/// Why a session was not inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionConflict {
    /// The user was deleted, disabled or is of another generation, or the browser session of a guard cookie
    /// has ended.
    Revoked,
    /// The user has [`MAX_NAMED_TOKENS`] already.
    TooManyTokens,
}

/// The columns of a [`Session`], in the order in which [`session`] reads them.
macro_rules! session_columns {
    () => {
        "s.id, s.user_id, s.kind, s.parent, s.name, s.auth_time, s.created_at, s.expires_at, s.used_at"
    };
}

impl Store {
    /// Inserts a session of a user who has this generation and is not disabled. Named tokens with an
    /// `auth_time` before `oldest_token` don't count as live.
    pub fn insert_session(
        &self,
        session: &Session,
        generation: Generation,
        oldest_token: UnixTime,
    ) -> Result<Result<(), SessionConflict>, StoreError> {
        self.database.write(|connection| {
            let transaction = connection.transaction()?;
            let inserted = insert(&transaction, session, generation, oldest_token)?;
            if inserted.is_ok() {
                transaction.commit()?;
            }
            Ok(inserted)
        })
    }

    /// A user and one of this user's sessions, in one statement: the one read of a check of a token with
    /// `sid`.
    pub fn find_session(
        &self,
        user: UserId,
        session: SessionId,
        reads: Reads<'_>,
    ) -> Result<Option<(TokenRow, Option<Session>)>, StoreError> {
        let sql = concat!(
            "SELECT u.id, u.username, u.generation, u.disabled, tokens_not_before, ",
            session_columns!(),
            " FROM users u JOIN realm LEFT JOIN sessions s ON s.id = ?2 AND s.user_id = u.id WHERE u.id = ?1"
        );
        let found = |row: &Row<'_>| {
            let session = match row.get_ref(TOKEN_COLUMNS)? {
                ValueRef::Null => None,
                _ => Some(self::session(row, TOKEN_COLUMNS)?),
            };
            Ok((token_row(row)?, session))
        };
        self.read(reads, |connection| {
            let mut statement = connection.prepare_cached(sql)?;
            statement.query_row(params![user.number(), session.as_bytes()], found).optional()
        })
    }

    /// The browser sessions and named tokens of a user, oldest first, expired ones too.
    pub fn list_sessions(&self, user: UserId) -> Result<Vec<Session>, StoreError> {
        let sql = concat!(
            "SELECT ",
            session_columns!(),
            " FROM sessions s WHERE user_id = ?1 AND kind <> 'guard' ORDER BY created_at, id"
        );
        self.database.read(|connection| {
            connection.prepare_cached(sql)?.query_map([user.number()], |row| session(row, 0))?.collect()
        })
    }

    /// Deletes one session of a user, and its guard cookies. False if this user has no such session.
    pub fn delete_session(&self, user: UserId, session: SessionId) -> Result<bool, StoreError> {
        let sql = "DELETE FROM sessions WHERE id = ?1 AND user_id = ?2";
        self.change(sql, params![session.as_bytes(), user.number()])
    }

    /// Deletes every session of every user.
    pub fn delete_all_sessions(&self) -> Result<(), StoreError> {
        self.database.write(|connection| Ok(generations::delete_all_sessions(connection)?))
    }

    /// Deletes some of the expired sessions.
    pub fn sweep_sessions(&self, now: UnixTime) -> Result<(), StoreError> {
        let look = "SELECT EXISTS (SELECT 1 FROM sessions WHERE expires_at <= ?1)";
        let sweep =
            "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at <= ?1 LIMIT ?2)";
        // A write takes a lock, also where it changes nothing.
        let is_any: bool =
            self.database.read(|connection| connection.query_row(look, [seconds(now)], |row| row.get(0)))?;
        if !is_any {
            return Ok(());
        }
        self.database.write(|connection| {
            connection.execute(sweep, params![seconds(now), SWEEP_STEP])?;
            Ok(())
        })
    }

    /// How many sessions of each kind have not expired, in the order of [`SessionKind::ALL`].
    pub fn count_sessions(&self, now: UnixTime) -> Result<[u64; 3], StoreError> {
        let sql = "SELECT count(*) FROM sessions WHERE kind = ?1 AND expires_at > ?2";
        self.database.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let mut counts = [0; 3];
            for (count, kind) in counts.iter_mut().zip(SessionKind::ALL) {
                *count = statement.query_row(params![kind.as_str(), seconds(now)], |row| unsigned(row, 0))?;
            }
            Ok(counts)
        })
    }

    /// Notes that these sessions are in use.
    pub fn touch_sessions(
        &self,
        sessions: impl Iterator<Item = SessionId>,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE sessions SET used_at = ?2 WHERE id = ?1 AND used_at < ?2";
        self.database.write(|connection| {
            let transaction = connection.transaction()?;
            for session in sessions {
                transaction.prepare_cached(sql)?.execute(params![session.as_bytes(), seconds(now)])?;
            }
            transaction.commit()?;
            Ok(())
        })
    }
}

fn insert(
    connection: &Connection,
    session: &Session,
    generation: Generation,
    oldest_token: UnixTime,
) -> rusqlite::Result<Result<(), SessionConflict>> {
    let count = "SELECT count(*) FROM sessions WHERE user_id = ?1 AND kind = 'token' AND expires_at > ?2 \
                 AND auth_time >= ?3";
    let trim = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE user_id = ?1 AND kind = ?2 \
                AND parent IS ?3 ORDER BY created_at DESC, id LIMIT -1 OFFSET ?4)";
    let insert = "INSERT INTO sessions (id, user_id, kind, parent, name, auth_time, created_at, expires_at, used_at) \
                  SELECT ?1, users.id, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM users, realm \
                  WHERE users.id = ?2 AND generation = ?10 AND disabled = 0 AND tokens_not_before <= ?6 \
                  AND (?4 IS NULL OR EXISTS (SELECT 1 FROM sessions WHERE id = ?4 AND user_id = ?2 AND kind = 'browser'))";
    let Session { id, user_id, kind, parent, name, auth_time, created_at, expires_at, used_at } = session;
    let (user, parent) = (user_id.number(), parent.as_ref().map(SessionId::as_bytes));
    let max = match kind {
        SessionKind::Browser => MAX_BROWSER_SESSIONS,
        SessionKind::Guard => MAX_GUARD_SESSIONS,
        SessionKind::Token => {
            let bounds = params![user, seconds(*created_at), seconds(oldest_token)];
            let live: u32 = connection.query_row(count, bounds, |row| row.get(0))?;
            if live >= MAX_NAMED_TOKENS {
                return Ok(Err(SessionConflict::TooManyTokens));
            }
            u32::MAX
        }
    };
    connection.execute(trim, params![user, kind.as_str(), parent, max - 1])?;
    let inserted = connection.execute(
        insert,
        params![
            id.as_bytes(),
            user,
            kind.as_str(),
            parent,
            name,
            seconds(*auth_time),
            seconds(*created_at),
            seconds(*expires_at),
            seconds(*used_at),
            integer(generation.number())
        ],
    )?;
    Ok(if inserted == 1 { Ok(()) } else { Err(SessionConflict::Revoked) })
}

/// The session whose columns begin at this one.
fn session(row: &Row<'_>, first: usize) -> rusqlite::Result<Session> {
    let kind = row.get_ref(first + 2)?.as_str()?;
    let parent: Option<[u8; SessionId::BYTES]> = row.get(first + 3)?;
    Ok(Session {
        id: SessionId::from_bytes(row.get(first)?),
        user_id: user_id(row, first + 1)?,
        kind: SessionKind::parse(kind).ok_or(rusqlite::Error::InvalidQuery)?,
        parent: parent.map(SessionId::from_bytes),
        name: row.get(first + 4)?,
        auth_time: timestamp(row, first + 5)?,
        created_at: timestamp(row, first + 6)?,
        expires_at: timestamp(row, first + 7)?,
        used_at: timestamp(row, first + 8)?,
    })
}
