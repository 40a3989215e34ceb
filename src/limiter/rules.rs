//! How often each thing may be done: what an operator may turn.

use core::time::Duration;

/// How often something may be done: so many times at once, then one more each time so long has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// So many at once; at least 1.
    pub burst: u32,
    /// One more each time so long has passed; at least a second.
    pub every: Duration,
}

impl RateLimit {
    /// So many at once, then one more every so many seconds.
    pub const fn new(burst: u32, every_seconds: u64) -> Self {
        Self { burst, every: Duration::from_secs(every_seconds) }
    }
}

/// How often each thing may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Wrong passwords from one address; a /48 of IPv6 has sixteen times as many.
    pub guesses_per_address: RateLimit,
    /// Wrong passwords for one name, from whatever addresses.
    pub guesses_per_user: RateLimit,
    /// Wrong passwords for one name from one address.
    pub guesses_per_user_and_address: RateLimit,
    /// Registrations from one address.
    pub registrations_per_address: RateLimit,
    /// Look-ups of users from one address.
    pub lookups_per_address: RateLimit,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            guesses_per_address: RateLimit::new(100, 60),
            guesses_per_user: RateLimit::new(100, 300),
            guesses_per_user_and_address: RateLimit::new(10, 600),
            registrations_per_address: RateLimit::new(20, 60),
            lookups_per_address: RateLimit::new(300, 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many wrong passwords somebody gets in on the first day, and on each day after that.
    fn per_day(RateLimit { burst, every }: RateLimit, times: u64) -> (u64, u64) {
        let later = times * 86_400 / every.as_secs();
        (u64::from(burst) * times + later, later)
    }

    #[test]
    fn the_documented_arithmetic_is_right() {
        let rules = Rules::default();
        let documented = [
            (rules.guesses_per_address, 1, "| client address (IPv6: /64) |", "| 100, one a minute |"),
            (rules.guesses_per_address, 16, "| IPv6 network (/48) |", "| sixteen times that |"),
            (rules.guesses_per_user, 1, "| user name, whoever has it |", "| 100, one in 5 minutes |"),
            (rules.guesses_per_user_and_address, 1, "| address and name |", "| 10, one in 10 minutes |"),
        ];
        for (allowance, times, name, default) in documented {
            let (first, later) = per_day(allowance, times);
            let line = include_str!("mod.rs").lines().find(|line| line.contains(name)).unwrap();
            assert!(line.ends_with(&format!("{default} {first}, {later} |")), "{line}: {first}, {later}");
        }
    }
}
