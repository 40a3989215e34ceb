//! The data directory, opened for a command.

use super::cli_error::CliError;
use super::command::Command;
use super::config::CommandConfig;
use super::private_copy::{self, PrivateCopy};
use super::{files, options};
use crate::chain;
use crate::data_dir::{DataDir, DataDirError};
use crate::keys::Keys;
use crate::server::log;
use crate::shell;
use crate::store::{Store, StoreError};
use std::path::Path;

/// Refuses a data directory with symbolic links in the place of its files, for any command that uses it; but doctor reports them.
pub(super) fn refuse_links(config: &CommandConfig<'_>, command: &Command) -> Result<(), CliError> {
    if command.takes(&options::DATA) && command.words != ["doctor"] {
        config.data_dir.refuse_links().map_err(|error| failed(&error))
    } else {
        Ok(())
    }
}

/// The commands that read the database and need not write to it.
const READING: [&[&str]; 7] = [
    &["user", "list"],
    &["user", "show"],
    &["user", "export"],
    &["token", "inspect"],
    &["key", "list"],
    &["throttle", "list"],
    &["backup"],
];

/// A copy of the database for a command that only reads, where SQLite can't write beside the database: on a file system that is
/// mounted read-only, or in another user's directory.
pub(super) fn copy_to_read(
    config: &CommandConfig<'_>,
    command: &Command,
) -> Result<Option<PrivateCopy>, CliError> {
    if !READING.contains(&command.words) {
        return Ok(None);
    }
    copy_if_needed(&config.data_dir)
}

/// A copy of the database, where SQLite can't write beside it.
pub(super) fn copy_if_needed(data_dir: &DataDir) -> Result<Option<PrivateCopy>, CliError> {
    let database = data_dir.database();
    let is_needed = database.is_file() && private_copy::is_needed(&database);
    is_needed.then(|| PrivateCopy::of(&database, &files::NONE)).transpose()
}

/// What the packages use.
const PACKAGED: &str = "/var/lib/gatekey";

/// The data directory for a command that adds users: named by the operator, or the default one if it exists. Users in a directory
/// that was made by mistake would be missed where the server runs.
pub(super) fn named<'a>(config: &'a CommandConfig<'_>) -> Result<&'a DataDir, CliError> {
    let data_dir = &config.data_dir;
    let directory = data_dir.directory();
    if config.names_data_dir || directory.exists() {
        return Ok(data_dir);
    }
    let packaged = if Path::new(PACKAGED).exists() { PACKAGED } else { "DIR" };
    Err(CliError::Usage(format!(
        "there is no data directory {} here: name the server's by --data {packaged}, or make a new one by --data {}",
        directory.display(),
        shell::quote_path(directory)
    )))
}

/// Database and keys, which must be there.
pub(super) fn open(data_dir: &DataDir) -> Result<(Store, Keys), CliError> {
    data_dir.open().map_err(|error| failed(&error))
}

/// The same, with what a first start makes; which is said, so that a mistyped directory is not taken for an empty one.
pub(super) fn open_or_create(data_dir: &DataDir) -> Result<(Store, Keys), CliError> {
    let is_new = !data_dir.has_database().unwrap_or(true); // or it will be said in a moment why that can't be told
    let opened = data_dir.open_or_create().map_err(|error| failed(&error))?;
    if is_new {
        log::notice(format!("made a new database, {}", data_dir.database().display()));
    }
    Ok(opened)
}

/// Doctor knows more wherever the error itself doesn't say what to do.
pub(super) fn failed(error: &DataDirError) -> CliError {
    let hint = match error {
        DataDirError::Store(_, StoreError::Missing | StoreError::Newer { .. } | StoreError::Older { .. })
        | DataDirError::Keys(_)
        | DataDirError::Copy(_)
        | DataDirError::KeysMissing { .. }
        | DataDirError::DatabaseMissing { .. } => "",
        DataDirError::Store(..) | DataDirError::Directory(..) => "; for what to do: gatekey doctor",
    };
    CliError::Failed(format!("can't open the data directory: {}{hint}", chain::describe(error)))
}
