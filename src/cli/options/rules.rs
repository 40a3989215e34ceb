//! Options that are rules: who may register, what a password is, how long a token lives.

use super::Opt;

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
    help: "How long tokens may be renewed by tokens before the password must be shown again.",
};
pub(in crate::cli) const REGISTRATION: Opt = Opt {
    name: "registration",
    value: Some("open|closed"),
    default: Some("open"),
    help: "Whether strangers may register. When closed, gatekey user add is the only way.",
};
pub(in crate::cli) const MIN_PASSWORD_LENGTH: Opt = Opt {
    name: "min-password-length",
    value: Some("CHARACTERS"),
    default: Some("1"),
    help: "The least number of characters of a new password, 1 to 256.",
};
pub(in crate::cli) const USER_LOOKUP: Opt = Opt {
    name: "user-lookup",
    value: Some("public|self"),
    default: None,
    help: "Whose name GET /api/users/ID tells: anybody's, or one's own. Default: self when registration is closed, \
           else public.",
};
pub(in crate::cli) const AT: Opt = Opt {
    name: "at",
    value: Some("UNIXTIME"),
    default: None,
    help: "Judge the token as if it were this second since 1970. Default: now.",
};
