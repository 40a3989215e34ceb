//! `gatekey throttle …`: list and clear the counters of the rate limiter.

use super::cli_error::{CliError, OrFail as _};
use super::command::{Command, Run};
use super::config::CommandConfig;
use super::options;
use super::output::List;
use super::user;
use super::user_list::{MOMENT_WIDTH, PAGE};
use crate::clock::{self, UnixTime};
use crate::json::{Value, json};
use crate::realm::{FailedAttempts, Policy, Realm};
use crate::server::log;
use std::io::{self, BufWriter, Write as _};
use std::process::ExitCode;

/// Digits of a limit in practice.
const COUNT_WIDTH: usize = 5;

pub(super) const LIST: Command = Command {
    words: &["throttle", "list"],
    operands: &[],
    summary: "List the users whose names have failed passwords in the rate limiter.",
    details: "One line per user: how many failed passwords count, how many may, and when all have expired. \
              Beyond that number, the user can log in only from addresses of earlier logins. For a running \
              server, these are the counters saved last, up to 10 s ago; give the same --guesses-per-user as \
              the server. Addresses are stored only as hashes and can't be listed. Nor can failures at an \
              address of earlier logins, so a user who is not listed may still be answered 429. The server's \
              log has the reason. With --json an array of objects, times in Unix seconds.",
    example: "gatekey throttle list --data /var/lib/gatekey",
    options: &[options::DATA_OPTIONS, &[&options::GUESSES_PER_USER, &options::JSON]],
    run: Run::Plain(list),
};

fn list(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    let (now, is_json) = (clock::now(), config.options.json);
    let realm = open(config)?;
    let out = BufWriter::new(io::stdout().lock());
    let mut list = if is_json {
        List::of_json(out)?
    } else {
        List::of_lines(out, &[("FAILED", 0), ("OF", COUNT_WIDTH), ("FORGOTTEN", MOMENT_WIDTH), ("NAME", 0)])
    };
    let mut after = None;
    loop {
        let page = realm.failed_attempts(after, PAGE, now);
        let (failed, last_id) = page.or_fail("can't read the counters")?;
        for failed in &failed {
            list.push(|| cells(failed, now.unix), || object(failed, now.unix))?;
        }
        match last_id {
            Some(id) => after = Some(id),
            None => break,
        }
    }
    if list.end()? && !is_json {
        log::notice(
            "no user has failed attempts from new addresses, as of the last save (every 10 s). If a user still gets 429: \
             gatekey throttle clear, or gatekey token issue NAME",
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn cells(FailedAttempts { username, count }: &FailedAttempts, now: UnixTime) -> Vec<String> {
    let forgotten_at = now.saturating_add(count.forgotten_in).to_string();
    [count.failures.to_string(), count.allowed.to_string(), forgotten_at, username.clone()].into()
}

fn object(FailedAttempts { username, count }: &FailedAttempts, now: UnixTime) -> Value {
    let forgotten_at = now.saturating_add(count.forgotten_in).seconds();
    json!({
        "username": username,
        "failed": count.failures,
        "allowed": count.allowed,
        "forgotten_at": forgotten_at,
    })
}

pub(super) const CLEAR: Command = Command {
    words: &["throttle", "clear"],
    operands: &[],
    summary: "Reset the rate limiter: failed passwords, registrations and look-ups.",
    details: "Clients that were answered 429 may try again. A running server applies it at the next login.",
    example: "gatekey throttle clear --data /var/lib/gatekey",
    options: &[options::DATA_OPTIONS],
    run: Run::Plain(clear),
};

fn clear(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    open(config)?.clear_failed_attempts(clock::now()).or_fail("can't clear the counters")?;
    writeln!(io::stdout().lock(), "forgot every wrong password, registration and look-up that was counted")?;
    Ok(ExitCode::SUCCESS)
}

/// Opens the realm with its rate limiter.
fn open(config: &CommandConfig<'_>) -> Result<Realm, CliError> {
    user::open_with(config, Policy { rate_limits: Some(config.rate_limits()), ..config.policy()? })
}
