//! Options of all commands: one table with the name, type, parser, default and help of each.
//!
//! An entry is `CONSTANT "name" "VALUE" ["default"] => field: Type = parser, "help";`. An option without a `VALUE` is a
//! flag. The macro makes an [`Opt`] and a field of [`Options`] of each. The command line parser, help, the manual
//! page, the shell completions and `docs/options.md` read the same table.

use super::cli_error::CliError;
use super::values::{self, Engine, Format, ListenAddress};
use crate::clock::UnixTime;
use crate::group_name::GroupName;
use crate::limiter::RateLimit;
use crate::password::Cost;
use crate::proxies::TrustedProxy;
use crate::realm::{Registration, UserLookup};
use crate::routes::{Origin, PublicUrl};
use crate::server::link_command::LinkCommand;
use crate::server::log::Log;
use core::fmt::Display;
use core::net::SocketAddr;
use core::num::NonZeroUsize;
use core::str::FromStr as _;
use core::time::Duration;
use std::ffi::OsString;

pub(super) struct Opt {
    /// The name, without the two dashes.
    pub(super) name: &'static str,
    /// The value's name in help; `None` for a flag.
    pub(super) value: Option<&'static str>,
    /// The value if neither an argument nor the environment has one.
    pub(super) default: Option<&'static str>,
    pub(super) help: &'static str,
    set: fn(&mut Options, &Text<'_>) -> Result<(), CliError>,
}

impl Opt {
    /// The environment variable for the same: `--token-lifetime` is `GATEKEY_TOKEN_LIFETIME`.
    pub(super) fn variable(&self) -> String {
        format!("GATEKEY_{}", self.name.replace('-', "_").to_ascii_uppercase())
    }
}

/// The options of a command, in several lists.
pub(super) type OptionLists = &'static [&'static [&'static Opt]];

/// Between an option and the variable that sets it.
const FROM_VARIABLE: &str = ", from ";

/// A text to parse and its source: an option, or an option and its variable.
struct Text<'a> {
    text: &'a str,
    source: &'a str,
}

impl Text<'_> {
    fn parse<T, E: Display>(&self, parse: impl FnOnce(&str) -> Result<T, E>) -> Result<T, CliError> {
        let Self { text, source } = self;
        // systemd makes a comment behind a value a part of it; a shell doesn't.
        let has_comment = text.contains(" #") && source.contains(FROM_VARIABLE);
        let hint = if has_comment { "; in a file of variables a comment has its own line" } else { "" };
        parse(text)
            .map_err(|error| CliError::Usage(format!("invalid value \"{text}\" ({source}): {error}{hint}")))
    }
}

/// A field of [`Options`], set from a text: a value, an optional value, or a list.
trait Field<T> {
    fn set<E: Display>(
        &mut self,
        text: &Text<'_>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<(), CliError>;
}

impl<T> Field<T> for T {
    fn set<E: Display>(
        &mut self,
        text: &Text<'_>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<(), CliError> {
        *self = text.parse(parse)?;
        Ok(())
    }
}

impl<T> Field<T> for Option<T> {
    fn set<E: Display>(
        &mut self,
        text: &Text<'_>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<(), CliError> {
        *self = Some(text.parse(parse)?);
        Ok(())
    }
}

/// Repeated arguments, and the parts of a text between commas.
impl<T> Field<T> for Vec<T> {
    fn set<E: Display>(
        &mut self,
        text: &Text<'_>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<(), CliError> {
        for part in text.text.split(',') {
            self.push(Text { text: part.trim(), ..*text }.parse(&parse)?);
        }
        Ok(())
    }
}

/// A connection takes a descriptor, and up to 128 KiB of kernel memory.
const MOST_CONNECTIONS: usize = 16_384;

macro_rules! options {
    ($($list:ident { $($constant:ident $name:literal $($value:literal)? $([$default:literal])? =>
        $field:ident: $type:ty = $parse:expr, $help:literal;)* })*) => {
        $($(
            pub(super) const $constant: Opt = Opt {
                name: $name,
                value: options!(@optional $($value)?),
                default: options!(@optional $($default)?),
                help: $help,
                set: |options, text| options.$field.set(text, $parse),
            };
        )*)*

        $(pub(super) const $list: &[&Opt] = &[$(&$constant),*];)*

        /// Every option of every command, in the order in which help shows them.
        pub(super) fn all() -> impl Iterator<Item = &'static Opt> {
            [$($list),*].into_iter().flatten().copied()
        }

        pub(super) struct Options {
            $($(pub(super) $field: $type,)*)*
            /// Each option that is set to another value than its default, and the variable that it is from.
            pub(super) set: Vec<(&'static Opt, String)>,
        }

        impl Default for Options {
            fn default() -> Self {
                Self { $($($field: options!(@initial $parse $(, $default)?),)*)* set: Vec::new() }
            }
        }
    };
    (@optional) => { None };
    (@optional $text:literal) => { Some($text) };
    (@initial $parse:expr) => { Default::default() };
    (@initial $parse:expr, $default:literal) => { $parse($default).ok().expect("a default is valid") };
}

options! {
    SERVE_OPTIONS {
    LISTEN "listen" "ADDR:PORT|unix:PATH|stdin" ["127.0.0.1:5000"] =>
        listen: ListenAddress = values::listen_address,
        "Where to listen: an IP address (not a name) and a port, where 0 chooses a free one; a Unix \
         socket, accessible to its owner and group; or stdin, the listening socket on standard input that \
         systemd passes.";
    DATA "data" "DIR" ["./gatekey-data"] => data: String = values::path,
        "The data directory, with the database and, unless --key-file is set, the signing keys.";
    KEY_FILE "key-file" "FILE" => key_file: Option<String> = values::path,
        "The file with the signing keys, if it is not in the data directory: one secret per line, the \
         newest last.";
    NEW_DATABASE "new-database" => new_database: bool = values::flag,
        "Create a new database although signing keys exist. Without this option that is rejected, because \
         old tokens signed with these keys would authenticate as new users. For the first start with keys \
         of your own.";
    TOKEN_LIFETIME "token-lifetime" "DURATION" ["10m"] => token_lifetime: Duration = values::duration,
        "How long a token is valid: 90 (seconds), 10m, 24h, 30d.";
    MAX_SESSION "max-session" "DURATION" ["30d"] => max_session: Duration = values::duration,
        "How long tokens can be renewed by tokens before the password is required again.";
    BROWSER_SESSION "browser-session" "DURATION" ["30d"] => browser_session: Duration = values::duration,
        "How long a browser stays signed in. A shorter one also ends older sessions.";
    MAX_TOKEN_LIFETIME "max-token-lifetime" "DURATION" ["365d"] =>
        max_token_lifetime: Duration = values::duration_or_zero,
        "The longest lifetime of a named token; 0 for no named tokens. A shorter one also ends older tokens.";
    SCRYPT "scrypt" "PARAMETERS" ["ln=14,r=8,p=5"] => scrypt: Cost = Cost::from_str,
        "The cost of password hashes. One takes 128 * r * 2^ln bytes. Hashes of another cost are replaced \
         at login.";
    MAX_HASH_MEMORY "max-hash-memory" "SIZE" ["64M"] => max_hash_memory: u64 = values::size,
        "Stored hashes that need more memory than this are rejected: bytes, or with K, M, G.";
    HASH_SLOTS "hash-slots" "NUMBER" => hash_slots: Option<usize> = values::number::<1, 64>,
        "Threads of the hash pool: concurrent password hashes, 1 to 64. Each takes the memory of one hash. \
         Default: the number of cores.";
    HASH_QUEUE "hash-queue" "NUMBER" ["64"] => hash_queue: usize = values::number::<0, 1024>,
        "Length of the hash pool's queue, up to 1024. At most 2 requests of one address wait (any number \
         from this machine). Users at addresses from which they logged in before have a queue of the same \
         length, where at most 2 requests of one user wait. More are answered 503. With --loop tiny-http \
         at most 2 requests hash or wait.";
    PASSWORD_CACHE "password-cache" "DURATION" ["60s"] =>
        password_cache: Duration = values::duration_or_zero,
        "How long a correct password needs no hash when the same client shows it again; 0 turns the cache \
         off. A password change takes effect at once all the same.";
    REGISTRATION "registration" "open|closed" ["open"] => registration: Registration = values::registration,
        "Whether anyone may register. If closed, only gatekey user add and user import create users.";
    MIN_PASSWORD_LENGTH "min-password-length" "CHARACTERS" ["1"] =>
        min_password_length: usize = values::number::<1, 256>,
        "Minimum length of a new password, in characters, 1 to 256.";
    PUBLIC_URL "public-url" "URL" => public_url: Option<PublicUrl> = PublicUrl::parse,
        "The URL under which clients reach this server. Location headers begin with it. State-changing \
         requests from browsers are served only under its host, a localhost name or an IP address \
         (protection from DNS rebinding).";
    USER_LOOKUP "user-lookup" "public|self" => user_lookup: Option<UserLookup> = values::user_lookup,
        "Whose name GET /api/users/ID returns: any user's, or only one's own. Default: self if \
         registration is closed, else public.";
    THROTTLE "throttle" "on|off" ["on"] => throttle: bool = values::on_or_off,
        "Rate limiting: whether failed passwords, registrations and look-ups are counted, and answered 429 \
         beyond the limits. Tokens are never limited. Nor is a user's correct password at an address from \
         which that user has logged in before, whatever others do.";
    GUESSES_PER_ADDRESS "guesses-per-address" "BURST/EVERY" ["100/1m"] =>
        guesses_per_address: RateLimit = values::rate_limit,
        "Rate limit of failed passwords per address (IPv6: per /64): a burst, then one more each interval. \
         A /48 of IPv6 has sixteen times as many. The default allows 1540 on the first day, then 1440 a \
         day.";
    GUESSES_PER_USER "guesses-per-user" "BURST/EVERY" ["100/5m"] =>
        guesses_per_user: RateLimit = values::rate_limit,
        "Rate limit of failed passwords per user name, for all addresses together except those from which \
         that user has logged in before. The default allows 388 on the first day, then 288 a day, even \
         from ten thousand addresses.";
    GUESSES_PER_USER_AND_ADDRESS "guesses-per-user-and-address" "BURST/EVERY" ["10/10m"] =>
        guesses_per_user_and_address: RateLimit = values::rate_limit,
        "Rate limit of failed passwords per user name and address. The default allows 154 on the first \
         day, then 144 a day.";
    REGISTRATIONS_PER_ADDRESS "registrations-per-address" "BURST/EVERY" ["20/1m"] =>
        registrations_per_address: RateLimit = values::rate_limit,
        "Rate limit of registrations per address, including those rejected because the name is taken. A \
         /48 of IPv6 has sixteen times as many.";
    LOOKUPS_PER_ADDRESS "lookups-per-address" "BURST/EVERY" ["300/1s"] =>
        lookups_per_address: RateLimit = values::rate_limit,
        "Rate limit of GET /api/users/ID per address. A /48 of IPv6 has sixteen times as many.";
    TRUSTED_PROXY "trusted-proxy" "CIDR|unix" =>
        trusted_proxies: Vec<TrustedProxy> = TrustedProxy::from_str,
        "A reverse proxy whose X-Forwarded-For, -Host and -Proto are believed: an address, a network such \
         as 10.0.0.0/8, or unix for all peers on a Unix socket. It must set these headers itself and never \
         pass on its clients'. Repeatable; in the variable, separated by commas. Default: none.";
    CORS_ORIGIN "cors-origin" "ORIGIN" => cors_origins: Vec<Origin> = Origin::parse,
        "An origin whose pages may send requests and read responses (CORS), such as \
         https://app.example.org; never with credentials stored by the browser. Repeatable; in the \
         variable, separated by commas. Default: none.";
    TITLE "title" "NAME" ["gatekey"] => title: String = values::text,
        "The name that the sign-in pages show, 1 to 64 characters.";
    COOKIE_DOMAIN "cookie-domain" "DOMAIN" => cookie_domain: Option<String> = values::text,
        "The domain whose hosts are guarded by the sign-in pages, such as example.org: browsers send a second \
         cookie, good for /api/verify alone, to all hosts under it. The public URL's host must be one of \
         them. Default: none; only the public URL's host can be guarded.";
    LINK_COMMAND "link-command" "COMMAND" => link_command: Option<LinkCommand> = LinkCommand::parse,
        "Offer \"Forgot your password?\" on the sign-in page. The command sends the link: it is run without a \
         shell, split at white space, with the link on standard input and the user's name in \
         GATEKEY_USERNAME. It may run for 10 s. Needs --public-url. Default: none, and no such page.";
    NO_PAGE "no-page" => no_page: bool = values::flag,
        "Don't serve the page at /learn, which demonstrates registration, passwords and tokens with real \
         requests.";
    ALLOW_CLEARTEXT "allow-cleartext" => allow_cleartext: bool = values::flag,
        "Listen on other than loopback addresses, although passwords then cross the network in cleartext.";
    LOOP "loop" "strict|tiny-http" ["strict"] => engine: Engine = values::engine,
        "The server loop. tiny-http is for reading and embedding, not for an open network.";
    MAX_CONNECTIONS "max-connections" "NUMBER" ["256"] => max_connections: usize = values::number::<1, MOST_CONNECTIONS>,
        "Maximum number of connections of the strict server. Beyond it, a new connection replaces one that \
         waits. Fewer if the process may not open as many descriptors.";
    MAX_CONNECTIONS_PER_ADDRESS "max-connections-per-address" "NUMBER" =>
        max_connections_per_address: Option<usize> = values::number::<1, MOST_CONNECTIONS>,
        "The same per address (IPv6: per /64). Default: 64, and no limit for this machine, where a proxy \
         may run. A number given here applies to this machine too, but never to trusted proxies.";
    EVENT_LOOPS "event-loops" "NUMBER" => event_loops: Option<NonZeroUsize> = values::event_loops,
        "Number of event loops of the strict server, 1 to 256: threads that serve all requests that don't \
         block. Default: the number of cores, at least 2.";
    REQUEST_TIMEOUT "request-timeout" "DURATION" ["10"] => request_timeout: Duration = values::duration,
        "Deadline of the strict server for the headers of a request, from their first byte; then for the \
         body; then for the response.";
    IDLE_TIMEOUT "idle-timeout" "DURATION" => idle_timeout: Option<Duration> = values::duration,
        "How long the strict server keeps an idle connection. Default: 75, and 150 from trusted proxies, \
         which is longer than proxies keep theirs. A duration given here applies to both.";
    MAX_HEAD "max-head" "SIZE" ["32K"] => max_head: usize = values::length,
        "Maximum size of request line and headers in the strict server, 1K to 1M. Longer ones are answered \
         414 or 431.";
    MAX_BODY "max-body" "SIZE" ["16K"] => max_body: usize = values::length,
        "Maximum size of a request body in the strict server, 1K to 1M. A longer one is answered 413. With \
         --loop tiny-http it is 16K.";
    LOG "log" "text|json|off" ["text"] => log: Log = values::log,
        "Access log and audit events on standard error (failed logins, rate limited requests, changed \
         users), as text, as JSON objects, or none. Notices for the operator are always written.";
    METRICS "metrics" "ADDR:PORT" => metrics: Option<SocketAddr> = values::metrics_address,
        "Serve GET /metrics in Prometheus's format on this address: a loopback address, or any with \
         --allow-cleartext. Default: none.";
    }

    OTHER_OPTIONS {
    PASSWORD_STDIN "password-stdin" => password_stdin: bool = values::flag,
        "Read the password from the first line of standard input, instead of asking for it.";
    JSON "json" => json: bool = values::flag,
        "Print JSON, for programs.";
    NAME "name" "NAME" => name: Option<String> = values::text,
        "Issue a named token of this name, which is valid for --lifetime and can be revoked by itself.";
    LIFETIME "lifetime" "DURATION" => lifetime: Option<Duration> = values::duration,
        "How long the named token or the link is valid: 90 (seconds), 24h, 90d. A named token: at most \
         --max-token-lifetime.";
    GROUPS "groups" "GROUP,..." => groups: Vec<GroupName> = GroupName::parse,
        "The groups of the invited user, with commas between, at most 32.";
    ALL "all" => all: bool = values::flag,
        "All users, instead of one.";
    YES "yes" => yes: bool = values::flag,
        "Don't ask on a terminal whether to go on.";
    FORMAT "format" "sqlite|jsonl|json|htpasswd" => format: Option<Format> = values::format,
        "The format of the file: the Flask app's database, JSON lines, a JSON array as Django's dumpdata \
         writes it, or an htpasswd file. Default: detected.";
    RENAME "rename" "FILE" => rename: Option<String> = values::path,
        "A file of JSON lines with new names for users: {\"username\":\"a:b\",\"to\":\"a-b\"}, or \
         {\"id\":7,\"to\":\"x\"} for a row without a name or with a duplicate one.";
    DRY_RUN "dry-run" => dry_run: bool = values::flag,
        "Check every row, and import none.";
    SKIP_BAD "skip-bad" => skip_bad: bool = values::flag,
        "Import the other rows if some are rejected; those are reported.";
    AT "at" "UNIXTIME" => at: Option<UnixTime> = values::unix_time,
        "Verify the token as of this time, in seconds since 1970. Default: now.";
    COMPROMISED "compromised" => compromised: bool = values::flag,
        "Remove all other keys at once, because an attacker may have them. Revokes all tokens.";
    SIGN "sign" => sign: bool = values::flag,
        "Add the key as the newest, so that it signs from now on. Without this option it is the oldest and \
         only verifies.";
    WEAK "weak" => weak: bool = values::flag,
        "Accept a secret of less than 16 bytes. It can be guessed from one token, and then allows anyone \
         to forge tokens.";
    FORCE "force" => force: bool = values::flag,
        "Accept a published secret. Anyone who has read it can forge tokens.";
    ENV_FILE "env-file" "FILE" => env_file: Option<String> = values::path,
        "The file with the service's variables, such as /etc/gatekey.conf, parsed as systemd does. They \
         take precedence over the environment.";
    RESET_CLOCK "reset-clock" => reset_clock: bool = values::flag,
        "Instead of checking: set every future time in the database to now. For a database whose clock \
         once ran ahead, while no server runs. Revokes all tokens.";
    MEMORY "memory" "SIZE" ["64M"] => memory: u64 = values::size,
        "The memory for all concurrent hashes: bytes, or with K, M, G.";
    TARGET "target" "DURATION" ["250ms"] => target: Duration = values::target,
        "The longest acceptable time of a hash, and so of a login: 250ms, 1s, up to a minute.";
    }
}

pub(super) const DATA_OPTIONS: &[&Opt] = &[&DATA, &KEY_FILE];
pub(super) const HASH_OPTIONS: &[&Opt] = &[&SCRYPT, &MAX_HASH_MEMORY];

impl Options {
    /// Sets each of these options from its arguments, else its variable. An empty variable counts as unset.
    ///
    /// # Errors
    /// [`CliError::Usage`] for the first invalid value.
    pub(super) fn parse(
        options: impl Iterator<Item = &'static Opt>,
        given: &[(&'static Opt, String)],
        environment: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, CliError> {
        let mut parsed = Self::default();
        let set = |parsed: &mut Self, option: &'static Opt, text: &str, from: &str| {
            (option.set)(parsed, &Text { text, source: &format!("--{}{from}", option.name) })?;
            let is_off = option.value.is_none() && values::flag(text) == Ok(false);
            if !is_off && option.default != Some(text) {
                let value = option.value.map_or(String::new(), |_| format!(" {text}"));
                parsed.set.push((option, format!("--{}{value}{from}", option.name)));
            }
            Ok::<_, CliError>(())
        };
        for option in options {
            let mut is_given = false;
            for (_, text) in given.iter().filter(|(given, _)| given.name == option.name) {
                is_given = true;
                set(&mut parsed, option, text, "")?;
            }
            let variable = option.variable();
            let Some(text) = environment(&variable).filter(|text| !is_given && !text.is_empty()) else {
                continue;
            };
            let text = text.to_str().ok_or_else(|| CliError::Usage(format!("{variable} is not UTF-8")))?;
            set(&mut parsed, option, text, &format!("{FROM_VARIABLE}{variable}"))?;
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_options() {
        for option in all() {
            let same = all().filter(|other| other.name == option.name);
            assert_eq!(same.count(), 1, "{}", option.name);
        }
    }

    #[test]
    fn a_variable_is_named_after_its_option() {
        assert_eq!(MIN_PASSWORD_LENGTH.variable(), "GATEKEY_MIN_PASSWORD_LENGTH");
    }

    fn parsed(given: &[(&'static Opt, String)], variable: &'static str) -> Result<Options, CliError> {
        let environment = |name: &str| (name == "GATEKEY_CORS_ORIGIN").then(|| variable.into());
        Options::parse(all(), given, &environment)
    }

    #[test]
    fn a_list_is_several_arguments_or_one_variable_with_commas() {
        let list = |given: &[&str], variable: &'static str| {
            let given =
                given.iter().map(|text| (&CORS_ORIGIN, format!("https://{text}"))).collect::<Vec<_>>();
            let origins = parsed(&given, variable)?.cors_origins;
            Ok::<Vec<_>, CliError>(origins.iter().map(|origin| origin.as_str().to_string()).collect())
        };
        assert_eq!(list(&[], "").unwrap(), Vec::<String>::new());
        assert_eq!(list(&["a", "b"], "https://c").unwrap(), ["https://a", "https://b"]);
        assert_eq!(
            list(&[], "https://a,https://b, https://c").unwrap(),
            ["https://a", "https://b", "https://c"]
        );
        for (given, variable, start) in [
            (&["a", "x/"][..], "https://c", "invalid value \"https://x/\" (--cors-origin): "),
            (&[], "https://a,x", "invalid value \"x\" (--cors-origin, from GATEKEY_CORS_ORIGIN): "),
        ] {
            let Err(CliError::Usage(message)) = list(given, variable) else {
                panic!("{variable} was accepted")
            };
            assert!(message.starts_with(start), "{message}");
        }
    }

    #[cfg(not(feature = "tiny-http"))]
    #[test]
    fn the_engine_that_was_not_built_is_rejected() {
        let Err(CliError::Usage(message)) = parsed(&[(&LOOP, "tiny-http".into())], "") else {
            panic!("accepted")
        };
        assert!(message.ends_with("this gatekey was built without the loop tiny-http"), "{message}");
    }
}
