//! Clocks: Unix time for timestamps, monotonic time for deadlines and rate limits.
//!
//! Only [`now`], [`unix`] and [`monotonic`] read the system's clocks. Everything below the server takes the
//! time as an argument, so that tests choose it. Unix time is in whole seconds without leap seconds (RFC 7519
//! section 2, NumericDate).

use alloc::string::String;
use core::fmt;
use core::time::Duration;

/// Unix time: seconds since 1970-01-01T00:00:00Z, from 0 to 2^53 - 1, the integers that are exact in JSON
/// (RFC 8259 section 6).
///
/// ```
/// let at = gatekey::clock::UnixTime::new(1_795_460_206).unwrap();
/// assert_eq!(at.to_string(), "2026-11-23T18:56:46Z");
/// assert_eq!(at.http_date(), "Mon, 23 Nov 2026 18:56:46 GMT");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);
    /// The last time: 2^53 - 1 seconds.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// From seconds since 1970; `None` beyond [`UnixTime::MAX`].
    pub const fn new(seconds: u64) -> Option<Self> {
        if seconds <= Self::MAX.0 { Some(Self(seconds)) } else { None }
    }

    /// Seconds since 1970.
    pub const fn seconds(self) -> u64 {
        self.0
    }

    /// Adds whole seconds, up to [`UnixTime::MAX`].
    #[must_use]
    pub const fn saturating_add(self, after: Duration) -> Self {
        let seconds = self.0.saturating_add(after.as_secs());
        if seconds <= Self::MAX.0 { Self(seconds) } else { Self::MAX }
    }

    /// The time since `earlier`, or zero.
    pub const fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }

    /// Formats an HTTP date (RFC 9110 section 5.6.7): `Mon, 23 Nov 2026 18:56:46 GMT`. After the year 9999 it
    /// is that year's last second.
    pub fn http_date(self) -> String {
        const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]; // day 0 was a Thursday
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        const END_OF_9999: u64 = 253_402_300_799;
        let at = Self(self.0.min(END_OF_9999));
        let (year, month, day, second_of_day) = at.civil();
        let (hour, minute, second) = time_of_day(second_of_day);
        let name = |names: &[&'static str], n| {
            names.iter().zip(0..).find(|(_, i)| *i == n).map_or("", |(name, _)| *name)
        };
        // Hot: in every response. `format!` is several times slower.
        let mut text = String::with_capacity("Mon, 23 Nov 2026 18:56:46 GMT".len());
        text.push_str(name(&WEEKDAYS, at.0 / 86_400 % 7));
        text.push_str(", ");
        push_two_digits(&mut text, day);
        text.push(' ');
        text.push_str(name(&MONTHS, month - 1));
        text.push(' ');
        push_two_digits(&mut text, year / 100);
        push_two_digits(&mut text, year % 100);
        for (separator, number) in [(' ', hour), (':', minute), (':', second)] {
            text.push(separator);
            push_two_digits(&mut text, number);
        }
        text.push_str(" GMT");
        text
    }

    /// Year, month (1 to 12), day (1 to 31), and second of the day, in UTC.
    ///
    /// The Gregorian calendar repeats every 400 years of 146,097 days. Years begin in March here, so that the
    /// leap day is the last.
    fn civil(self) -> (u64, u64, u64, u64) {
        const DAYS_FROM_MARCH_0000_TO_1970: u64 = 719_468;
        let day = self.0 / 86_400 + DAYS_FROM_MARCH_0000_TO_1970;
        let (era, day_of_era) = (day / 146_097, day % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        (year, month, day_of_month, self.0 % 86_400)
    }
}

fn time_of_day(second_of_day: u64) -> (u64, u64, u64) {
    (second_of_day / 3_600, second_of_day / 60 % 60, second_of_day % 60)
}

/// Appends a number below 100.
fn push_two_digits(text: &mut String, number: u64) {
    for digit in [number / 10, number % 10] {
        text.push(char::from(b'0' + (digit % 10) as u8));
    }
}

/// RFC 3339: `2026-11-23T18:56:46Z`.
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day, second_of_day) = self.civil();
        let (hour, minute, second) = time_of_day(second_of_day);
        if year > 9_999 {
            return write!(f, "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
        }
        // Each line of the access log has one; `write!` with six numbers takes five times as long.
        let mut text = String::with_capacity("2026-11-23T18:56:46Z".len());
        push_two_digits(&mut text, year / 100);
        push_two_digits(&mut text, year % 100);
        for (separator, number) in [('-', month), ('-', day), ('T', hour), (':', minute), (':', second)] {
            text.push(separator);
            push_two_digits(&mut text, number);
        }
        text.push('Z');
        f.write_str(&text)
    }
}

/// One reading of both clocks.
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For timestamps. It can be set, forwards and backwards.
    pub unix: UnixTime,
    /// For deadlines and rate limits. It never goes back.
    pub monotonic: std::time::Instant,
}

/// Reads both clocks. A system clock before 1970 reads as 1970.
#[cfg(feature = "std")]
pub fn now() -> Now {
    Now { unix: unix(), monotonic: monotonic() }
}

/// Reads the Unix time.
#[cfg(feature = "std")]
pub fn unix() -> UnixTime {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    UnixTime::EPOCH.saturating_add(since_1970)
}

/// Reads the monotonic clock.
#[cfg(feature = "std")]
pub fn monotonic() -> std::time::Instant {
    std::time::Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn at(seconds: u64) -> UnixTime {
        UnixTime::new(seconds).unwrap()
    }

    #[test]
    fn a_time_is_formatted_by_rfc_3339_and_as_an_http_date() {
        for (seconds, rfc3339, http) in [
            (0, "1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37 GMT"), // RFC 9110 5.6.7's own
            (951_782_399, "2000-02-28T23:59:59Z", "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "2000-02-29T00:00:00Z", "Tue, 29 Feb 2000 00:00:00 GMT"),
            (4_107_542_400, "2100-03-01T00:00:00Z", "Mon, 01 Mar 2100 00:00:00 GMT"),
            (253_402_300_799, "9999-12-31T23:59:59Z", "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(at(seconds).to_string(), rfc3339);
            assert_eq!(at(seconds).http_date(), http);
        }
    }

    #[test]
    fn the_last_time_is_the_last_exact_json_integer() {
        assert_eq!(UnixTime::new((1 << 53) - 1), Some(UnixTime::MAX));
        assert_eq!(UnixTime::new(1 << 53), None);
        assert_eq!(UnixTime::MAX.saturating_add(Duration::MAX), UnixTime::MAX);
        let _ = UnixTime::MAX.to_string(); // a year of nine digits, not an overflow
        assert_eq!(UnixTime::MAX.http_date(), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
