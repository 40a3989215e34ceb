//! Cost of a hash: scrypt's three parameters (RFC 7914 section 2).

#![warn(clippy::arithmetic_side_effects)]

use core::fmt;
use core::ops::RangeInclusive;
use core::str::FromStr;

/// scrypt's parameters, each within its range, written `ln=14,r=8,p=5`.
///
/// A hash takes 128 × r × 2^ln bytes of memory, and time proportional to that and to p.
///
/// ```
/// use gatekey::password::Cost;
/// assert_eq!("ln=14,r=8,p=5".parse::<Cost>()?.memory_bytes(), 16 << 20);
/// # Ok::<(), gatekey::password::CostError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    log_n: u8,
    r: u32,
    p: u32,
}

impl Cost {
    /// 16 MiB: one of five equivalent settings in OWASP's password storage cheat sheet.
    pub const DEFAULT: Self = Self { log_n: 14, r: 8, p: 5 };
    /// Base-2 logarithm of N, the number of blocks.
    pub const LOG_N: RangeInclusive<u8> = 1..=20;
    /// r: block size, in units of 128 bytes.
    pub const R: RangeInclusive<u32> = 1..=32;
    /// p: number of passes.
    pub const P: RangeInclusive<u32> = 1..=16;

    /// A cost of these parameters.
    ///
    /// # Errors
    /// [`CostError`] if one is out of its range, or if the memory of a hash exceeds what this machine can address.
    pub fn new(log_n: u8, r: u32, p: u32) -> Result<Self, CostError> {
        let in_range = Self::LOG_N.contains(&log_n) && Self::R.contains(&r) && Self::P.contains(&p);
        // RFC 7914 section 2: N < 2^(128 * r / 8).
        let within_rfc = in_range && u32::from(log_n) < r.saturating_mul(16);
        let cost = Self { log_n, r, p };
        if within_rfc && isize::try_from(cost.memory_bytes()).is_ok() { Ok(cost) } else { Err(CostError) }
    }

    /// Base-2 logarithm of N.
    pub const fn log_n(self) -> u8 {
        self.log_n
    }

    /// r.
    pub const fn r(self) -> u32 {
        self.r
    }

    /// p.
    pub const fn p(self) -> u32 {
        self.p
    }

    /// Memory of one hash: 128 × r × 2^ln bytes, at most 4 GiB.
    pub const fn memory_bytes(self) -> u64 {
        128_u64.saturating_mul(self.r as u64) << self.log_n
    }
}

impl Default for Cost {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { log_n, r, p } = self;
        write!(f, "ln={log_n},r={r},p={p}")
    }
}

impl FromStr for Cost {
    type Err = CostError;

    fn from_str(text: &str) -> Result<Self, CostError> {
        let mut parameters = text.split(',');
        let mut number = |prefix: &str| {
            let digits = parameters.next()?.strip_prefix(prefix)?;
            let canonical = digits.starts_with(|c: char| matches!(c, '1'..='9'));
            if canonical { digits.parse::<u32>().ok() } else { None }
        };
        let (log_n, r, p) = (number("ln="), number("r="), number("p="));
        match (log_n.map(u8::try_from), r, p, parameters.next()) {
            (Some(Ok(log_n)), Some(r), Some(p), None) => Self::new(log_n, r, p),
            _ => Err(CostError),
        }
    }
}

/// The parameters are not written `ln=…,r=…,p=…`, or one is out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected scrypt parameters as ln=14,r=8,p=5 with ln 1 to 20, r 1 to 32, p 1 to 16, ln < 16 r")]
pub struct CostError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_reads_as_it_is_written() {
        for text in ["ln=14,r=8,p=5", "ln=1,r=1,p=1", "ln=20,r=8,p=16", "ln=15,r=1,p=1"] {
            assert_eq!(text.parse::<Cost>().unwrap().to_string(), text);
        }
        assert_eq!(Cost::DEFAULT.to_string(), "ln=14,r=8,p=5");
        assert_eq!(Cost::DEFAULT.memory_bytes(), 16 << 20);
        // 32-bit machines can't address the largest.
        let largest = "ln=20,r=32,p=1".parse::<Cost>().map(Cost::memory_bytes);
        assert_eq!(largest, if cfg!(target_pointer_width = "64") { Ok(4 << 30) } else { Err(CostError) });
    }

    #[test]
    fn hostile_and_sloppy_parameters_are_rejected() {
        for text in [
            "",
            "ln=0,r=8,p=1",
            "ln=21,r=8,p=1",
            "ln=63,r=8,p=1",
            "ln=256,r=8,p=1",
            "ln=14,r=0,p=1",
            "ln=14,r=33,p=1",
            "ln=14,r=4294967295,p=1",
            "ln=14,r=8,p=0",
            "ln=14,r=8,p=17",
            "ln=16,r=1,p=1",
            "ln=14,r=8",
            "r=8,ln=14,p=1",
            "ln=14,r=8,p=1,p=1",
            "ln=14,r=8,p=1,",
            "ln=014,r=8,p=1",
            "ln=+14,r=8,p=1",
            " ln=14,r=8,p=1",
            "ln=14, r=8,p=1",
            "ln=-1,r=8,p=1",
            "ln=14,r=8,p=99999999999999999999",
        ] {
            assert_eq!(text.parse::<Cost>(), Err(CostError), "{text:?}");
        }
    }
}
