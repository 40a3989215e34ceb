//! Options of the commands on signing keys.

use super::Opt;

pub(in crate::cli) const COMPROMISED: Opt = Opt {
    name: "compromised",
    value: None,
    default: None,
    help: "Drop all other keys at once, because somebody else may have them: every token dies, and everybody must log in \
           again.",
};
pub(in crate::cli) const SIGN: Opt = Opt {
    name: "sign",
    value: None,
    default: None,
    help: "Put the key newest, so that it signs from now on; without this it is the oldest and only verifies.",
};
pub(in crate::cli) const WEAK: Opt = Opt {
    name: "weak",
    value: None,
    default: None,
    help: "Take a secret of less than 16 bytes too. It can be guessed from one token, and whoever has guessed it can \
           act as anybody.",
};
pub(in crate::cli) const FORCE: Opt = Opt {
    name: "force",
    value: None,
    default: None,
    help: "Take a secret that stands in print too: whoever has read it can act as anybody.",
};
