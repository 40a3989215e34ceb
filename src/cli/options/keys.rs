//! Options of the commands on signing keys.

use super::opt::Opt;

pub(in crate::cli) const COMPROMISED: Opt = Opt {
    name: "compromised",
    value: None,
    default: None,
    help: "Remove all other keys at once, because an attacker may have them. Revokes all tokens.",
};
pub(in crate::cli) const SIGN: Opt = Opt {
    name: "sign",
    value: None,
    default: None,
    help: "Add the key as the newest, so that it signs from now on. Without this option it is the oldest and \
           only verifies.",
};
pub(in crate::cli) const WEAK: Opt = Opt {
    name: "weak",
    value: None,
    default: None,
    help: "Accept a secret of less than 16 bytes. It can be guessed from one token, and then allows anyone \
           to forge tokens.",
};
pub(in crate::cli) const FORCE: Opt = Opt {
    name: "force",
    value: None,
    default: None,
    help: "Accept a published secret. Anyone who has read it can forge tokens.",
};
