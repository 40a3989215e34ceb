//! Parsers of option values: durations, sizes, rate limits, addresses, and names from a fixed list.

use crate::clock::UnixTime;
use crate::limiter::RateLimit;
use crate::realm::{Registration, UserLookup};
use crate::server::log::Log;
use core::net::SocketAddr;
use core::num::NonZeroUsize;
use core::time::Duration;
use std::path::PathBuf;

/// The address of the listener, as `--listen` names it.
#[derive(Clone, Debug)]
pub(super) enum ListenAddress {
    Tcp(SocketAddr),
    Unix(PathBuf),
    /// A socket passed as standard input, by systemd for example.
    Stdin,
}

pub(super) fn listen_address(text: &str) -> Result<ListenAddress, &'static str> {
    let address = match text.strip_prefix("unix:") {
        Some(path) => (!path.is_empty()).then(|| ListenAddress::Unix(path.into())),
        None if text == "stdin" => Some(ListenAddress::Stdin),
        None => text.parse().map(ListenAddress::Tcp).ok(),
    };
    address.ok_or(
        "expected an IP address and a port, such as 127.0.0.1:5000 or [::1]:5000, or unix:PATH, or stdin",
    )
}

pub(super) fn metrics_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "expected an IP address and a port, such as 127.0.0.1:9469")
}

/// The server that accepts connections, as `--loop` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Strict,
    TinyHttp,
}

pub(super) fn engine(name: &str) -> Result<Engine, String> {
    let engine = choice(name, &[("strict", Engine::Strict), ("tiny-http", Engine::TinyHttp)])?;
    if engine == Engine::Strict || cfg!(feature = "tiny-http") {
        Ok(engine)
    } else {
        Err("this gatekey was built without the loop tiny-http".into())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// The database of the article's Flask app.
    Sqlite,
    JsonLines,
    /// A JSON array of objects, as Django's dumpdata writes it.
    JsonArray,
    /// One `name:hash` per line.
    Htpasswd,
}

pub(super) fn format(name: &str) -> Result<Format, String> {
    let formats = [
        ("sqlite", Format::Sqlite),
        ("jsonl", Format::JsonLines),
        ("json", Format::JsonArray),
        ("htpasswd", Format::Htpasswd),
    ];
    choice(name, &formats)
}

pub(super) fn registration(name: &str) -> Result<Registration, String> {
    choice(name, &[("open", Registration::Open), ("closed", Registration::Closed)])
}

pub(super) fn user_lookup(name: &str) -> Result<UserLookup, String> {
    choice(name, &[("public", UserLookup::Public), ("self", UserLookup::Own)])
}

pub(super) fn log(name: &str) -> Result<Log, String> {
    choice(name, &[("text", Log::Text), ("json", Log::Json), ("off", Log::Off)])
}

pub(super) fn on_or_off(name: &str) -> Result<bool, String> {
    choice(name, &[("on", true), ("off", false)])
}

fn choice<T: Copy>(name: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let found = choices.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        let (last, others) = names.split_last().expect("there is a choice");
        format!("expected {} or {last}", others.join(", "))
    })
}

/// The text of a variable; an argument has none.
pub(super) fn flag(text: &str) -> Result<bool, &'static str> {
    match text {
        "" | "1" | "true" | "yes" => Ok(true),
        "0" | "false" | "no" => Ok(false),
        _ => Err("expected 1, true, yes, 0, false or no"),
    }
}

/// Any text; what may be in it is checked by what it is for.
#[allow(clippy::unnecessary_wraps, reason = "a parser of the table of options")]
pub(super) fn text(text: &str) -> Result<String, &'static str> {
    Ok(text.into())
}

pub(super) fn path(text: &str) -> Result<String, &'static str> {
    if text.is_empty() { Err("expected a path") } else { Ok(text.into()) }
}

pub(super) fn unix_time(text: &str) -> Result<UnixTime, &'static str> {
    digits(text).and_then(UnixTime::new).ok_or("expected seconds since 1970, below 2^53")
}

pub(super) fn number<const LEAST: usize, const MOST: usize>(text: &str) -> Result<usize, String> {
    let number = parse_with_unit(text, &[("", 1)]).and_then(|number| usize::try_from(number).ok());
    let number = number.filter(|number| (LEAST..=MOST).contains(number));
    number.ok_or_else(|| format!("expected a number from {LEAST} to {MOST}"))
}

/// More loops than this only compete for cores.
pub(super) fn event_loops(text: &str) -> Result<NonZeroUsize, String> {
    number::<1, 256>(text).map(|number| NonZeroUsize::new(number).expect("it is at least 1"))
}

/// `90`, `90s`, `10m`, `24h`, `30d`: 1 second to 10 years.
pub(super) fn duration(text: &str) -> Result<Duration, &'static str> {
    const TEN_YEARS: u64 = 10 * 366 * 86_400;
    let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400), ("", 1)];
    let seconds = parse_with_unit(text, &units).filter(|seconds| (1..=TEN_YEARS).contains(seconds));
    seconds
        .map(Duration::from_secs)
        .ok_or("expected a duration such as 90 (seconds), 10m, 24h, 30d, up to 10 years")
}

/// `100/5m`: 100 at once, then one every five minutes.
pub(super) fn rate_limit(text: &str) -> Result<RateLimit, &'static str> {
    let parse = || {
        let (burst, every) = text.split_once('/')?;
        let burst = number::<1, 1_000_000>(burst).ok()?;
        Some(RateLimit { burst: u32::try_from(burst).ok()?, every: duration(every).ok()? })
    };
    parse().ok_or(
        "expected a number from 1 to 1000000 and a duration, such as 100/5m: 100 at once, then one every 5m",
    )
}

/// A [`duration`] or `0`.
pub(super) fn duration_or_zero(text: &str) -> Result<Duration, &'static str> {
    let is_zero = ["0", "0s"].contains(&text);
    if is_zero { Ok(Duration::ZERO) } else { duration(text) }
}

/// `1048576`, `1024K`, `64M`, `1G`: in bytes.
pub(super) fn size(text: &str) -> Result<u64, &'static str> {
    let units = [("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("", 1)];
    parse_with_unit(text, &units).ok_or("expected a number of bytes, or one with K, M or G")
}

/// A length that a request fits into, and that a few don't fill the memory with.
pub(super) fn length(text: &str) -> Result<usize, &'static str> {
    let length = size(text).ok().filter(|bytes| (1 << 10..=1 << 20).contains(bytes));
    length
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or("expected a number of bytes from 1K to 1M, such as 16384 or 16K")
}

/// A number of digits alone; `str::parse` accepts a plus sign too.
fn digits(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

fn parse_with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (number, factor) =
        units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    digits(number)?.checked_mul(*factor)
}

/// A [`duration`] or milliseconds: `250ms`.
pub(super) fn target(text: &str) -> Result<Duration, &'static str> {
    let target = match text.strip_suffix("ms") {
        Some(millis) => digits(millis).map(Duration::from_millis).filter(|target| !target.is_zero()),
        None => duration(text).ok(),
    };
    let target = target.filter(|target| *target <= Duration::from_secs(60));
    target.ok_or("expected a duration up to a minute, such as 250ms or 1s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, seconds) in
            [("90", 90), ("90s", 90), ("10m", 600), ("24h", 86_400), ("30d", 2_592_000), ("1", 1)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "0", "m", "-1", "+1", "1.5h", "1w", "1 h", "10M", "99999d", "18446744073709551615d"]
        {
            assert!(duration(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_duration_may_be_none_where_that_is_said() {
        for (text, expected) in [
            ("0", Ok(Duration::ZERO)),
            ("0s", Ok(Duration::ZERO)),
            ("60s", Ok(crate::hashing::Hasher::DEFAULT_PASSWORD_CACHE)),
            ("00", duration("00")),
            ("-0", duration("-0")),
        ] {
            assert_eq!(duration_or_zero(text), expected, "{text:?}");
        }
        assert_eq!(crate::cli::options::PASSWORD_CACHE.default, Some("60s"));
    }

    #[test]
    fn an_allowance_is_a_number_and_a_duration() {
        assert_eq!(rate_limit("100/5m"), Ok(RateLimit::new(100, 300)));
        assert_eq!(rate_limit("1/1"), Ok(RateLimit::new(1, 1)));
        for text in
            ["", "100", "/", "100/", "/5m", "0/5m", "100/0", "-1/5m", "100/5m/1", "1000001/5m", "100 / 5m"]
        {
            assert!(rate_limit(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_number_is_digits() {
        let (connections, hash_slots) = (number::<1, 16_384>, number::<1, 64>);
        assert_eq!((connections("16384"), unix_time("0")), (Ok(16_384), Ok(UnixTime::new(0).unwrap())));
        for text in ["", "+5", "-5", " 5", "5 ", "5.0", "0x5", "18446744073709551616", "\u{665}"] {
            assert!(connections(text).is_err() && unix_time(text).is_err(), "{text:?}");
            assert!(hash_slots(text).is_err() && size(text).is_err(), "{text:?}");
        }
        assert!(connections("0").is_err() && connections("16385").is_err());
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [("1048576", 1 << 20), ("1024K", 1 << 20), ("64M", 64 << 20), ("1G", 1 << 30)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "M", "64MB", "-1", "1.5G", "18446744073709551615K"] {
            assert!(size(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_length_is_from_1_kib_to_1_mib() {
        for (text, bytes) in
            [("1K", 1024), ("1024", 1024), ("16K", 16_384), ("1M", 1 << 20), ("1024K", 1 << 20)]
        {
            assert_eq!(length(text), Ok(bytes), "{text}");
        }
        for text in ["", "0", "1023", "1048577", "1025K", "2M", "1G", "16k", "16KiB"] {
            assert!(length(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_target_is_in_milliseconds_or_a_duration() {
        for (text, millis) in [("250ms", 250), ("1ms", 1), ("1s", 1_000), ("2", 2_000), ("60000ms", 60_000)] {
            assert_eq!(target(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "ms", "0ms", "-1ms", "+1ms", "1.5ms", "60001ms", "2m", "250 ms", "99999999999999999999ms"]
        {
            assert!(target(text).is_err(), "{text:?}");
        }
    }
}
