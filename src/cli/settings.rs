//! Options as meant: the argument, else the environment variable, else the default, read as the type it has.

use super::cli_error::CliError;
use super::files::{self, Files};
use super::options::{self, Opt};
use super::private_copy::PrivateCopy;
use crate::data_dir::DataDir;
use crate::hashing::{HashError, Hasher};
use crate::limiter::{RateLimit, Rules};
use crate::password::Cost;
use crate::realm::{Policy, Registration, UserLookup};
use crate::routes::{Config, Origin, PublicUrl};
use crate::server::engine::Limits;
#[cfg(feature = "tiny-http")]
use crate::server::tiny;
use core::fmt::Display;
use core::num::NonZeroUsize;
use core::ops::RangeInclusive;
use core::time::Duration;
use std::ffi::OsString;

/// The options of one run of a command.
pub(super) struct Settings<'a> {
    options: &'static [&'static Opt],
    given: Vec<(&'static Opt, String)>,
    environment: &'a dyn Fn(&str) -> Option<OsString>,
    files: &'a Files,
    /// A copy of the database that is read instead of it.
    copy: Option<&'a PrivateCopy>,
}

impl<'a> Settings<'a> {
    pub(super) fn new(
        options: &'static [&'static Opt],
        given: Vec<(&'static Opt, String)>,
        environment: &'a dyn Fn(&str) -> Option<OsString>,
    ) -> Self {
        Self { options, given, environment, files: &files::NONE, copy: None }
    }

    /// The same, with files that root opened for it.
    pub(super) fn with_files(self, files: &'a Files) -> Self {
        Self { files, ..self }
    }

    /// The same, on a copy of the database.
    pub(super) fn on_copy(self, copy: Option<&'a PrivateCopy>) -> Self {
        Self { copy, ..self }
    }

    /// What the operator's files are opened by.
    pub(super) fn files(&self) -> &'a Files {
        self.files
    }

    /// The same, with other variables.
    pub(super) fn with_environment<'b>(
        &self,
        environment: &'b dyn Fn(&str) -> Option<OsString>,
    ) -> Settings<'b>
    where
        'a: 'b,
    {
        Settings::new(self.options, self.given.clone(), environment).with_files(self.files)
    }

    /// The same, as a command with these options reads them.
    pub(super) fn with_options(&self, options: &'static [&'static Opt]) -> Self {
        Self { options, given: self.given.clone(), ..*self }
    }

    /// What the environment has under this name.
    pub(super) fn variable(&self, name: &str) -> Option<OsString> {
        (self.environment)(name)
    }

    /// The option's text and where it comes from; of an option given twice, the last. An empty variable counts
    /// as none, and so does one of an option that the command doesn't take.
    fn find(&self, option: &Opt) -> Result<Option<(String, String)>, CliError> {
        if !self.options.iter().any(|own| own.name == option.name) {
            return Ok(option.default.map(|default| (default.into(), "the default".into())));
        }
        if let Some((_, text)) = self.given.iter().rev().find(|(given, _)| given.name == option.name) {
            return Ok(Some((text.clone(), format!("--{}", option.name))));
        }
        let variable = option.variable();
        match (self.environment)(&variable).map(OsString::into_string) {
            Some(Ok(text)) if !text.is_empty() => Ok(Some((text, variable))),
            Some(Err(_)) => Err(CliError::Usage(format!("{variable} is not UTF-8"))),
            _ => Ok(option.default.map(|default| (default.into(), "the default".into()))),
        }
    }

    /// The option, read by `read`; `None` where nobody gave it and it has no default.
    pub(super) fn read<T, E: Display>(
        &self,
        option: &Opt,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, CliError> {
        let Some((text, source)) = self.find(option)? else { return Ok(None) };
        read_text(&text, &source, read).map(Some)
    }

    /// An option that has a default.
    pub(super) fn required<T, E: Display>(
        &self,
        option: &Opt,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, CliError> {
        self.read(option, read)?.ok_or_else(|| CliError::Usage(format!("--{} is missing", option.name)))
    }

    /// An option that may be given several times: each argument, or each part of the variable between commas.
    fn list<T, E: Display>(
        &self,
        option: &Opt,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Vec<T>, CliError> {
        let source = format!("--{}", option.name);
        let given = self.given.iter().filter(|(given, _)| given.name == option.name);
        let mut texts: Vec<_> = given.map(|(_, text)| (text.clone(), source.clone())).collect();
        if let (true, Some((text, source))) = (texts.is_empty(), self.find(option)?) {
            texts = text.split(',').map(|part| (part.trim().into(), source.clone())).collect();
        }
        texts.into_iter().map(|(text, source)| read_text(&text, &source, &read)).collect()
    }

    /// Whether a flag is set: as an argument, or as a variable that says so.
    pub(super) fn flag(&self, option: &Opt) -> Result<bool, CliError> {
        let is_set = self.read(option, |text| match text {
            "" | "1" | "true" | "yes" => Ok(true),
            "0" | "false" | "no" => Ok(false),
            _ => Err("expected 1, true, yes, 0, false or no"),
        });
        Ok(is_set?.unwrap_or(false))
    }

    /// An option that is a path; `None` where nobody gave it and it has no default.
    pub(super) fn path(&self, option: &Opt) -> Result<Option<String>, CliError> {
        self.read(option, text)
    }

    /// Whether an argument or the environment gives the option.
    pub(super) fn is_given(&self, option: &Opt) -> bool {
        self.given.iter().any(|(given, _)| given.name == option.name)
            || self.variable(&option.variable()).is_some_and(|text| !text.is_empty())
    }

    pub(super) fn data_dir(&self) -> Result<DataDir, CliError> {
        let directory = DataDir::new(self.required(&options::DATA, text)?);
        let directory = match self.read(&options::KEY_FILE, text)? {
            Some(file) => directory.with_key_file(file),
            None => directory,
        };
        let directory = match self.copy {
            Some(copy) => DataDir::new(copy.directory()).with_key_file(directory.key_file()),
            None => directory,
        };
        Ok(if self.flag(&options::NEW_DATABASE)? { directory.with_new_database() } else { directory })
    }

    pub(super) fn hasher(&self) -> Result<Hasher, CliError> {
        let max_memory = self.required(&options::MAX_HASH_MEMORY, parse_size)?;
        let cost = self.hash_cost()?;
        let hasher = Hasher::new(cost, max_memory).map_err(|error| match error {
            HashError::TooMuchMemory { .. } => {
                CliError::Usage(format!("--scrypt and --max-hash-memory don't go together: {error}"))
            }
            error => CliError::failed("can't check passwords", &error),
        })?;
        let slots = self.hash_slots()?;
        let queue = self.required(&options::HASH_QUEUE, |text| parse_number(text, 0..=1024))?;
        let cache = self.required(&options::PASSWORD_CACHE, parse_duration_or_none)?;
        let hasher = hasher.with_slots(slots, queue).with_password_cache(cache);
        if self.is_strict()? {
            return Ok(hasher);
        }
        #[cfg(feature = "tiny-http")]
        let hasher = hasher.with_max_inside(tiny::MAX_HASHING);
        Ok(hasher)
    }

    /// The cost of new hashes.
    pub(super) fn hash_cost(&self) -> Result<Cost, CliError> {
        self.required(&options::SCRYPT, str::parse)
    }

    /// How many passwords are hashed at once; `None` for as many as there are cores.
    pub(super) fn hash_slots(&self) -> Result<Option<usize>, CliError> {
        self.read(&options::HASH_SLOTS, |text| parse_number(text, 1..=64))
    }

    /// Number of event loops; `None` for the engine's default.
    pub(super) fn event_loops(&self) -> Result<Option<NonZeroUsize>, CliError> {
        let number = self.read(&options::EVENT_LOOPS, |text| parse_number(text, 1..=MAX_EVENT_LOOPS))?;
        Ok(number.and_then(NonZeroUsize::new))
    }

    /// Whether the strict loop serves, or else tiny_http's.
    pub(super) fn is_strict(&self) -> Result<bool, CliError> {
        self.required(&options::LOOP, |name| match name {
            "strict" => Ok(true),
            "tiny-http" if cfg!(feature = "tiny-http") => Ok(false),
            "tiny-http" => Err("this gatekey was built without the loop tiny-http"),
            _ => Err("expected strict or tiny-http"),
        })
    }

    pub(super) fn max_session(&self) -> Result<Duration, CliError> {
        self.required(&options::MAX_SESSION, parse_duration)
    }

    /// The rules, without the throttle: whoever doesn't serve is asked no passwords.
    pub(super) fn policy(&self) -> Result<Policy, CliError> {
        let policy = Policy {
            token_lifetime: self.required(&options::TOKEN_LIFETIME, parse_duration)?,
            max_session: self.max_session()?,
            registration: self.required(&options::REGISTRATION, |text| match text {
                "open" => Ok(Registration::Open),
                "closed" => Ok(Registration::Closed),
                _ => Err("expected open or closed"),
            })?,
            user_lookup: self.read(&options::USER_LOOKUP, |text| match text {
                "public" => Ok(UserLookup::Public),
                "self" => Ok(UserLookup::Own),
                _ => Err("expected public or self"),
            })?,
            // 256 characters fit into 1024 bytes, whatever they are.
            min_password_chars: self
                .required(&options::MIN_PASSWORD_LENGTH, |text| parse_number(text, 1..=256))?,
            rate_limits: None,
        };
        if policy.token_lifetime > policy.max_session {
            let (lifetime, session) = (policy.token_lifetime.as_secs(), policy.max_session.as_secs());
            return Err(CliError::Usage(format!(
                "--token-lifetime ({lifetime} s) is longer than --max-session ({session} s): raise the latter too"
            )));
        }
        Ok(policy)
    }

    /// The configuration of the routes.
    pub(super) fn routes_config(&self) -> Result<Config, CliError> {
        Ok(Config {
            public_url: self.read(&options::PUBLIC_URL, PublicUrl::parse)?,
            trusted_proxies: self.list(&options::TRUSTED_PROXY, str::parse)?.into_iter().collect(),
            cors_origins: self.list(&options::CORS_ORIGIN, Origin::parse)?,
            learn_page: !self.flag(&options::NO_PAGE)?,
        })
    }

    /// How often passwords may be wrong, and users registered and looked up; `None` where that isn't counted.
    pub(super) fn throttle_rules(&self) -> Result<Option<Rules>, CliError> {
        let is_on = self.required(&options::THROTTLE, |text| match text {
            "on" => Ok(true),
            "off" => Ok(false),
            _ => Err("expected on or off"),
        })?;
        let allowance = |option| self.required(option, parse_rate_limit);
        let rules = Rules {
            guesses_per_address: allowance(&options::GUESSES_PER_ADDRESS)?,
            guesses_per_user: allowance(&options::GUESSES_PER_USER)?,
            guesses_per_user_and_address: allowance(&options::GUESSES_PER_USER_AND_ADDRESS)?,
            registrations_per_address: allowance(&options::REGISTRATIONS_PER_ADDRESS)?,
            lookups_per_address: allowance(&options::LOOKUPS_PER_ADDRESS)?,
        };
        Ok(is_on.then_some(rules))
    }

    /// The strict loop's limits.
    pub(super) fn limits(&self) -> Result<Limits, CliError> {
        let default = Limits::default();
        let idle_timeout = self.read(&options::IDLE_TIMEOUT, parse_duration)?;
        let per_address = self.read(&options::MAX_CONNECTIONS_PER_ADDRESS, parse_connections)?;
        Ok(Limits {
            max_connections: self.required(&options::MAX_CONNECTIONS, parse_connections)?,
            max_connections_per_address: per_address.unwrap_or(default.max_connections_per_address),
            exempts_local: per_address.is_none(),
            request_timeout: self.required(&options::REQUEST_TIMEOUT, parse_duration)?,
            idle_timeout: idle_timeout.unwrap_or(default.idle_timeout),
            proxy_idle_timeout: idle_timeout.unwrap_or(default.proxy_idle_timeout),
            max_head: self.required(&options::MAX_HEAD, parse_length)?,
            max_body: self.required(&options::MAX_BODY, parse_length)?,
        })
    }
}

fn read_text<T, E: Display>(
    text: &str,
    source: &str,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, CliError> {
    // systemd takes what stands behind a value in its files for a part of it; a shell wouldn't.
    let has_comment = text.contains(" #") && !source.starts_with("--");
    let hint = if has_comment { "; in a file of variables a comment has its own line" } else { "" };
    read(text).map_err(|error| CliError::Usage(format!("invalid value \"{text}\" ({source}): {error}{hint}")))
}

fn parse_number(text: &str, range: RangeInclusive<usize>) -> Result<usize, String> {
    let number = parse_with_unit(text, &[("", 1)]).and_then(|number| usize::try_from(number).ok());
    number
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("expected a number from {} to {}", range.start(), range.end()))
}

fn text(text: &str) -> Result<String, &'static str> {
    if text.is_empty() { Err("expected a path") } else { Ok(text.into()) }
}

/// More loops than this only compete for cores.
const MAX_EVENT_LOOPS: usize = 256;
/// Each costs a descriptor, and up to 128 KiB of the kernel's memory.
const MOST_CONNECTIONS: usize = 16_384;

fn parse_connections(text: &str) -> Result<usize, &'static str> {
    let number = text.parse().ok().filter(|number| (1..=MOST_CONNECTIONS).contains(number));
    number.ok_or("expected a number from 1 to 16384")
}

/// `90`, `90s`, `10m`, `24h`, `30d`: 1 second to 10 years.
pub(super) fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    const TEN_YEARS: u64 = 10 * 366 * 86_400;
    let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400), ("", 1)];
    let seconds = parse_with_unit(text, &units).filter(|seconds| (1..=TEN_YEARS).contains(seconds));
    seconds
        .map(Duration::from_secs)
        .ok_or("expected a duration such as 90 (seconds), 10m, 24h, 30d, up to 10 years")
}

/// `100/5m`: a hundred at once, then one every five minutes.
fn parse_rate_limit(text: &str) -> Result<RateLimit, &'static str> {
    let parse = || {
        let (burst, every) = text.split_once('/')?;
        let burst = parse_number(burst, 1..=1_000_000).ok()?;
        Some(RateLimit { burst: u32::try_from(burst).ok()?, every: parse_duration(every).ok()? })
    };
    parse().ok_or(
        "expected a number from 1 to 1000000 and a duration, such as 100/5m: 100 at once, then one every 5m",
    )
}

/// As [`parse_duration`] reads it, or `0`.
fn parse_duration_or_none(text: &str) -> Result<Duration, &'static str> {
    let is_zero = ["0", "0s"].contains(&text);
    if is_zero { Ok(Duration::ZERO) } else { parse_duration(text) }
}

/// `1048576`, `1024K`, `64M`, `1G`: in bytes.
pub(super) fn parse_size(text: &str) -> Result<u64, &'static str> {
    let units = [("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("", 1)];
    parse_with_unit(text, &units).ok_or("expected a number of bytes, or one with K, M or G")
}

/// The length of a head or a body: none is so short that no request fits, nor so long that a few fill the memory.
fn parse_length(text: &str) -> Result<usize, &'static str> {
    let length = parse_size(text).ok().filter(|bytes| (1 << 10..=1 << 20).contains(bytes));
    length
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or("expected a number of bytes from 1K to 1M, such as 16384 or 16K")
}

fn parse_with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (digits, factor) =
        units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { digits.parse::<u64>().ok()?.checked_mul(*factor) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::commands::COMMANDS;

    #[test]
    fn durations_have_units() {
        for (text, seconds) in
            [("90", 90), ("90s", 90), ("10m", 600), ("24h", 86_400), ("30d", 2_592_000), ("1", 1)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "0", "m", "-1", "+1", "1.5h", "1w", "1 h", "10M", "99999d", "18446744073709551615d"]
        {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_duration_may_be_none_where_that_is_said() {
        for (text, expected) in [
            ("0", Ok(Duration::ZERO)),
            ("0s", Ok(Duration::ZERO)),
            ("60s", Ok(Hasher::DEFAULT_PASSWORD_CACHE)),
            ("00", parse_duration("00")),
            ("-0", parse_duration("-0")),
        ] {
            assert_eq!(parse_duration_or_none(text), expected, "{text:?}");
        }
        assert_eq!(options::PASSWORD_CACHE.default, Some("60s"));
    }

    #[cfg(not(feature = "tiny-http"))]
    #[test]
    fn the_loop_that_was_not_built_is_refused_before_anything_is_made() {
        let serve = COMMANDS.iter().find(|command| command.words == ["serve"]).unwrap();
        let settings = Settings::new(serve.options, vec![(&options::LOOP, "tiny-http".into())], &|_| None);
        let Err(CliError::Usage(message)) = settings.hasher() else { panic!("it is taken") };
        assert!(message.ends_with("this gatekey was built without the loop tiny-http"), "{message}");
    }

    #[test]
    fn a_list_is_several_arguments_or_one_variable_with_commas() {
        let serve = COMMANDS.iter().find(|command| command.words == ["serve"]).unwrap();
        let list = |given: &[&str], variable: &'static str| {
            let given = given.iter().map(|text| (&options::TRUSTED_PROXY, String::from(*text))).collect();
            let environment = |name: &str| (name == "GATEKEY_TRUSTED_PROXY").then(|| variable.into());
            let settings = Settings::new(serve.options, given, &environment);
            settings.list(&options::TRUSTED_PROXY, |text| {
                if text == "x" { Err("no x") } else { Ok(text.to_owned()) }
            })
        };
        assert_eq!(list(&[], "").unwrap(), Vec::<String>::new());
        assert_eq!(list(&["a", "b"], "c").unwrap(), ["a", "b"]);
        assert_eq!(list(&[], "a,b, c").unwrap(), ["a", "b", "c"]);
        for (given, variable, complaint) in [
            (&["a", "x"][..], "c", "invalid value \"x\" (--trusted-proxy): no x"),
            (&[], "a,x", "invalid value \"x\" (GATEKEY_TRUSTED_PROXY): no x"),
        ] {
            let Err(CliError::Usage(message)) = list(given, variable) else { panic!("{variable} was taken") };
            assert_eq!(message, complaint);
        }
    }

    #[test]
    fn the_documented_limits_are_those_of_the_loop() {
        let serve = COMMANDS.iter().find(|command| command.words == ["serve"]).unwrap();
        let limits = Settings::new(serve.options, Vec::new(), &|_| None).limits().unwrap();
        assert_eq!(limits, Limits::default());
        assert!(
            options::MAX_CONNECTIONS_PER_ADDRESS
                .help
                .contains(&format!("Default: {},", limits.max_connections_per_address))
        );
        let (idle, of_proxies) = (limits.idle_timeout.as_secs(), limits.proxy_idle_timeout.as_secs());
        let documented = format!("Default: {idle}, and {of_proxies} from trusted proxies");
        assert!(options::IDLE_TIMEOUT.help.contains(&documented));
    }

    #[test]
    fn an_allowance_is_a_number_and_a_duration() {
        assert_eq!(parse_rate_limit("100/5m"), Ok(RateLimit::new(100, 300)));
        assert_eq!(parse_rate_limit("1/1"), Ok(RateLimit::new(1, 1)));
        for text in
            ["", "100", "/", "100/", "/5m", "0/5m", "100/0", "-1/5m", "100/5m/1", "1000001/5m", "100 / 5m"]
        {
            assert!(parse_rate_limit(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_documented_rules_are_those_of_the_throttle() {
        let serve = COMMANDS.iter().find(|command| command.words == ["serve"]).unwrap();
        let rules = Settings::new(serve.options, Vec::new(), &|_| None).throttle_rules().unwrap();
        assert_eq!(rules, Some(Rules::default()));
        let off = Settings::new(serve.options, vec![(&options::THROTTLE, "off".into())], &|_| None);
        assert_eq!(off.throttle_rules().unwrap(), None);
    }

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [("1048576", 1 << 20), ("1024K", 1 << 20), ("64M", 64 << 20), ("1G", 1 << 30)] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "M", "64MB", "-1", "1.5G", "18446744073709551615K"] {
            assert!(parse_size(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_length_is_from_1_kib_to_1_mib() {
        for (text, bytes) in
            [("1K", 1024), ("1024", 1024), ("16K", 16_384), ("1M", 1 << 20), ("1024K", 1 << 20)]
        {
            assert_eq!(parse_length(text), Ok(bytes), "{text}");
        }
        for text in ["", "0", "1023", "1048577", "1025K", "2M", "1G", "16k", "16KiB"] {
            assert!(parse_length(text).is_err(), "{text:?}");
        }
    }
}
