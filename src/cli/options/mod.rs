//! Options: the parser, the help, and whatever else speaks of options reads them here.
//!
//! Which command takes which option stands with the command; the table of all is made from that.

mod data;
mod doctor;
mod guessing;
mod hashing;
mod importing;
mod keys;
mod rules;
mod serving;
mod users;

use super::commands::COMMANDS;
use alloc::format;
use alloc::string::String;
pub(super) use data::*;
pub(super) use doctor::*;
pub(super) use guessing::*;
pub(super) use hashing::*;
pub(super) use importing::*;
pub(super) use keys::*;
pub(super) use rules::*;
pub(super) use serving::*;
pub(super) use users::*;

/// One option.
#[derive(Debug)]
pub(super) struct Opt {
    /// The name, without the two dashes.
    pub(super) name: &'static str,
    /// What its value is called in help; `None` for a flag.
    pub(super) value: Option<&'static str>,
    /// The value where neither argument nor environment gives one.
    pub(super) default: Option<&'static str>,
    /// What it does.
    pub(super) help: &'static str,
}

impl Opt {
    /// The environment variable that stands in for it: `--token-lifetime` is `GATEKEY_TOKEN_LIFETIME`.
    pub(super) fn variable(&self) -> String {
        format!("GATEKEY_{}", self.name.replace('-', "_").to_ascii_uppercase())
    }
}

/// Every option that any command takes, again for each that does.
pub(super) fn all() -> impl Iterator<Item = &'static Opt> {
    COMMANDS.iter().flat_map(|command| command.options).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_options() {
        for option in all() {
            assert!(
                all().all(|other| other.name != option.name || other.help == option.help),
                "{}",
                option.name
            );
        }
    }

    #[test]
    fn a_variable_is_named_after_its_option() {
        assert_eq!(MIN_PASSWORD_LENGTH.variable(), "GATEKEY_MIN_PASSWORD_LENGTH");
    }
}
