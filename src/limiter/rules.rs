//! Limits of the rate limiter: the options that an administrator can change.

use core::time::Duration;

/// A rate limit: a burst, then one attempt per interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Attempts at once; at least 1.
    pub burst: u32,
    /// Interval after which one more is allowed; at least a second.
    pub every: Duration,
}

impl RateLimit {
    /// A limit of `burst` attempts, then one every `every_seconds`.
    pub const fn new(burst: u32, every_seconds: u64) -> Self {
        Self { burst, every: Duration::from_secs(every_seconds) }
    }
}

/// All rate limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Failed passwords from one address; an IPv6 /48 has sixteen times as many.
    pub attempts_per_address: RateLimit,
    /// Failed passwords for one name, from all addresses.
    pub attempts_per_user: RateLimit,
    /// Failed passwords for one name from one address.
    pub attempts_per_user_and_address: RateLimit,
    /// Registrations from one address.
    pub registrations_per_address: RateLimit,
    /// Look-ups of users from one address.
    pub lookups_per_address: RateLimit,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            attempts_per_address: RateLimit::new(100, 60),
            attempts_per_user: RateLimit::new(100, 300),
            attempts_per_user_and_address: RateLimit::new(10, 600),
            registrations_per_address: RateLimit::new(20, 60),
            lookups_per_address: RateLimit::new(300, 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attempts on the first day, and on each later day.
    fn per_day(RateLimit { burst, every }: RateLimit, multiplier: u64) -> (u64, u64) {
        let later = multiplier * 86_400 / every.as_secs();
        (u64::from(burst) * multiplier + later, later)
    }

    #[test]
    fn the_documented_arithmetic_is_right() {
        let rules = Rules::default();
        let documented = [
            (rules.attempts_per_address, 1, "| client address (IPv6: /64) |", "| 100, one a minute |"),
            (rules.attempts_per_address, 16, "| IPv6 network (/48) |", "| sixteen times that |"),
            (rules.attempts_per_user, 1, "| user name, known or not |", "| 100, one in 5 minutes |"),
            (rules.attempts_per_user_and_address, 1, "| address and name |", "| 10, one in 10 minutes |"),
        ];
        for (limit, multiplier, name, default) in documented {
            let (first, later) = per_day(limit, multiplier);
            let line = include_str!("mod.rs").lines().find(|line| line.contains(name)).unwrap();
            assert!(line.ends_with(&format!("{default} {first}, {later} |")), "{line}: {first}, {later}");
        }
    }
}
