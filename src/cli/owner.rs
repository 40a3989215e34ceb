//! Privilege drop: in another user's data directory root acts as that user.
//!
//! Whoever owns the data directory, a service account that was taken over for instance, can put a symbolic link in the place of
//! any file there. So before a command touches the directory, root opens what only root may read, and then executes this
//! program anew as the directory's owner, without supplementary groups. What can be reached from there is the owner's own.
//!
//! The user is the one who owns the data directory, or, before the first start, the directory that it will be made in. Where
//! two different users, or root and another, share the control of the path, neither would be right: the command is refused.
//!
//! | the operator's file | how the new program gets it |
//! |---|---|
//! | standard input, standard output, standard error | inherited |
//! | the file of `user import`, `restore` and `--rename`, `--env-file` | opened by root, sent over standard input (`files.rs`) |
//! | the file of `backup`, in a directory of somebody else's | made by root, sent likewise, and filled by a child process |
//! | a key file outside the data directory | opened by the new program, as by the server |
//!
//! A key file that root alone controls can be changed by root alone: `key rotate` and `key add` then stay root, and leave the
//! data directory alone.

use super::cli_error::CliError;
use super::command::Command;
use super::config::Config;
use super::files::{self, Files};
use super::options;
use crate::data_dir::DataDir;
use crate::os::{self, PathOwners};
use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{self, Stdio};

/// This program, whatever happens to its path meanwhile.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// The user that root becomes for a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    uid: u32,
    gid: u32,
}

/// Who has to run this command instead of root; `None` where this process may.
///
/// # Errors
/// [`CliError`] where nobody can do it safely.
pub(super) fn find(config: &Config<'_>, command: &Command) -> Result<Option<Owner>, CliError> {
    if os::effective_ids().0 != 0 || !command.takes(&options::DATA) {
        return Ok(None);
    }
    if os::is_set_user_id() {
        return Err(CliError::Failed(
            "this program is installed set-user-ID, which it is not made for; chmod u-s".into(),
        ));
    }
    let data_dir = &config.data_dir;
    let directory = data_dir.directory();
    let owners = walk(directory)?;
    if !owners.last.is_whole_path && !makes_directory(command) {
        return Ok(None); // there is nothing to work on, and so it will say
    }
    let Some(uid) = sole_user(directory, &owners)? else { return Ok(None) };
    if changes_keys_of_root(command, data_dir)? {
        return Ok(None);
    }
    Ok(Some(Owner { uid, gid: os::group_of_user(uid, owners.last.gid) }))
}

fn walk(path: &Path) -> Result<PathOwners, CliError> {
    PathOwners::of(path)
        .map_err(|error| CliError::failed(format!("can't look at {}", path.display()), &error))
}

/// The one user besides root who controls this path; `None` where only root does.
fn sole_user(path: &Path, owners: &PathOwners) -> Result<Option<u32>, CliError> {
    let [uid] = owners.users[..] else {
        return match owners.users.first() {
            None => Ok(None),
            Some(_) => Err(shared(path, &owners.users)),
        };
    };
    if owners.last.uid == uid { Ok(Some(uid)) } else { Err(shared(path, &[owners.last.uid, uid])) }
}

fn shared(path: &Path, users: &[u32]) -> CliError {
    let users: Vec<_> = users.iter().map(ToString::to_string).collect();
    CliError::Failed(format!(
        "several users control the path {} (users {}), and each could lead root astray; run the command as the user who serves, \
         sudo -u USER gatekey ..., or put the data directory where only that user and root own the directories above",
        path.display(),
        users.join(" and ")
    ))
}

/// Whether a command makes the data directory where there is none.
fn makes_directory(command: &Command) -> bool {
    command.takes(&options::NEW_DATABASE) || command.words == ["restore"]
}

/// Whether it changes a key file outside the data directory that only root controls, and nothing else that matters.
fn changes_keys_of_root(command: &Command, data_dir: &DataDir) -> Result<bool, CliError> {
    let changes_keys = matches!(command.words, ["key", "rotate" | "add"]);
    Ok(changes_keys && !data_dir.has_keys_inside() && walk(data_dir.key_file())?.users.is_empty())
}

/// Executes this program anew, with the same arguments, as the owner of the data directory; returns only where that fails.
pub(super) fn execute_as(
    owner: Owner,
    config: &Config<'_>,
    command: &Command,
    arguments: &[OsString],
) -> CliError {
    match program(owner, &open_inputs(config, command), arguments) {
        Ok(mut program) => cant_become(owner, &program.exec()),
        Err(failure) => failure,
    }
}

/// Runs this program anew, as [`execute_as`] does, to fill a file that root made for it; what it prints on standard output.
pub(super) fn fill_as(
    owner: Owner,
    (name, file): (&str, File),
    arguments: &[OsString],
) -> Result<Vec<u8>, CliError> {
    let mut program = program(owner, &[(name.to_string(), file)], arguments)?;
    let output = program.stderr(Stdio::inherit()).output().map_err(|error| cant_become(owner, &error))?;
    // What went wrong it has said.
    if output.status.success() { Ok(output.stdout) } else { Err(CliError::Reported) }
}

fn program(
    owner: Owner,
    files: &[(String, File)],
    arguments: &[OsString],
) -> Result<process::Command, CliError> {
    let mut program = process::Command::new(THIS_PROGRAM);
    if files.is_empty() {
        program.env(files::FOR_ROOT, files::WITHOUT_FILES);
    } else {
        let packed = Files::hand_over(files);
        let packed = packed.map_err(|error| CliError::failed("can't hand over what root opened", &error))?;
        program.env(files::FOR_ROOT, files::WITH_FILES).stdin(packed);
    }
    // The groups go too: the standard library clears them where root becomes another user.
    program.uid(owner.uid).gid(owner.gid).args(arguments);
    if let Some(name) = env::args_os().next() {
        program.arg0(name);
    }
    Ok(program)
}

fn cant_become(Owner { uid, .. }: Owner, error: &io::Error) -> CliError {
    CliError::Failed(format!(
        "the data directory belongs to user {uid}, and root can't become that user: {error}; run the command as that user: \
         sudo -u '#{uid}' gatekey ..."
    ))
}

/// Opens what the operator named, as far as root alone, or the file's own owner, decides what that is: whatever is opened here, the
/// owner of the data directory can read. The new program opens the rest itself, if it may.
fn open_inputs(config: &Config<'_>, command: &Command) -> Vec<(String, File)> {
    let mut files = Vec::new();
    for path in inputs(config, command) {
        let Some(file) = open_safely(Path::new(&path)) else { continue };
        files.push((path.clone(), file));
        // If it is a database, these belong to it.
        for part in ["-wal", "-journal"].map(|end| format!("{path}{end}")) {
            files.extend(open_safely(Path::new(&part)).map(|file| (part, file)));
        }
    }
    files
}

/// The paths of what a command reads besides the data directory.
fn inputs(config: &Config<'_>, command: &Command) -> Vec<String> {
    let operand = match command.words {
        ["user", "import"] | ["restore"] => config.operands.first().filter(|path| *path != "-"),
        _ => None,
    };
    [operand, config.options.rename.as_ref(), config.options.env_file.as_ref()]
        .into_iter()
        .flatten()
        .cloned()
        .collect()
}

/// Whether the owner can be left to make a file there itself: only root and the owner decide what the path leads to.
pub(super) fn may_make_file(owner: Owner, path: &Path) -> bool {
    let directory = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    PathOwners::of(directory).is_ok_and(|owners| owners.last.uid == owner.uid)
}

fn open_safely(path: &Path) -> Option<File> {
    let owners = PathOwners::of(path).ok().filter(|owners| owners.last.is_whole_path)?;
    let file = os::open_regular_file(&owners.real).ok()?;
    let owner = file.metadata().ok()?.uid();
    (owners.users.is_empty() || owners.users.contains(&owner)).then_some(file)
}
