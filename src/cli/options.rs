//! The table of options: the parser, the help, and whatever else speaks of options reads it here.

use alloc::format;
use alloc::string::String;

/// One option.
#[derive(Debug)]
pub(super) struct Opt {
    /// The name, without the two dashes.
    pub(super) name: &'static str,
    /// What its value is called in help; `None` for a flag.
    pub(super) value: Option<&'static str>,
    /// The value where neither argument nor environment gives one.
    pub(super) default: Option<&'static str>,
    /// What it does.
    pub(super) help: &'static str,
}

impl Opt {
    /// The environment variable that stands in for it: `--token-lifetime` is `GATEKEY_TOKEN_LIFETIME`.
    pub(super) fn variable(&self) -> String {
        format!("GATEKEY_{}", self.name.replace('-', "_").to_ascii_uppercase())
    }
}

/// Every option of every command.
pub(super) const OPTIONS: &[&Opt] = &[
    &LISTEN,
    &DATA,
    &KEY_FILE,
    &TOKEN_LIFETIME,
    &MAX_SESSION,
    &SCRYPT,
    &MAX_HASH_MEMORY,
    &HASH_SLOTS,
    &HASH_QUEUE,
    &PASSWORD_CACHE,
    &REGISTRATION,
    &MIN_PASSWORD_LENGTH,
    &PUBLIC_URL,
    &USER_LOOKUP,
    &THROTTLE,
    &GUESSES_PER_ADDRESS,
    &GUESSES_PER_USER,
    &GUESSES_PER_USER_AND_ADDRESS,
    &REGISTRATIONS_PER_ADDRESS,
    &LOOKUPS_PER_ADDRESS,
    &TRUSTED_PROXY,
    &ALLOW_CLEARTEXT,
    &LOOP,
    &MAX_CONNECTIONS,
    &MAX_CONNECTIONS_PER_ADDRESS,
    &REQUEST_TIMEOUT,
    &IDLE_TIMEOUT,
    &MAX_HEAD,
    &MAX_BODY,
    &LOG,
    &PASSWORD_STDIN,
    &AT,
    &JSON,
    &COMPROMISED,
    &SIGN,
    &WEAK,
    &FORCE,
];

pub(super) const LISTEN: Opt = Opt {
    name: "listen",
    value: Some("ADDR:PORT|unix:PATH|stdin"),
    default: Some("127.0.0.1:5000"),
    help: "Where to listen: an IP address, not a name, and a port, of which 0 takes a free one; a Unix socket, which its \
           owner and group may connect to; or the listening socket that standard input is, as systemd hands it over.",
};
pub(super) const DATA: Opt = Opt {
    name: "data",
    value: Some("DIR"),
    default: Some("./gatekey-data"),
    help: "The data directory, with the database and, unless --key-file says otherwise, the signing keys.",
};
pub(super) const KEY_FILE: Opt = Opt {
    name: "key-file",
    value: Some("FILE"),
    default: None,
    help: "The signing keys, where they are not in the data directory: one secret a line, the newest last.",
};
pub(super) const TOKEN_LIFETIME: Opt = Opt {
    name: "token-lifetime",
    value: Some("DURATION"),
    default: Some("10m"),
    help: "How long a token is valid: 90 (seconds), 10m, 24h, 30d.",
};
pub(super) const MAX_SESSION: Opt = Opt {
    name: "max-session",
    value: Some("DURATION"),
    default: Some("30d"),
    help: "How long tokens may be renewed by tokens before the password must be shown again.",
};
pub(super) const SCRYPT: Opt = Opt {
    name: "scrypt",
    value: Some("PARAMETERS"),
    default: Some("ln=14,r=8,p=5"),
    help: "The cost of password hashes; one takes 128 * r * 2^ln bytes. Hashes of another cost are replaced at login.",
};
pub(super) const MAX_HASH_MEMORY: Opt = Opt {
    name: "max-hash-memory",
    value: Some("SIZE"),
    default: Some("64M"),
    help: "Stored hashes that take more memory than this are not verified: bytes, or with K, M, G.",
};
pub(super) const HASH_SLOTS: Opt = Opt {
    name: "hash-slots",
    value: Some("NUMBER"),
    default: None,
    help: "How many passwords are hashed at once, 1 to 64; each takes the memory of one hash. Default: the number of \
           cores.",
};
pub(super) const HASH_QUEUE: Opt = Opt {
    name: "hash-queue",
    value: Some("NUMBER"),
    default: Some("64"),
    help: "How many may wait to have a password hashed, up to 1024, and 2 of one address; more are answered 503. With \
           --loop tiny-http no more than 2 hash or wait.",
};
pub(super) const PASSWORD_CACHE: Opt = Opt {
    name: "password-cache",
    value: Some("DURATION"),
    default: Some("60s"),
    help: "How long a password that was right needs no hash when the same client shows it again; 0 hashes each time. A \
           changed password counts at once all the same.",
};
pub(super) const REGISTRATION: Opt = Opt {
    name: "registration",
    value: Some("open|closed"),
    default: Some("open"),
    help: "Whether strangers may register. When closed, gatekey user add is the only way.",
};
pub(super) const MIN_PASSWORD_LENGTH: Opt = Opt {
    name: "min-password-length",
    value: Some("CHARACTERS"),
    default: Some("1"),
    help: "The least number of characters of a new password, 1 to 256.",
};
pub(super) const PUBLIC_URL: Opt = Opt {
    name: "public-url",
    value: Some("URL"),
    default: None,
    help: "Under which URL clients reach this server; Location fields begin with it.",
};
pub(super) const USER_LOOKUP: Opt = Opt {
    name: "user-lookup",
    value: Some("public|self"),
    default: None,
    help: "Whose name GET /api/users/ID tells: anybody's, or one's own. Default: self when registration is closed, \
           else public.",
};
pub(super) const THROTTLE: Opt = Opt {
    name: "throttle",
    value: Some("on|off"),
    default: Some("on"),
    help: "Whether wrong passwords, registrations and look-ups are counted, and too many of them answered 429. Tokens \
           never are, nor is a user's right password at an address from which that user has logged in before because \
           of what others do.",
};
pub(super) const GUESSES_PER_ADDRESS: Opt = Opt {
    name: "guesses-per-address",
    value: Some("BURST/EVERY"),
    default: Some("100/1m"),
    help: "Wrong passwords from one address, of IPv6 from one /64: so many at once, then one more each time so long \
           has passed. A /48 of IPv6 has sixteen times as many. The default is 1540 on the first day, then 1440 a day.",
};
pub(super) const GUESSES_PER_USER: Opt = Opt {
    name: "guesses-per-user",
    value: Some("BURST/EVERY"),
    default: Some("100/5m"),
    help: "Wrong passwords for one user name from all addresses together, except those from which that user has \
           logged in before. The default is 388 on the first day, then 288 a day, were it from ten thousand addresses.",
};
pub(super) const GUESSES_PER_USER_AND_ADDRESS: Opt = Opt {
    name: "guesses-per-user-and-address",
    value: Some("BURST/EVERY"),
    default: Some("10/10m"),
    help: "Wrong passwords for one user name from one address. The default is 154 on the first day, then 144 a day.",
};
pub(super) const REGISTRATIONS_PER_ADDRESS: Opt = Opt {
    name: "registrations-per-address",
    value: Some("BURST/EVERY"),
    default: Some("20/1m"),
    help: "Registrations from one address, those refused for a taken name included; a /48 of IPv6 has sixteen times \
           as many.",
};
pub(super) const LOOKUPS_PER_ADDRESS: Opt = Opt {
    name: "lookups-per-address",
    value: Some("BURST/EVERY"),
    default: Some("300/1s"),
    help: "Requests for GET /api/users/ID from one address; a /48 of IPv6 has sixteen times as many.",
};
pub(super) const TRUSTED_PROXY: Opt = Opt {
    name: "trusted-proxy",
    value: Some("CIDR|unix"),
    default: None,
    help: "A proxy that is believed what it says of its clients in X-Forwarded-For, -Host and -Proto: an address, a \
           network such as 10.0.0.0/8, or unix for whoever connects to a Unix socket. It must set these fields itself, never pass \
           on what its clients sent. May be given several times; in \
           the variable, commas stand between. Default: nobody.",
};
pub(super) const ALLOW_CLEARTEXT: Opt = Opt {
    name: "allow-cleartext",
    value: None,
    default: None,
    help: "Listen on other than loopback addresses, where passwords cross the network readable for everybody on it.",
};
pub(super) const LOOP: Opt = Opt {
    name: "loop",
    value: Some("strict|tiny-http"),
    default: Some("strict"),
    help: "Which server loop carries the requests; tiny-http is for reading and embedding, not for an open network.",
};
pub(super) const MAX_CONNECTIONS: Opt = Opt {
    name: "max-connections",
    value: Some("NUMBER"),
    default: Some("256"),
    help: "Connections at once in the strict loop; a newcomer beyond that takes the place of one that waits. Fewer \
           where the process may not open so many descriptors.",
};
pub(super) const MAX_CONNECTIONS_PER_ADDRESS: Opt = Opt {
    name: "max-connections-per-address",
    value: Some("NUMBER"),
    default: None,
    help: "The same from one address, of IPv6 from one /64. Default: 64, and any number from this machine, \
           where a proxy may stand; a number given here counts there too, but never for trusted proxies.",
};
pub(super) const REQUEST_TIMEOUT: Opt = Opt {
    name: "request-timeout",
    value: Some("DURATION"),
    default: Some("10"),
    help: "How long a request's head may take in the strict loop, from its first byte; then its body; then the answer.",
};
pub(super) const IDLE_TIMEOUT: Opt = Opt {
    name: "idle-timeout",
    value: Some("DURATION"),
    default: None,
    help: "How long the strict loop keeps a connection that sends nothing. Default: 75, and 150 from trusted proxies, \
           which is longer than proxies keep theirs; a duration given here counts for both.",
};
pub(super) const MAX_HEAD: Opt = Opt {
    name: "max-head",
    value: Some("SIZE"),
    default: Some("32K"),
    help: "The longest head of a request in the strict loop, request line and fields together, 1K to 1M; a longer one \
           is answered 414 or 431.",
};
pub(super) const MAX_BODY: Opt = Opt {
    name: "max-body",
    value: Some("SIZE"),
    default: Some("16K"),
    help: "The longest body of a request in the strict loop, 1K to 1M; a longer one is answered 413. With --loop \
           tiny-http it is 16K.",
};
pub(super) const LOG: Opt = Opt {
    name: "log",
    value: Some("text|off"),
    default: Some("text"),
    help: "One line a request on standard error, or none.",
};
pub(super) const PASSWORD_STDIN: Opt = Opt {
    name: "password-stdin",
    value: None,
    default: None,
    help: "Read the password from standard input, its first line, instead of asking for it.",
};
pub(super) const AT: Opt = Opt {
    name: "at",
    value: Some("UNIXTIME"),
    default: None,
    help: "Judge the token as if it were this second since 1970. Default: now.",
};
pub(super) const JSON: Opt =
    Opt { name: "json", value: None, default: None, help: "Print JSON, for programs." };
pub(super) const COMPROMISED: Opt = Opt {
    name: "compromised",
    value: None,
    default: None,
    help: "Drop all other keys at once, because somebody else may have them: every token dies, and everybody must log in \
           again.",
};
pub(super) const SIGN: Opt = Opt {
    name: "sign",
    value: None,
    default: None,
    help: "Put the key newest, so that it signs from now on; without this it is the oldest and only verifies.",
};
pub(super) const WEAK: Opt = Opt {
    name: "weak",
    value: None,
    default: None,
    help: "Take a secret of less than 16 bytes too. It can be guessed from one token, and whoever has guessed it can \
           act as anybody.",
};
pub(super) const FORCE: Opt = Opt {
    name: "force",
    value: None,
    default: None,
    help: "Take a secret that stands in print too: whoever has read it can act as anybody.",
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::commands::COMMANDS;

    #[test]
    fn every_option_is_somebodys_and_every_one_of_a_commands_is_in_the_table() {
        let in_table = |option: &Opt| OPTIONS.iter().any(|known| known.name == option.name);
        let used =
            |option: &Opt| COMMANDS.iter().any(|c| c.options.iter().any(|own| own.name == option.name));
        assert!(COMMANDS.iter().flat_map(|command| command.options).all(|option| in_table(option)));
        assert!(OPTIONS.iter().all(|option| used(option)));
    }

    #[test]
    fn a_variable_is_named_after_its_option() {
        assert_eq!(MIN_PASSWORD_LENGTH.variable(), "GATEKEY_MIN_PASSWORD_LENGTH");
    }
}
