//! Random bytes from the operating system's generator: the getrandom(2) system call, and nothing else.
//!
//! The call is made directly and not through the C library. It needs no file, so a process in a chroot without `/dev` has
//! random bytes too, however the program is linked.

use core::fmt;
use rustix::io;
use rustix::rand::{self, GetRandomFlags};

/// The operating system returned no random bytes: no salt and no key can be made.
#[derive(Debug)]
pub struct RandomError(io::Errno);

impl fmt::Display for RandomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "can't get random bytes from the operating system: the system call getrandom failed: {}; it needs Linux 3.17 \
             or newer, and a seccomp filter must allow it",
            self.0
        )
    }
}

impl core::error::Error for RandomError {}

/// An array of unpredictable bytes. Blocks while the kernel's generator has no seed yet, early after boot.
///
/// # Errors
/// [`RandomError`] if the system call fails.
pub fn bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    let mut rest = bytes.as_mut_slice();
    while !rest.is_empty() {
        let filled = io::retry_on_intr(|| rand::getrandom(&mut *rest, GetRandomFlags::empty()));
        rest = rest.get_mut(filled.map_err(RandomError)?..).unwrap_or_default();
    }
    Ok(bytes)
}
