//! Checks of the database and the clock; the reset of future times.

use super::super::cli_error::{CliError, OrFail as _};
use super::super::output::print;
use super::finding::Finding;
use super::installation::{Installation, MAX_CLOCK_SKEW};
use crate::chain;
use crate::clock::{self, UnixTime};
use crate::data_dir::DataDir;
use crate::store::{FutureTimestamps, StoreError};
use std::process::ExitCode;

/// 2026-11-01, when this program was written: an earlier time is wrong.
const WRITTEN_AT: u64 = 1_793_491_200;

/// Checks integrity and schema version.
pub(super) fn database(installation: &Installation) -> Vec<Finding> {
    let name = installation.data_dir.database();
    let name = name.display();
    let finding = match installation.report() {
        Ok(found) => Finding::ok(format!("sound; users: {}, schema version: {}", found.users, found.version)),
        Err(StoreError::Missing | StoreError::Empty) if installation.data_dir.key_file().exists() => {
            Finding::failure(
                format!("there are keys, but {name} is missing or empty, and serving is refused"),
                "put it back, or a backup in its place: gatekey restore FILE; if these keys never had a database: gatekey serve \
             --new-database",
            )
        }
        Err(StoreError::Missing) => Finding::ok(format!("there is no {name} yet; gatekey serve makes it")),
        Err(StoreError::Empty) => Finding::warning(
            format!("there is nothing in {name}: the next start makes a new database of it"),
            "if there were users, put a backup in its place: gatekey restore FILE",
        ),
        Err(error) => Finding::failure(format!("{name}: {}", chain::describe(error)), advice(error)),
    };
    vec![finding]
}

fn advice(error: &StoreError) -> &'static str {
    match error {
        StoreError::Missing | StoreError::Empty => "gatekey serve makes one",
        StoreError::Newer { .. } => {
            "use the gatekey that made it, or put a backup from before back: gatekey restore FILE"
        }
        StoreError::Older { .. } => "move its users: docs/operations.md, section Upgrade",
        StoreError::Foreign(_) => {
            "if it is another program's, name another directory: --data; if it was ours, put a backup in its place: gatekey \
             restore FILE"
        }
        StoreError::Corrupt(_) => "stop the server, and put a backup in its place: gatekey restore FILE",
        StoreError::Unavailable(_) | StoreError::WouldBlock => "fix the cause, and try again",
    }
}

/// Checks that the clock is set, and that the database has no future times.
pub(super) fn clock(installation: &Installation) -> Vec<Finding> {
    let now = installation.now;
    if is_unset(now) {
        return vec![unset(now)];
    }
    let ahead = installation.report().as_ref().ok().map(|found| found.future_timestamps);
    vec![ahead.and_then(|ahead| judge(ahead, now)).unwrap_or_else(|| Finding::ok(format!("it is {now}")))]
}

fn is_unset(now: UnixTime) -> bool {
    now.seconds() < WRITTEN_AT
}

fn unset(now: UnixTime) -> Finding {
    Finding::failure(
        format!("it is {now} by the clock, which is wrong: token expiry depends on it"),
        "set the clock, for example by NTP, before the server starts",
    )
}

/// The finding about future times; `None` if there are none to report.
fn judge(
    FutureTimestamps { newest_time, tokens_not_before, others }: FutureTimestamps,
    now: UnixTime,
) -> Option<Finding> {
    let advice = "if the clock is behind, set it; if it once ran ahead, stop the server and: gatekey doctor --reset-clock";
    let latest = now.saturating_add(MAX_CLOCK_SKEW);
    if tokens_not_before > newest_time.max(latest) {
        let says =
            format!("it is {now}, but tokens issued before {tokens_not_before} are rejected: all tokens are");
        return Some(Finding::failure(says, advice));
    }
    if newest_time > latest {
        let says = format!(
            "it is {now}, but the newest time in the database is {newest_time}: the server continues from there"
        );
        return Some(Finding::warning(says, advice));
    }
    (others > 0).then(|| {
        let says =
            format!("it is {now}, but times in the database are later (of addresses, keys, users): {others}");
        Finding::warning(says, advice)
    })
}

pub(super) fn reset_clock(data_dir: &DataDir) -> Result<ExitCode, CliError> {
    let now = clock::unix();
    if is_unset(now) {
        return Err(CliError::Failed(format!(
            "can't reset the clock: it shows {now}, which is wrong; set it first"
        )));
    }
    data_dir.reset_clock(now).or_fail("can't reset the clock")?;
    print(&format!(
        "times later than {now} were set to {now}\n\
         All tokens are revoked, and all users must log in again: otherwise expired tokens would be valid again, and \
         tokens issued while the clock was ahead would live too long.\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::new(seconds).unwrap()
    }

    #[test]
    fn a_minute_ahead_is_tolerated_and_a_second_more_is_not() {
        let now = at(WRITTEN_AT);
        let ahead = |newest, not_before, others| FutureTimestamps {
            newest_time: at(WRITTEN_AT + newest),
            tokens_not_before: at(WRITTEN_AT + not_before),
            others,
        };
        let verdict = |ahead| judge(ahead, now).map(|finding| finding.says);
        assert_eq!(verdict(ahead(0, 0, 0)), None);
        assert_eq!(verdict(ahead(60, 60, 0)), None);
        let says = "it is 2026-11-01T00:00:00Z, but the newest time in the database is 2026-11-01T00:01:01Z: the server \
                    continues from there";
        assert_eq!(verdict(ahead(61, 61, 1)).unwrap(), says);
        let says = "it is 2026-11-01T00:00:00Z, but tokens issued before 2026-11-01T00:01:01Z are rejected: all tokens are";
        assert_eq!(verdict(ahead(60, 61, 0)).unwrap(), says);
        assert_eq!(judge(ahead(60, 61, 0), now).unwrap().severity, super::super::finding::Severity::Failure);
        let says =
            "it is 2026-11-01T00:00:00Z, but times in the database are later (of addresses, keys, users): 2";
        assert_eq!(verdict(ahead(0, 0, 2)).unwrap(), says);
    }

    #[test]
    fn a_clock_that_was_never_set_is_found() {
        assert!(is_unset(at(0)) && is_unset(at(WRITTEN_AT - 1)) && !is_unset(at(WRITTEN_AT)));
        assert_eq!(at(WRITTEN_AT).to_string(), "2026-11-01T00:00:00Z");
        assert!(!is_unset(clock::unix()));
        assert_eq!(
            unset(at(0)).says,
            "it is 1970-01-01T00:00:00Z by the clock, which is wrong: token expiry depends on it"
        );
    }
}
