//! Options of the commands on users.

use super::Opt;

pub(in crate::cli) const ALL: Opt =
    Opt { name: "all", value: None, default: None, help: "All users, instead of one." };
