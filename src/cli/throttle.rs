//! `gatekey throttle …`: whose names are being guessed at; and letting everybody try again.

use super::commands::{self, Command};
use super::options;
use super::settings::Settings;
use super::{Failure, log, table, user};
use crate::clock::{self, UnixTime};
use crate::realm::{FailedGuesses, Policy, Realm};
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use std::io::{self, Write as _};
use std::process::ExitCode;

pub(super) const LIST: Command = Command {
    words: &["throttle", "list"],
    operands: &[],
    summary: "List users for whose names wrong passwords are counted.",
    details: "One line a user: how many wrong passwords count, how many may, when all are forgotten. Past that many, \
              the user logs in only from where that user has logged in before. Of a running server, these are the \
              counters it saved last, up to 10 s ago; give the same --guesses-per-user as the server. Addresses are \
              kept only as hashes and can't be listed, nor what was wrong at one from which that user has logged in \
              before: whoever is not in the list may still be answered 429. The server's log says why.",
    example: "gatekey throttle list --data /var/lib/gatekey",
    options: &[&options::DATA, &options::KEY_FILE, &options::GUESSES_PER_USER],
    run: list,
};

fn list(settings: &Settings<'_>, _: &[String]) -> Result<ExitCode, Failure> {
    let now = clock::now();
    let realm = open(settings)?;
    let failed =
        realm.failed_guesses(now).map_err(|error| Failure::failed("can't read the counters", &error))?;
    let header = ["FAILED", "OF", "FORGOTTEN", "NAME"].map(String::from).to_vec();
    let rows: Vec<_> =
        [header].into_iter().chain(failed.iter().map(|failed| row(failed, now.unix))).collect();
    io::stdout().lock().write_all(table(&rows).as_bytes())?;
    if failed.is_empty() {
        log::notice("no user's name is being guessed at");
    }
    Ok(ExitCode::SUCCESS)
}

fn row(FailedGuesses { username, count }: &FailedGuesses, now: UnixTime) -> Vec<String> {
    let forgotten_at = now.saturating_add(count.forgotten_in).to_string();
    [count.failures.to_string(), count.allowed.to_string(), forgotten_at, username.clone()].into()
}

pub(super) const CLEAR: Command = Command {
    words: &["throttle", "clear"],
    operands: &[],
    summary: "Forget every wrong password, registration and look-up that was counted.",
    details: "Whoever was answered 429 may try again. A running server sees it at the next login.",
    example: "gatekey throttle clear --data /var/lib/gatekey",
    options: &commands::DATA,
    run: clear,
};

fn clear(settings: &Settings<'_>, _: &[String]) -> Result<ExitCode, Failure> {
    let cleared = open(settings)?.clear_failed_guesses(clock::now());
    cleared.map_err(|error| Failure::failed("can't clear the counters", &error))?;
    writeln!(io::stdout().lock(), "forgot every wrong password, registration and look-up that was counted")?;
    Ok(ExitCode::SUCCESS)
}

/// The realm with its counters.
fn open(settings: &Settings<'_>) -> Result<Realm, Failure> {
    let throttle = Some(settings.throttle_rules()?.unwrap_or_default());
    user::open_with(settings, Policy { throttle, ..settings.policy()? })
}
