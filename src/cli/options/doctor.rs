//! Options of the commands that look at an installation and its machine.

use super::Opt;

pub(in crate::cli) const ENV_FILE: Opt = Opt {
    name: "env-file",
    value: Some("FILE"),
    default: None,
    help: "The file with the service's variables, such as /etc/gatekey.conf, read as systemd reads it; they go before \
           those of the environment.",
};
pub(in crate::cli) const RESET_CLOCK: Opt = Opt {
    name: "reset-clock",
    value: None,
    default: None,
    help: "Instead of looking: take back to now whatever in the database lies in the future because the clock once ran \
           ahead, while no server runs. Everybody must log in again.",
};
pub(in crate::cli) const MEMORY: Opt = Opt {
    name: "memory",
    value: Some("SIZE"),
    default: Some("64M"),
    help: "What all hashes at once may take: bytes, or with K, M, G.",
};
pub(in crate::cli) const TARGET: Opt = Opt {
    name: "target",
    value: Some("DURATION"),
    default: Some("250ms"),
    help: "How long a hash may take, and so a login: 250ms, 1s, up to a minute.",
};
