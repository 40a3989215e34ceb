//! `gatekey backup` and `gatekey restore`: copy the database, also while a server runs, and put a copy
//! back.

use super::cli_error::{CliError, OrFail as _};
use super::command::{Command, Run};
use super::config::CommandConfig;
use super::files::Owner;
use super::options;
use super::owner;
use super::private_copy::{self, PrivateCopy};
use super::progress;
use super::relay::{self, Input};
use super::temp_dir::TempDir;
use crate::clock;
use crate::os::NewFile;
use crate::store::{BackedUp, CopyError, Restored};
use core::time::Duration;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::thread;

pub(super) const BACK_UP: Command = Command {
    words: &["backup"],
    operands: &["FILE"],
    summary: "Copy the database into a new file, also while a server runs.",
    details: "The copy is consistent, verified, and on the disk when the command ends. An existing file is \
              never replaced. It contains names, password hashes, and hashes of addresses from which users \
              logged in. It does not contain the signing keys. Keep a copy of those apart: an attacker with \
              both can act as any user.",
    example: "gatekey backup /var/backups/gatekey-$(date +%F).sqlite3 --data /var/lib/gatekey",
    options: &[options::DATA_OPTIONS],
    run: Run::Plain(back_up),
};

fn back_up(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let (file, data_dir) = (config.operand(), &config.data_dir);
    let is_roots = config.files.has(Path::new(file));
    let temp_dir = is_roots.then(|| TempDir::new("backup")).transpose()?;
    let to = temp_dir.as_ref().map_or_else(|| file.into(), |temp_dir| temp_dir.path().join("backup"));
    let made = progress::watched("backing up", || data_dir.back_up(&to));
    if is_roots && made.is_ok() {
        fill(config, file, &to).or_fail(format!("can't write {file}"))?;
    }
    let BackedUp { users, bytes } = made.or_fail("can't back up")?;
    let keys = data_dir.key_file().display();
    write!(
        io::stdout().lock(),
        "backed up to {file}: users: {users}, bytes: {bytes}\n\
         In it are password hashes: keep it as safe as the database.\n\
         The signing keys are not: keep a copy of {keys} somewhere else. Without them every token dies, and whatever \
         verifies tokens by itself needs the new key; passwords don't need them.\n"
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Copies the backup into the file that root created.
fn fill(config: &CommandConfig<'_>, file: &str, from: &Path) -> io::Result<()> {
    let mut to = config.files.open(Path::new(file))?;
    io::copy(&mut File::open(from)?, &mut to)?;
    to.sync_all()
}

/// Runs the backup as the owner of the data directory. Root creates the file if the owner may not.
pub(super) fn back_up_as(
    owner: Owner,
    config: &CommandConfig<'_>,
    arguments: &[OsString],
) -> Result<ExitCode, CliError> {
    let name = config.operand();
    let Some(place) = owner::place_for_file(owner, Path::new(name))? else {
        return owner::run_as(owner, config, &BACK_UP, arguments);
    };
    let failed = |error: io::Error| {
        let error = match error.kind() {
            io::ErrorKind::AlreadyExists => CopyError::Exists(name.into()),
            _ => CopyError::File(name.into(), error),
        };
        CliError::failed("can't back up", &error)
    };
    let new = NewFile::make(&place, ".partial").map_err(failed)?;
    let files = [(name.into(), new.file().map_err(failed)?)];
    let (input, mut printed) = (Input::of(config, &BACK_UP)?, Vec::new());
    let code =
        owner::run(owner, &files, input, arguments, |mut out| out.read_to_end(&mut printed).map(drop))?;
    if code == ExitCode::SUCCESS {
        new.keep().map_err(failed)?;
    }
    relay::copy(&printed[..], io::stdout())?;
    Ok(code)
}

pub(super) const RESTORE: Command = Command {
    words: &["restore"],
    operands: &["FILE"],
    summary: "Replace the database by a backup, while no server runs.",
    details: "Users, passwords and disabled users are then as in the backup. All tokens are revoked, so that \
              no token becomes valid that was revoked since. Ids assigned since are not assigned again. The \
              old database is kept beside the new one. The signing keys stay as they are; on a new machine, \
              put their file there first, or a new key is created.",
    example: "gatekey restore /var/backups/gatekey-2026-11-23.sqlite3 --data /var/lib/gatekey",
    options: &[options::DATA_OPTIONS],
    run: Run::Plain(restore),
};

fn restore(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let (file, data_dir) = (config.operand(), &config.data_dir);
    let path = Path::new(file);
    let copy = private_copy::of_input(path, config.files)?;
    let from = copy.as_ref().map_or_else(|| path.into(), PrivateCopy::database);
    let restored = progress::watched("restoring", || data_dir.restore(&from, clock::unix()));
    let (restored, made_key) = restored.or_fail("can't restore")?;
    let Restored { users, kept, last_id, ids_are_known, tokens_not_before } = restored;
    // A token issued before this time would be revoked, and the clock would seem to go back.
    let ahead = tokens_not_before.duration_since(clock::unix());
    if ahead <= Duration::from_secs(1) {
        thread::sleep(ahead);
    }
    let why =
        if ids_are_known { "" } else { ", with a wide gap: the ids assigned since the backup are not known" };
    let mut out = io::stdout().lock();
    write!(
        out,
        "restored {file}: users: {users}\n\
         Passwords, groups, disabled users and deletions are those of the backup: repeat later changes.\n\
         All users must log in again, so that no token revoked since is valid.\n\
         New users get ids above {last_id}{why}.\n"
    )?;
    if let Some(kept) = kept {
        writeln!(out, "The old database is now {}; remove it when all is well.", kept.display())?;
    }
    if made_key {
        let keys = data_dir.key_file().display();
        writeln!(
            out,
            "There were no signing keys, so a new one was made: {keys}. Where other programs verify tokens, put the \
             old file there."
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
