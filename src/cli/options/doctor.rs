//! Options of the commands that look at an installation and its machine.

use super::opt::Opt;

pub(in crate::cli) const ENV_FILE: Opt = Opt {
    name: "env-file",
    value: Some("FILE"),
    default: None,
    help: "The file with the service's variables, such as /etc/gatekey.conf, parsed as systemd does. They \
           take precedence over the environment.",
};
pub(in crate::cli) const RESET_CLOCK: Opt = Opt {
    name: "reset-clock",
    value: None,
    default: None,
    help: "Instead of checking: set every future time in the database to now. For a database whose clock \
           once ran ahead, while no server runs. Revokes all tokens.",
};
pub(in crate::cli) const MEMORY: Opt = Opt {
    name: "memory",
    value: Some("SIZE"),
    default: Some("64M"),
    help: "The memory for all concurrent hashes: bytes, or with K, M, G.",
};
pub(in crate::cli) const TARGET: Opt = Opt {
    name: "target",
    value: Some("DURATION"),
    default: Some("250ms"),
    help: "The longest acceptable time of a hash, and so of a login: 250ms, 1s, up to a minute.",
};
