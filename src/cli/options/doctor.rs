//! Options of the commands that look at an installation and its machine.

use super::Opt;

pub(in crate::cli) const RESET_CLOCK: Opt = Opt {
    name: "reset-clock",
    value: None,
    default: None,
    help: "Instead of looking: take back to now whatever in the database lies in the future because the clock once ran \
           ahead, while no server runs. Everybody must log in again.",
};
