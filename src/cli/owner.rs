//! Privilege drop: in another user's data directory root runs a command as that user.
//!
//! The owner of the data directory, a service account that was taken over for instance, can put a symbolic
//! link in the place of any file there. So before a command touches the directory, root opens what only root
//! may read, and starts this program anew. The new process leaves root's terminal, becomes the directory's
//! owner without supplementary groups, and runs the command. What can be reached from there is the owner's
//! own, and other processes of that user can't trace it.
//!
//! The user is the one who owns the data directory, or, before the first start, the directory that it will be
//! made in. Where two different users, or root and another, share the control of the path, neither would be
//! right: the command is refused.
//!
//! | of root's | what the new process gets |
//! |---|---|
//! | terminal, standard input, output and error | pipes (`relay.rs`) |
//! | the file of `user import`, `restore` and `--rename`, `--env-file` | opened by root, sent over a socket (`files.rs`) |
//! | the file of `backup`, in a directory of root's | made by root, sent likewise, and filled by the new process |
//! | environment | gatekey's own variables, `TMPDIR`, and those of a service manager |
//! | other descriptors | none |
//!
//! `serve` without a terminal, as under a service manager, replaces root's process, and keeps its standard
//! output and error.
//!
//! A key file that root alone controls can be changed by root alone: `key rotate` and `key add` then stay
//! root, and leave the data directory alone.

use super::cli_error::{CliError, OrFail as _};
use super::command::Command;
use super::config::CommandConfig;
use super::files::{self, Files, Owner};
use super::options;
use super::relay::{self, Input};
use crate::data_dir::DataDir;
use crate::os::{self, PathOwners};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{self, ChildStdout, ExitCode};

/// This program, whatever happens to its path meanwhile.
const THIS_PROGRAM: &str = "/proc/self/exe";
/// The variables that the new process gets, besides gatekey's own.
const VARIABLES: [&str; 6] =
    ["JOURNAL_STREAM", "NOTIFY_SOCKET", "RUST_BACKTRACE", "TMPDIR", "WATCHDOG_PID", "WATCHDOG_USEC"];

/// The user that must run this command instead of root; `None` if this process may run it.
///
/// # Errors
/// [`CliError`] if no user can do it safely.
pub(super) fn find(config: &CommandConfig<'_>, command: &Command) -> Result<Option<Owner>, CliError> {
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
    let Some(uid) = sole_user(directory, &owners)? else { return Ok(None) };
    if changes_keys_of_root(command, data_dir)? {
        return Ok(None);
    }
    Ok(Some(Owner { uid, gid: os::group_of_user(uid, owners.last.gid) }))
}

fn walk(path: &Path) -> Result<PathOwners, CliError> {
    PathOwners::of(path).or_fail(format!("can't look at {}", path.display()))
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

/// Whether it changes a key file outside the data directory that only root controls, and nothing else that
/// matters.
fn changes_keys_of_root(command: &Command, data_dir: &DataDir) -> Result<bool, CliError> {
    let changes_keys = matches!(command.words, ["key", "rotate" | "add"]);
    Ok(changes_keys && !data_dir.has_keys_inside() && walk(data_dir.key_file())?.users.is_empty())
}

/// Runs this program anew, with the same arguments, as the owner of the data directory.
pub(super) fn run_as(
    owner: Owner,
    config: &CommandConfig<'_>,
    command: &Command,
    arguments: &[OsString],
) -> Result<ExitCode, CliError> {
    let input = Input::of(config, command)?;
    let files = open_inputs(config, command);
    if command.words == ["serve"] && !relay::has_terminal() {
        let mut program = program(owner, &files, &input, arguments, false)?;
        return Err(cant_become(owner, &program.exec()));
    }
    run(owner, &files, input, arguments, |out| relay::copy(out, io::stdout()))
}

/// The same, with these files and input; `take` reads its standard output.
pub(super) fn run(
    owner: Owner,
    files: &[(String, File)],
    input: Input,
    arguments: &[OsString],
    take: impl FnOnce(ChildStdout) -> io::Result<()>,
) -> Result<ExitCode, CliError> {
    let program = program(owner, files, &input, arguments, true)?;
    let (status, taken) = relay::run(program, input, take).map_err(|error| cant_become(owner, &error))?;
    taken?;
    relay::exit_code(status)
}

fn program(
    owner: Owner,
    files: &[(String, File)],
    input: &Input,
    arguments: &[OsString],
    is_child: bool,
) -> Result<process::Command, CliError> {
    let packed = Files::hand_over(files, input.stdin.as_fd(), owner, is_child)
        .or_fail("can't hand over what root opened")?;
    os::close_descriptors_on_exec(); // also what this process inherited
    let mut program = process::Command::new(THIS_PROGRAM);
    let is_passed = |name: &OsStr| {
        name.to_str().is_some_and(|name| VARIABLES.contains(&name) || name.starts_with("GATEKEY_"))
    };
    program.env_clear().envs(env::vars_os().filter(|(name, _)| is_passed(name)));
    program.env(files::FOR_ROOT, if io::stderr().is_terminal() { files::ON_TERMINAL } else { "" });
    program.stdin(packed).args(arguments);
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

/// Opens the input files of a command, if only root and the file's owner control their paths. The owner of the data
/// directory can read every file that is opened here. The new process opens the other files itself.
fn open_inputs(config: &CommandConfig<'_>, command: &Command) -> Vec<(String, File)> {
    let mut opened = Vec::new();
    for path in inputs(config, command) {
        let Ok(file) = files::open_safely(Path::new(&path)) else { continue };
        opened.push((path.clone(), file));
        // If it is a database, these belong to it.
        for part in ["-wal", "-journal"].map(|end| format!("{path}{end}")) {
            opened.extend(files::open_safely(Path::new(&part)).map(|file| (part, file)));
        }
    }
    opened
}

/// The paths of what a command reads besides the data directory.
fn inputs(config: &CommandConfig<'_>, command: &Command) -> Vec<String> {
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

/// Where root has to make a new file, since the owner may not write there: its path without symbolic links.
/// `None` where the owner can make it, who then decides what the path leads to.
///
/// # Errors
/// [`CliError`] where another user could lead root astray.
pub(super) fn place_for_file(owner: Owner, path: &Path) -> Result<Option<PathBuf>, CliError> {
    let directory = os::directory_of(path);
    let owners = walk(directory)?;
    match &owners.users[..] {
        [] if owners.last.is_whole_path => Ok(Some(owners.real.join(path.file_name().unwrap_or_default()))),
        [] => Ok(Some(path.into())), // it can't be made, as the attempt says
        [uid] if *uid == owner.uid => Ok(None),
        users => Err(CliError::Failed(format!(
            "user {} controls the path {}, so root makes no file there; name one in a directory of root's",
            users.first().copied().unwrap_or_default(),
            directory.display()
        ))),
    }
}
