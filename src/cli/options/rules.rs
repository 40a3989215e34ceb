//! Options that are rules: who may register, what a password is, how long a token lives.

use super::opt::Opt;

pub(in crate::cli) const TOKEN_LIFETIME: Opt = Opt {
    name: "token-lifetime",
    value: Some("DURATION"),
    default: Some("10m"),
    help: "How long a token is valid: 90 (seconds), 10m, 24h, 30d.",
};
pub(in crate::cli) const MAX_SESSION: Opt = Opt {
    name: "max-session",
    value: Some("DURATION"),
    default: Some("30d"),
    help: "How long tokens can be renewed by tokens before the password is required again.",
};
pub(in crate::cli) const REGISTRATION: Opt = Opt {
    name: "registration",
    value: Some("open|closed"),
    default: Some("open"),
    help: "Whether anyone may register. If closed, only gatekey user add and user import create users.",
};
pub(in crate::cli) const MIN_PASSWORD_LENGTH: Opt = Opt {
    name: "min-password-length",
    value: Some("CHARACTERS"),
    default: Some("1"),
    help: "Minimum length of a new password, in characters, 1 to 256.",
};
pub(in crate::cli) const USER_LOOKUP: Opt = Opt {
    name: "user-lookup",
    value: Some("public|self"),
    default: None,
    help: "Whose name GET /api/users/ID returns: any user's, or only one's own. Default: self if \
           registration is closed, else public.",
};
pub(in crate::cli) const AT: Opt = Opt {
    name: "at",
    value: Some("UNIXTIME"),
    default: None,
    help: "Verify the token as of this time, in seconds since 1970. Default: now.",
};
