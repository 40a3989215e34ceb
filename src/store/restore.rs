//! Restore: replaces the database by a backup without reviving revoked tokens or reusing ids.
//!
//! The high-water marks of the old database are carried forward into a copy of the backup, which is then
//! renamed into place:
//!
//! - Every token is revoked, since the backup doesn't contain the revocations since. All users, and new ones,
//!   get a generation that no token has (`generations.rs`), whatever the clock says.
//! - No id is reused. If the old database can't be read, or belongs to another realm, [`SPARE_IDS`] are
//!   skipped.
//! - The realm's time doesn't go back.
//!
//! The old database stays beside the new one under another name, with the contents of its `-wal`.

use super::backup::CopyError;
use super::backup::{self, Depth};
use super::error::StoreError;
use super::lock::DirLock;
use super::{files, generations, realm, schema, sqlite};
use crate::clock::UnixTime;
use crate::os;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// More ids than are assigned between a backup and its restore.
const SPARE_IDS: i64 = 1_000_000;

/// A verified backup.
#[derive(Debug)]
pub struct Backup {
    path: PathBuf,
    connection: Connection,
    users: u64,
}

/// Result of a restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Number of users.
    pub users: u64,
    /// New path of the old database, if there was one.
    pub kept: Option<PathBuf>,
    /// Ids of new users are above this one.
    pub last_id: i64,
    /// Whether all assigned ids are known; otherwise a million were skipped.
    pub ids_are_known: bool,
    /// Tokens issued before are revoked; later than now.
    pub tokens_not_before: UnixTime,
}

impl Backup {
    /// Opens a backup and verifies every page.
    ///
    /// # Errors
    /// [`CopyError::File`] and [`CopyError::Store`].
    pub fn open(path: &Path) -> Result<Self, CopyError> {
        // A mistyped name is not a missing database.
        let real = fs::canonicalize(path).map_err(|error| CopyError::File(path.into(), error))?;
        let (connection, users) = backup::open_verified(&real, Depth::EveryPage)
            .map_err(|error| CopyError::Store(path.into(), error))?;
        Ok(Self { path: path.into(), connection, users })
    }

    /// Replaces the database by a migrated copy.
    ///
    /// # Errors
    /// [`CopyError`]. Then the database is unchanged, unless only the sync of the directory failed.
    pub fn restore_to(&self, database: &Path, now: UnixTime) -> Result<Restored, CopyError> {
        let failed = |error| CopyError::File(database.into(), error);
        if files::is_same_file(&self.path, database) {
            return Err(CopyError::IsTheDatabase(self.path.clone()));
        }
        let _lock =
            DirLock::exclusive(database).map_err(failed)?.ok_or_else(|| CopyError::InUse(database.into()))?;
        let old = with_exclusive(database, |connection| Ok(HighWater::read(connection)))?;
        let staged = files::beside(database, ".restoring");
        let prepared = self.stage(&staged, old.as_ref(), now).and_then(|prepared| {
            // Checkpoints the old database's `-wal`.
            with_exclusive(database, |connection| connection.pragma_update(None, "journal_mode", "DELETE"))?;
            let kept = keep_old(database, now).map_err(failed)?;
            fs::rename(&staged, database)
                .map_err(|error| restore_name(kept.as_deref(), database, error))
                .map_err(failed)?;
            Ok(Restored { kept, ..prepared })
        });
        if prepared.is_err() {
            let _ = remove_staged(&staged); // the first error matters more
        }
        let restored = prepared?;
        os::sync_directory_of(database).map_err(failed)?;
        Ok(restored)
    }

    /// Creates the new database beside the old one, complete and synced.
    fn stage(&self, staged: &Path, old: Option<&HighWater>, now: UnixTime) -> Result<Restored, CopyError> {
        let failed = |error| CopyError::File(staged.into(), error);
        remove_staged(staged).map_err(failed)?; // left by a restore that was cut short
        backup::create(staged)?;
        backup::copy_into(&self.connection, &self.path, staged)?;
        let restored =
            self.carry_forward(staged, old, now).map_err(|error| CopyError::Store(staged.into(), error))?;
        backup::sync(staged).map_err(failed)?;
        Ok(restored)
    }

    /// Migrates a copy and carries the high-water marks of the old database forward.
    fn carry_forward(
        &self,
        staged: &Path,
        old: Option<&HighWater>,
        now: UnixTime,
    ) -> Result<Restored, StoreError> {
        let mut connection = sqlite::connect(staged, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        schema::migrate(&mut connection)?;
        let own = HighWater::read(&connection);
        let ids_are_known = old.is_some_and(|old| old.is_successor_of(&own));
        let seen = [Some(&own), old].into_iter().flatten();
        let last_id = seen.clone().filter_map(|mark| mark.last_id).max().unwrap_or(0);
        let last_id = if ids_are_known { last_id } else { last_id.saturating_add(SPARE_IDS) };
        let highest = seen.clone().map(|mark| mark.last_generation).max().unwrap_or(0);
        let newest = seen.map(|mark| mark.newest_time).fold(UnixTime::EPOCH, UnixTime::max);
        let tokens_not_before = realm::after_all_issued(newest, now);

        let transaction = connection.transaction()?;
        realm::raise_tokens_not_before(&transaction, tokens_not_before)?;
        generations::move_all_to(&transaction, generations::unused(highest)?)?;
        generations::raise_last_id(&transaction, last_id)?;
        transaction.commit()?;
        Ok(Restored { users: self.users, kept: None, last_id, ids_are_known, tokens_not_before })
    }
}

/// High-water marks, as far as they can be read.
struct HighWater {
    last_id: Option<i64>,
    newest_time: UnixTime,
    last_generation: u64,
    /// Identifies the realm.
    limiter_key: Option<Vec<u8>>,
}

impl HighWater {
    fn read(connection: &Connection) -> Self {
        let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        let last_id = number(
            "SELECT max(ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'users'), 0), \
                                       ifnull((SELECT max(id) FROM users), 0))",
        );
        let newest_time = number("SELECT newest_time FROM realm").ok().and_then(|at| u64::try_from(at).ok());
        let limiter_key = connection.query_row("SELECT limiter_key FROM realm", [], |row| row.get(0));
        Self {
            last_id: last_id.ok(),
            newest_time: newest_time.and_then(UnixTime::new).unwrap_or(UnixTime::EPOCH),
            last_generation: generations::highest(connection).unwrap_or(0),
            limiter_key: limiter_key.ok().flatten(),
        }
    }

    /// Whether this database continues that one. A new database, on another machine for instance, doesn't.
    fn is_successor_of(&self, earlier: &Self) -> bool {
        self.last_id.is_some() && self.last_id >= earlier.last_id && self.limiter_key == earlier.limiter_key
    }
}

/// Runs an operation on the old database with exclusive access. `None` if it is missing or corrupt.
fn with_exclusive<T>(
    database: &Path,
    operation: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<Option<T>, CopyError> {
    // SQLite would create a missing file.
    if !database.try_exists().map_err(|error| CopyError::File(database.into(), error))? {
        return Ok(None);
    }
    match sqlite::connect_exclusive(database).and_then(|connection| operation(&connection)) {
        Ok(result) => Ok(Some(result)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
            Err(CopyError::InUse(database.into()))
        }
        Err(error) => match StoreError::from(error) {
            StoreError::Corrupt(_) => Ok(None),
            error => Err(CopyError::Store(database.into(), error)),
        },
    }
}

/// Links the old database to another name, and moves the files beside it: a corrupt database may have some.
fn keep_old(database: &Path, now: UnixTime) -> io::Result<Option<PathBuf>> {
    let mut at = now.seconds();
    let kept = loop {
        let kept = files::beside(database, &format!(".before-restore-{at}"));
        let linked = os::link_to_free_name(database, &kept);
        // Without hard links the database has only the new name for a moment, which a power cut doesn't lose.
        let done = linked
            .and_then(|is_done| if is_done { Ok(()) } else { os::rename_to_free_name(database, &kept) });
        match done {
            Ok(()) => break Some(kept),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => at = at.saturating_add(1),
            Err(error) if error.kind() == ErrorKind::NotFound => break None,
            Err(error) => return Err(error),
        }
    };
    for end in ["-wal", "-journal"] {
        let left = files::beside(database, end);
        let moved = match &kept {
            Some(kept) => fs::rename(&left, files::beside(kept, end)),
            None => fs::remove_file(&left), // of no database
        };
        moved.or_else(unless_missing)?;
    }
    remove(&files::beside(database, "-shm"))?;
    Ok(kept)
}

/// Renames the old database back, if it was renamed and not linked.
fn restore_name(kept: Option<&Path>, database: &Path, error: io::Error) -> io::Error {
    if let Some(kept) = kept {
        let _ = os::rename_to_free_name(kept, database); // fails if it was linked
    }
    error
}

/// Removes an unfinished copy, with the lock on the directory held.
fn remove_staged(staged: &Path) -> io::Result<()> {
    ["", "-journal"].iter().try_for_each(|end| remove(&files::beside(staged, end)))
}

fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path).or_else(unless_missing)
}

fn unless_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
