//! A backup takes the database's place, and undoes no revocation.
//!
//! What a backup can't know is lifted over what stands in the old database, before it is put in place by one rename:
//!
//! - Every token that was issued until now is dead, for everybody: which of them were revoked since the backup, nobody
//!   knows any more. Every user, and each who registers later, gets a generation that no token has
//!   (`generations.rs`): that holds whatever the clock says, now and after `gatekey doctor --reset-clock`.
//! - No id is given twice. Where the old database can't say which were given since (there is none, it can't be read,
//!   or it is another realm's), [`SPARE_IDS`] are left out.
//! - Time doesn't go back.
//!
//! The old database stays beside the new one under another name, with whatever of it stood in its `-wal`: nothing is
//! lost by restoring the wrong file.

use super::backup::{self, CopyStep, Depth};
use super::lock::DirLock;
use super::{CopyError, StoreError, files, generations, realm, schema, sqlite};
use crate::clock::UnixTime;
use crate::os;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// More than are registered between a backup and its restoring.
const SPARE_IDS: i64 = 1_000_000;

/// A file that can be restored.
#[derive(Debug)]
pub struct Backup {
    path: PathBuf,
    connection: Connection,
    users: u64,
}

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// How many users.
    pub users: u64,
    /// Where the old database is now, if there was one.
    pub kept: Option<PathBuf>,
    /// The next user's id will be higher.
    pub last_id: i64,
    /// Whether all ids that were ever given are known; else many were left out.
    pub ids_are_known: bool,
    /// Tokens issued before this second are dead; it is later than now.
    pub tokens_not_before: UnixTime,
}

impl Backup {
    /// Opens a file and reads all of it: a restore that begins can be finished.
    ///
    /// # Errors
    /// [`CopyError`]: the file is not gatekey's, newer or damaged.
    pub fn open(path: &Path, told: &dyn Fn(CopyStep<'_>)) -> Result<Self, CopyError> {
        told(CopyStep::Checking);
        // A mistyped name is no missing database.
        let real = fs::canonicalize(path).map_err(|error| CopyError::File(path.into(), error))?;
        let (connection, users) = backup::open_verified(&real, Depth::EveryPage)
            .map_err(|error| CopyError::Store(path.into(), error))?;
        Ok(Self { path: path.into(), connection, users })
    }

    /// Puts a copy, brought up to date, in the database's place.
    ///
    /// # Errors
    /// [`CopyError`]; the database is then as it was, unless the new one is in its place and only the directory could not
    /// be synced.
    pub fn restore_to(
        &self,
        database: &Path,
        now: UnixTime,
        told: &dyn Fn(CopyStep<'_>),
    ) -> Result<Restored, CopyError> {
        let failed = |error| CopyError::File(database.into(), error);
        if files::is_same_file(&self.path, database) {
            return Err(CopyError::IsTheDatabase(self.path.clone()));
        }
        let _lock =
            DirLock::exclusive(database).map_err(failed)?.ok_or_else(|| CopyError::InUse(database.into()))?;
        let old = with_exclusive(database, |connection| Ok(HighWater::read(connection)))?;
        let staged = files::beside(database, ".restoring");
        let prepared = self.stage(&staged, old.as_ref(), now, told).and_then(|prepared| {
            // Moves what stands in the old database's `-wal` into it.
            with_exclusive(database, |connection| connection.pragma_update(None, "journal_mode", "DELETE"))?;
            let kept = keep_old(database, now).map_err(failed)?;
            fs::rename(&staged, database)
                .map_err(|error| restore_name(kept.as_deref(), database, error))
                .map_err(failed)?;
            Ok(Restored { kept, ..prepared })
        });
        if prepared.is_err() {
            let _ = remove(&staged); // what went wrong is said, and matters more
        }
        let restored = prepared?;
        os::sync_directory_of(database).map_err(failed)?;
        Ok(restored)
    }

    /// Makes the new database beside the old one, whole and on the disk.
    fn stage(
        &self,
        staged: &Path,
        old: Option<&HighWater>,
        now: UnixTime,
        told: &dyn Fn(CopyStep<'_>),
    ) -> Result<Restored, CopyError> {
        let failed = |error| CopyError::File(staged.into(), error);
        // Left by a restore that was cut short: nobody else is at work here.
        for end in ["", "-journal"] {
            remove(&files::beside(staged, end)).map_err(failed)?;
        }
        backup::create(staged)?;
        backup::copy_into(&self.connection, &self.path, staged, told)?;
        let restored =
            self.carry_forward(staged, old, now).map_err(|error| CopyError::Store(staged.into(), error))?;
        backup::sync(staged).map_err(failed)?;
        Ok(restored)
    }

    /// Brings a copy up to date, and above all that it can't know.
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
        let last_id = seen.clone().filter_map(|past| past.last_id).max().unwrap_or(0);
        let last_id = if ids_are_known { last_id } else { last_id.saturating_add(SPARE_IDS) };
        let highest = seen.clone().map(|past| past.last_generation).max().unwrap_or(0);
        let newest = seen.map(|past| past.newest_time).fold(UnixTime::EPOCH, UnixTime::max);
        let tokens_not_before = realm::after_all_issued(newest, now);

        let transaction = connection.transaction()?;
        realm::count_tokens_since(&transaction, tokens_not_before)?;
        generations::move_all_to(&transaction, generations::unused(highest)?)?;
        generations::raise_last_id(&transaction, last_id)?;
        transaction.commit()?;
        Ok(Restored { users: self.users, kept: None, last_id, ids_are_known, tokens_not_before })
    }
}

/// What must not go back, as far as it can be read.
struct HighWater {
    last_id: Option<i64>,
    newest_time: UnixTime,
    last_generation: u64,
    /// Another realm has another one.
    limiter_key: Option<Vec<u8>>,
}

impl HighWater {
    fn read(connection: &Connection) -> Self {
        let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        let given = number(
            "SELECT max(ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'users'), 0), \
                                       ifnull((SELECT max(id) FROM users), 0))",
        );
        let newest_time = number("SELECT newest_time FROM realm").ok().and_then(|at| u64::try_from(at).ok());
        let limiter_key = connection.query_row("SELECT limiter_key FROM realm", [], |row| row.get(0));
        Self {
            last_id: given.ok(),
            newest_time: newest_time.and_then(UnixTime::new).unwrap_or(UnixTime::EPOCH),
            last_generation: generations::highest(connection).unwrap_or(0),
            limiter_key: limiter_key.ok().flatten(),
        }
    }

    /// Whether this is what became of that: a database that was only just made, on a new machine say, is not.
    fn is_successor_of(&self, earlier: &Self) -> bool {
        self.last_id.is_some() && self.last_id >= earlier.last_id && self.limiter_key == earlier.limiter_key
    }
}

/// Does something with the old database while nobody else has it open. `None` where there is none, or none that can be
/// read: a damaged one is why there are backups.
fn with_exclusive<T>(
    database: &Path,
    operation: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Result<Option<T>, CopyError> {
    // SQLite would make a file of none.
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

/// Gives the old database a second name, which outlives the first, and takes away what SQLite left beside it: of a
/// database that can't be read, something may stand there.
fn keep_old(database: &Path, now: UnixTime) -> io::Result<Option<PathBuf>> {
    let mut at = now.seconds();
    let kept = loop {
        let kept = files::beside(database, &format!(".before-restore-{at}"));
        let linked = os::link_to_free_name(database, &kept);
        // Without hard links the database has no name for a moment, and nothing is lost if the power fails then.
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
            None => fs::remove_file(&left), // it belongs to nothing
        };
        moved.or_else(unless_missing)?;
    }
    remove(&files::beside(database, "-shm"))?;
    Ok(kept)
}

/// Gives the old database its name again, where it was renamed and not linked.
fn restore_name(kept: Option<&Path>, database: &Path, error: io::Error) -> io::Error {
    if let Some(kept) = kept {
        let _ = os::rename_to_free_name(kept, database); // where it has its name, this fails
    }
    error
}

fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path).or_else(unless_missing)
}

fn unless_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
