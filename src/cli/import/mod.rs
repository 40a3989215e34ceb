//! `gatekey user import`: users from the article's Flask app, from other programs, or from another gatekey.
//!
//! | file | what |
//! |---|---|
//! | `rows.rs` | reads a file of any format |
//! | `json_lines.rs`, `htpasswd.rs` | parse a line |
//! | `json_array.rs` | parses an array, as Django's dumpdata writes it |
//! | `complaint.rs` | error messages for password hashes |
//! | `rename.rs` | new names for users |
//!
//! Rows are read one by one and inserted in one transaction, so neither their number nor an invalid one at
//! the end matters. A rejected row is reported on standard error with its position.

mod complaint;
mod htpasswd;
mod json_array;
mod json_lines;
mod record;
mod rename;
mod rows;

use super::cli_error::CliError;
use super::command::{Command, Run};
use super::config::CommandConfig;
use super::data;
use super::options;
use super::output;
use super::progress;
use super::temp_dir::TempDir;
use crate::clock::{self, UnixTime};
use crate::data_dir::DataDir;
use crate::hashing::Hasher;
use crate::random;
use crate::store::{Import, ImportError, ImportedUser, StoreError};
use crate::username::Username;
use core::error::Error;
use record::{Record, RecordPosition, Row};
use rename::Renames;
use rows::Source;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::process::ExitCode;

pub(super) const IMPORT: Command = Command {
    words: &["user", "import"],
    operands: &["FILE"],
    summary: "Import users, with their password hashes, from a file.",
    details: "Reads the db.sqlite of the article's Flask app, JSON lines as gatekey user export writes them, \
              a JSON array as Django's dumpdata writes it, or an htpasswd file. The FILE - is standard input. \
              Users keep their passwords; hashes of other programs are replaced by scrypt at the next login. Every row that can't be imported is \
              reported, and then nothing is imported, unless --skip-bad is set. Creates the data directory \
              that --data names if there is none. The server may run meanwhile; until the import ends, registrations may be \
              answered 503.",
    example: "gatekey user import db.sqlite",
    options: &[
        options::DATA_OPTIONS,
        &[&options::NEW_DATABASE],
        options::HASH_OPTIONS,
        &[&options::FORMAT, &options::RENAME, &options::DRY_RUN, &options::SKIP_BAD],
    ],
    run: Run::Plain(import),
};

fn import(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let source = Source::open(Path::new(config.operand()), config.files)?; // before anything is created
    let (is_dry, skips_bad) = (config.options.dry_run, config.options.skip_bad);
    let hasher = config.hasher()?;
    let renames = match &config.options.rename {
        Some(path) => Renames::read(Path::new(path), config.files)?,
        None => Renames::default(),
    };
    let data_dir = if is_dry { &config.data_dir } else { data::named(config)? };
    let temp_dir = if is_dry { instead_of(data_dir)? } else { None };
    let (store, _) = match &temp_dir {
        Some(temp_dir) => {
            DataDir::new(temp_dir.path()).open_or_create().map_err(|error| data::failed(&error))?
        }
        None => data::open_or_create(data_dir)?,
    };
    // Imported hashes may change the decoy hash of an unknown name, which would reveal users. With a new
    // key all decoys change.
    if !is_dry {
        let new_key = random::bytes().map_err(|error| cant_import(&error))?;
        store.limiter_key(&new_key).map_err(|error| cant_import(&error))?;
    }
    let import = |into: &Import<'_>| {
        // Not locked, since the progress line is written there too.
        let (at, complaints) = (clock::unix(), BufWriter::new(io::stderr()));
        let mut taker =
            Taker { into, hasher: &hasher, renames: &renames, at, counts: Counts::default(), complaints };
        rows::read(source, config.options.format, &mut |position, record| taker.take(&position, record))?;
        let _ = taker.complaints.flush(); // the exit status reports it too
        let counts = taker.counts;
        Ok::<_, Ended>((!is_dry && (counts.bad == 0 || skips_bad), counts))
    };
    let counts = progress::watched("importing", || store.import(import).map_err(|Ended(failure)| failure))?;
    report(&counts, is_dry, skips_bad)
}

/// A directory for the database of a dry run, if there is no database yet and one may be created.
fn instead_of(data_dir: &DataDir) -> Result<Option<TempDir>, CliError> {
    if data_dir.has_database().map_err(|error| data::failed(&error))? {
        return Ok(None);
    }
    data_dir.check_may_create().map_err(|error| data::failed(&error))?;
    TempDir::new("dry-run").map(Some)
}

fn report(counts: &Counts, is_dry: bool, skips_bad: bool) -> Result<ExitCode, CliError> {
    let Counts { good, bad, weak } = counts;
    if *bad > 0 && !skips_bad {
        return Err(CliError::Failed(format!(
            "nothing was imported: of {} rows {bad} can't be; mend those named above, give their users other \
             names by --rename FILE, or leave them out by --skip-bad",
            good + bad
        )));
    }
    if *weak > 0 {
        let users = if *weak == 1 { "user has a hash" } else { "users have hashes" };
        let message = format!(
            "gatekey: warning: {weak} {users} of MD5 ($apr1$, $1$): with the database at hand, millions of passwords a second \
             can be tried. A user's next login replaces it; gatekey user passwd does so at once"
        );
        let _ = writeln!(io::stderr(), "{message}");
    }
    let done = if is_dry { "would import" } else { "imported" };
    let left_out = if *bad > 0 { format!(", left out {bad}") } else { String::new() };
    output::say(&format!("{done} {good} {}{left_out}", if *good == 1 { "user" } else { "users" }))
}

#[derive(Debug, Default)]
struct Counts {
    good: u64,
    bad: u64,
    /// The number of good rows with a fast hash.
    weak: u64,
}

struct Taker<'a, W: io::Write> {
    into: &'a Import<'a>,
    hasher: &'a Hasher,
    renames: &'a Renames,
    at: UnixTime,
    counts: Counts,
    complaints: W,
}

impl<W: io::Write> Taker<'_, W> {
    /// Fails only if no further row can be inserted either.
    fn take(&mut self, position: &RecordPosition, record: Result<Record, String>) -> Result<(), CliError> {
        let (name, complaint) = match record {
            Err(complaint) => (None, complaint),
            Ok(Record::Issued(issued)) => match self.into.note_issued(&issued) {
                Ok(()) => return Ok(()),
                Err(error) => (None, error.to_string()),
            },
            Ok(Record::User(row)) => match self.insert(&row) {
                Ok(()) => {
                    self.counts.good += 1;
                    return Ok(());
                }
                Err(Refused::Row(complaint)) => (row.username, complaint),
                Err(Refused::Store(error)) => return Err(cant_import(&error)),
            },
        };
        self.counts.bad += 1;
        let name = name.map(|name| format!(", {name:?}")).unwrap_or_default();
        let _ = writeln!(self.complaints, "gatekey: {position}{name}: {complaint}");
        Ok(())
    }

    fn insert(&mut self, row: &Row) -> Result<(), Refused> {
        let Some(name) = self.renames.apply(row.id, row.username.as_deref()) else {
            return Err(Refused::Row("there is no user name, expected a text".into()));
        };
        let name = Username::parse(name).map_err(|error| Refused::Row(error.to_string()))?;
        let admitted = self.hasher.check_limits(&row.password_hash);
        let admitted =
            admitted.map_err(|error| Refused::Row(complaint::of_hash(&error, &row.password_hash)))?;
        let is_weak = admitted.is_weak();
        let Row { password_hash, id, generation, disabled, .. } = row;
        self.into
            .insert(&ImportedUser {
                name: &name,
                password_hash,
                id: *id,
                generation: *generation,
                disabled: *disabled,
                at: self.at,
            })
            .map_err(|error| match error {
                ImportError::Store(error) => Refused::Store(error),
                refused => Refused::Row(refused.to_string()),
            })?;
        self.counts.weak += u64::from(is_weak);
        Ok(())
    }
}

enum Refused {
    Row(String),
    Store(StoreError),
}

/// Why an import ended early. A type of its own, so that `?` on a [`StoreError`] works here and nowhere
/// else.
struct Ended(CliError);

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self(cant_import(&error))
    }
}

impl From<CliError> for Ended {
    fn from(failure: CliError) -> Self {
        Self(failure)
    }
}

fn cant_import(error: &(dyn Error + 'static)) -> CliError {
    CliError::failed("can't import", error)
}
