//! The data directory of a command.

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

/// Rejects symbolic links in place of the files of the data directory. `doctor` reports them instead.
pub(super) fn refuse_links(config: &CommandConfig<'_>, command: &Command) -> Result<(), CliError> {
    if command.takes(&options::DATA) && command.words != ["doctor"] {
        config.data_dir.refuse_links().map_err(|error| failed(&error))
    } else {
        Ok(())
    }
}

/// The commands that only read the database.
const READING: [&[&str]; 8] = [
    &["user", "list"],
    &["user", "show"],
    &["user", "export"],
    &["token", "inspect"],
    &["token", "list"],
    &["key", "list"],
    &["throttle", "list"],
    &["backup"],
];

/// Copies the database for a command that only reads, if SQLite can't write beside the original: on a
/// read-only file system, or in another user's directory.
pub(super) fn copy_to_read(
    config: &CommandConfig<'_>,
    command: &Command,
) -> Result<Option<PrivateCopy>, CliError> {
    if !READING.contains(&command.words) {
        return Ok(None);
    }
    copy_if_needed(&config.data_dir)
}

pub(super) fn copy_if_needed(data_dir: &DataDir) -> Result<Option<PrivateCopy>, CliError> {
    let database = data_dir.database();
    let is_needed = database.is_file() && private_copy::is_needed(&database);
    is_needed.then(|| PrivateCopy::of(&database, &files::NONE)).transpose()
}

/// The data directory of the packages.
const PACKAGED: &str = "/var/lib/gatekey";

/// The data directory of a command that adds users: the named one, or the default one if it exists. The
/// server would not find users in a directory created by mistake.
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

pub(super) fn open(data_dir: &DataDir) -> Result<(Store, Keys), CliError> {
    data_dir.open().map_err(|error| failed(&error))
}

/// Opens or creates database and keys. Logs the creation, so that a mistyped path is noticed.
pub(super) fn open_or_create(data_dir: &DataDir) -> Result<(Store, Keys), CliError> {
    let is_new = !data_dir.has_database().unwrap_or(true); // opening it reports the error
    let opened = data_dir.open_or_create().map_err(|error| failed(&error))?;
    if is_new {
        log::notice(format!("made a new database, {}", data_dir.database().display()));
    }
    Ok(opened)
}

/// Refers to doctor unless the error itself says what to do.
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
