//! Options: the parser, the help, and whatever else speaks of options reads them here.
//!
//! Each command lists the options that it takes.

mod data;
mod doctor;
mod guessing;
mod hashing;
mod importing;
mod keys;
mod opt;
mod rules;
mod serving;
mod users;

pub(super) use data::*;
pub(super) use doctor::*;
pub(super) use guessing::*;
pub(super) use hashing::*;
pub(super) use importing::*;
pub(super) use keys::*;
pub(super) use opt::Opt;
pub(super) use rules::*;
pub(super) use serving::*;
pub(super) use users::*;

/// Every option of every command, in the order in which help shows them.
pub(super) const OPTIONS: &[&Opt] = &[
    &LISTEN,
    &DATA,
    &KEY_FILE,
    &NEW_DATABASE,
    &TOKEN_LIFETIME,
    &MAX_SESSION,
    &SCRYPT,
    &MAX_HASH_MEMORY,
    &HASH_SLOTS,
    &HASH_QUEUE,
    &PASSWORD_CACHE,
    &REGISTRATION,
    &MIN_PASSWORD_LENGTH,
    &PUBLIC_URL,
    &USER_LOOKUP,
    &THROTTLE,
    &GUESSES_PER_ADDRESS,
    &GUESSES_PER_USER,
    &GUESSES_PER_USER_AND_ADDRESS,
    &REGISTRATIONS_PER_ADDRESS,
    &LOOKUPS_PER_ADDRESS,
    &TRUSTED_PROXY,
    &CORS_ORIGIN,
    &NO_PAGE,
    &ALLOW_CLEARTEXT,
    &LOOP,
    &MAX_CONNECTIONS,
    &MAX_CONNECTIONS_PER_ADDRESS,
    &EVENT_LOOPS,
    &REQUEST_TIMEOUT,
    &IDLE_TIMEOUT,
    &MAX_HEAD,
    &MAX_BODY,
    &LOG,
    &METRICS,
    &PASSWORD_STDIN,
    &JSON,
    &ALL,
    &YES,
    &FORMAT,
    &RENAME,
    &DRY_RUN,
    &SKIP_BAD,
    &AT,
    &COMPROMISED,
    &SIGN,
    &WEAK,
    &FORCE,
    &ENV_FILE,
    &RESET_CLOCK,
    &MEMORY,
    &TARGET,
];

/// The same.
pub(super) fn all() -> impl Iterator<Item = &'static Opt> {
    OPTIONS.iter().copied()
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
