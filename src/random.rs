//! Random bytes by the system call getrandom(2), which needs no file: it works in a chroot without `/dev`.

use rustix::io;
use rustix::rand::{self, GetRandomFlags};

/// getrandom(2) failed.
#[derive(Debug, thiserror::Error)]
#[error(
    "can't get random bytes from the operating system: the system call getrandom failed: {0}; it needs Linux 3.17 \
     or newer, and a seccomp filter must allow it"
)]
pub struct RandomError(io::Errno);

/// Cryptographically secure random bytes. Blocks until the kernel's generator is seeded, early after boot.
///
/// ```
/// assert_ne!(gatekey::random::bytes::<16>()?, gatekey::random::bytes::<16>()?);
/// # Ok::<(), gatekey::random::RandomError>(())
/// ```
///
/// # Errors
/// [`RandomError`] if the system call fails.
pub fn bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    fill(&mut bytes).map_err(RandomError)?;
    Ok(bytes)
}

fn fill(mut rest: &mut [u8]) -> io::Result<()> {
    while !rest.is_empty() {
        let filled = io::retry_on_intr(|| rand::getrandom(&mut *rest, GetRandomFlags::empty()))?;
        rest = rest.get_mut(filled..).expect("getrandom fills at most the buffer");
    }
    Ok(())
}
