//! Options of the commands on users.

use super::opt::Opt;

pub(in crate::cli) const YES: Opt =
    Opt { name: "yes", value: None, default: None, help: "Don't ask on a terminal whether to go on." };
pub(in crate::cli) const ALL: Opt =
    Opt { name: "all", value: None, default: None, help: "All users, instead of one." };
