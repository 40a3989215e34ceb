//! The two things of the operating system that the standard library doesn't offer.

use rustix::fs::Mode;
use rustix::process;

/// From here on, files and directories that this process makes are for its user alone.
pub fn make_new_files_private() {
    process::umask(Mode::RWXG | Mode::RWXO);
}

/// The user and group that this process acts as: (uid, gid).
pub fn effective_ids() -> (u32, u32) {
    (process::geteuid().as_raw(), process::getegid().as_raw())
}
