//! `gatekey doctor`: finds problems of an installation, with advice.
//!
//! It takes the options and variables of the server, to check that server. It changes nothing and can run
//! beside a server, except with `--reset-clock`.
//!
//! | file | what |
//! |---|---|
//! | `finding.rs` | the result of a check |
//! | `installation.rs` | the installation as the server would see it |
//! | `files.rs` | the data directory, its files, the signing keys |
//! | `database.rs` | the database and the clock; `--reset-clock` |
//! | `machine.rs` | disk space, descriptors, the cost of a hash |
//! | `network.rs` | cleartext, reverse proxies, rate limits and registration |

mod database;
mod files;
mod finding;
mod installation;
mod machine;
mod network;

use super::cli_error::CliError;
use super::command::{Command, Run};
use super::config::CommandConfig;
use super::options;
use super::output::json_text;
use super::progress;
use crate::json::Value;
use crate::realm::Policy;
use crate::signer::KeyRing;
use finding::{Finding, Severity};
use installation::Installation;
use std::io::{self, Write as _};
use std::process::ExitCode;

pub(super) const DOCTOR: Command = Command {
    words: &["doctor"],
    operands: &[],
    summary: "Find problems of an installation, and print what to do.",
    details: "Run it with the options and environment of the server, as the server's user. It changes \
              nothing and may run beside a server. One line per finding: ok, warning or failure, with what \
              to do below. With --json an array of objects with check, verdict, says and do. Exit status 1 \
              if something fails.",
    example: "gatekey doctor --data /var/lib/gatekey --env-file /etc/gatekey.conf",
    options: &[&[&options::ENV_FILE], options::SERVE_OPTIONS, &[&options::JSON, &options::RESET_CLOCK]],
    run: Run::Plain(doctor),
};

/// A check: its name and function. It has at least one finding.
type Check = (&'static str, fn(&Installation) -> Vec<Finding>);

const CHECKS: [Check; 14] = [
    ("options", options),
    ("directory", files::directory),
    ("files", files::files),
    ("keys", files::keys),
    ("leftovers", files::leftovers),
    ("database", database::database),
    ("clock", database::clock),
    ("space", machine::space),
    ("limits", machine::limits),
    ("hashing", machine::hashing),
    ("exposure", network::exposure),
    ("proxy", network::proxy),
    ("passwords", network::passwords),
    ("sign-in", network::sign_in),
];

/// The configuration that serve would run: the options that differ from their defaults.
fn options(installation: &Installation) -> Vec<Finding> {
    match &installation.options[..] {
        [] => vec![Finding::ok("every option has its default")],
        options => options.iter().map(Finding::ok).collect(),
    }
}

/// What makes passwords or tokens easy to guess. The server logs it when it starts.
pub(super) fn weak_settings(policy: &Policy, ring: &KeyRing) -> impl Iterator<Item = String> {
    let found = network::weak_rules(policy).into_iter().chain(files::weak_keys(ring));
    found.map(|Finding { says, advice, .. }| format!("{says}; {}", advice.unwrap_or_default()))
}

fn doctor(config: &CommandConfig<'_>) -> Result<ExitCode, CliError> {
    if config.options.reset_clock {
        return database::reset_clock(&config.data_dir);
    }
    let (is_json, installation) = (config.options.json, Installation::new(config)?);
    let mut out = io::stdout().lock();
    let (mut severities, mut objects) = (Vec::new(), Vec::new());
    for (name, check) in CHECKS {
        for finding in progress::watched(name, || check(&installation)) {
            severities.push(finding.severity);
            if is_json {
                objects.push(finding.json(name));
            } else {
                // Flushed for each, since some checks take seconds.
                out.write_all(finding.text(name).as_bytes())?;
                out.flush()?;
            }
        }
    }
    let count = |severity| severities.iter().filter(|found| **found == severity).count();
    let failures = count(Severity::Failure);
    if is_json {
        writeln!(out, "{}", json_text(&Value::Array(objects)))?;
    } else {
        let (fine, warnings) = (count(Severity::Ok), count(Severity::Warning));
        writeln!(out, "ok: {fine}, warnings: {warnings}, failures: {failures}")?;
    }
    Ok(ExitCode::from(u8::from(failures > 0)))
}
