//! Configuration of a command: its options, operands and files, parsed once. `ServeConfig` is the server's,
//! which `serve` runs and `doctor` checks.

use super::cli_error::CliError;
use super::env_file::EnvFile;
use super::environment;
use super::files::{self, Files};
use super::options::{self, Opt, OptionLists, Options};
use super::private_copy::PrivateCopy;
use super::values::{Engine, ListenAddress};
use crate::client::Client;
use crate::data_dir::DataDir;
use crate::hashing::{HashError, Hasher};
use crate::limiter::Rules;
use crate::os;
use crate::password::Cost;
use crate::realm::Policy;
use crate::routes::{self, PublicUrl, SignInPages, SignInPagesError};
use crate::server::engine::Limits;
use crate::server::link_command::LinkCommand;
use crate::server::log::{self, Log};
#[cfg(feature = "tiny-http")]
use crate::server::tiny;
use core::fmt::Display;
use core::net::SocketAddr;
use core::num::NonZeroUsize;
use std::ffi::OsString;
use std::path::Path;

/// The configuration of one run of a command.
pub(super) struct CommandConfig<'a> {
    pub(super) options: Options,
    pub(super) operands: Vec<String>,
    pub(super) data_dir: DataDir,
    /// Whether `--data` or its variable is set.
    pub(super) names_data_dir: bool,
    /// Opens the operator's files.
    pub(super) files: &'a Files,
}

impl<'a> CommandConfig<'a> {
    /// Parses the options that a command takes: the argument, else the variable in `--env-file`, else the environment
    /// variable, else the default.
    ///
    /// # Errors
    /// [`CliError::Usage`] for the first invalid value; [`CliError::Failed`] if `--env-file` can't be read.
    pub(super) fn new(
        takes: OptionLists,
        given: &[(&'static Opt, String)],
        operands: Vec<String>,
        environment: &dyn Fn(&str) -> Option<OsString>,
        files: &'a Files,
    ) -> Result<Self, CliError> {
        let takes = || takes.iter().copied().flatten().copied();
        let env_file_option = takes().filter(|option| option.name == options::ENV_FILE.name);
        let env_file = Options::parse(env_file_option, given, environment)?.env_file;
        let env_file = env_file.map_or_else(|| Ok(EnvFile::default()), |path| read_env_file(&path, files))?;
        let variable = |name: &str| env_file.get(name).or_else(|| environment(name));
        let options = Options::parse(takes(), given, &variable)?;
        let mut data_dir = DataDir::new(&options.data);
        if let Some(key_file) = &options.key_file {
            data_dir = data_dir.with_key_file(key_file);
        }
        if options.new_database {
            data_dir = data_dir.with_new_database();
        }
        let names_data_dir = given.iter().any(|(option, _)| option.name == options::DATA.name)
            || variable(&options::DATA.variable()).is_some_and(|text| !text.is_empty());
        Ok(Self { options, operands, data_dir, names_data_dir, files })
    }

    /// Replaces the data directory by a copy of the database, if there is one.
    pub(super) fn with_copy(mut self, copy: Option<&PrivateCopy>) -> Self {
        if let Some(copy) = copy {
            self.data_dir = DataDir::new(copy.directory()).with_key_file(self.data_dir.key_file());
        }
        self
    }

    pub(super) fn operand(&self) -> &str {
        self.operands.first().expect("the parser rejects a command without its operand")
    }

    pub(super) fn hasher(&self) -> Result<Hasher, CliError> {
        let options = &self.options;
        let hasher = Hasher::new(options.scrypt, options.max_hash_memory).map_err(|error| match error {
            HashError::TooMuchMemory { .. } => {
                CliError::Usage(format!("--scrypt and --max-hash-memory don't go together: {error}"))
            }
            error => CliError::failed("can't check passwords", &error),
        })?;
        let hasher = hasher
            .with_slots(options.hash_slots, options.hash_queue)
            .with_password_cache(options.password_cache);
        match options.engine {
            #[cfg(feature = "tiny-http")]
            Engine::TinyHttp => Ok(hasher.with_max_requests(tiny::MAX_HASHING)),
            _ => Ok(hasher),
        }
    }

    /// The policy, without rate limits: only the server verifies passwords.
    pub(super) fn policy(&self) -> Result<Policy, CliError> {
        let options = &self.options;
        if options.token_lifetime > options.max_session {
            let (lifetime, session) = (options.token_lifetime.as_secs(), options.max_session.as_secs());
            return Err(CliError::Usage(format!(
                "--token-lifetime ({lifetime} s) is longer than --max-session ({session} s): raise the latter too"
            )));
        }
        Ok(Policy {
            token_lifetime: options.token_lifetime,
            max_session: options.max_session,
            registration: options.registration,
            user_lookup: options.user_lookup,
            min_password_chars: options.min_password_length,
            rate_limits: None,
            browser_session: options.browser_session,
            max_token_lifetime: options.max_token_lifetime,
        })
    }

    pub(super) fn rate_limits(&self) -> Rules {
        Rules {
            attempts_per_address: self.options.guesses_per_address,
            attempts_per_user: self.options.guesses_per_user,
            attempts_per_user_and_address: self.options.guesses_per_user_and_address,
            registrations_per_address: self.options.registrations_per_address,
            lookups_per_address: self.options.lookups_per_address,
        }
    }
}

/// Reads `--env-file`, and logs what is probably a mistake.
fn read_env_file(path: &str, files: &Files) -> Result<EnvFile, CliError> {
    let file = EnvFile::read(Path::new(path), files)?;
    // The process that root re-executes as the owner of the data directory doesn't log it again.
    if !files::is_for_root() {
        match &file {
            Some(file) => environment::complaints(file.names()).into_iter().for_each(log::notice),
            None => log::notice(format!("there is no {path}: a service goes by its defaults then")),
        }
    }
    Ok(file.unwrap_or_default())
}

pub(super) struct ServeConfig {
    pub(super) listen: ListenAddress,
    pub(super) allow_cleartext: bool,
    /// The address of the metrics listener, if there is one.
    pub(super) metrics: Option<SocketAddr>,
    pub(super) data_dir: DataDir,
    pub(super) hasher: Hasher,
    pub(super) cost: Cost,
    /// The number of concurrent hashes; `None` for the number of cores.
    pub(super) hash_slots: Option<usize>,
    pub(super) policy: Policy,
    pub(super) routes: routes::Config,
    /// What sends the links of `/forgot-password`, and the URL with which they begin.
    pub(super) link_command: Option<(LinkCommand, PublicUrl)>,
    pub(super) engine: Engine,
    pub(super) limits: Limits,
    /// The number of event loops; `None` for the engine's default.
    pub(super) event_loops: Option<NonZeroUsize>,
    pub(super) log: Log,
}

impl ServeConfig {
    /// # Errors
    /// [`CliError::Usage`] if two options contradict each other.
    pub(super) fn new(config: &CommandConfig<'_>) -> Result<Self, CliError> {
        let (hasher, policy, rate_limits) = (config.hasher()?, config.policy()?, config.rate_limits());
        let options = &config.options;
        if let Some(address) =
            options.metrics.filter(|address| !options.allow_cleartext && !is_loopback(*address))
        {
            return Err(CliError::Usage(format!(
                "{address} is not a loopback address: any host that reaches it could read the metrics. Listen on 127.0.0.1, or \
                 set --allow-cleartext"
            )));
        }
        Ok(Self {
            hasher,
            cost: options.scrypt,
            hash_slots: options.hash_slots,
            log: options.log,
            policy: Policy { rate_limits: options.throttle.then_some(rate_limits), ..policy },
            engine: options.engine,
            limits: limits(options),
            event_loops: options.event_loops,
            link_command: link_command(options)?,
            data_dir: config.data_dir.clone(),
            listen: options.listen.clone(),
            allow_cleartext: options.allow_cleartext,
            metrics: options.metrics,
            routes: routes::Config {
                public_url: options.public_url.clone(),
                trusted_proxies: options.trusted_proxies.iter().copied().collect(),
                cors_origins: options.cors_origins.clone(),
                learn_page: !options.no_page,
                sign_in_pages: sign_in_pages(options)?,
                link_requests: None,
            },
        })
    }

    pub(super) fn check_listener(&self, address: &ListenAddress) -> Result<(), ListenRefusal> {
        match address {
            // tiny_http removes, when it ends, any file at its path, and drops a connection of a shared socket.
            ListenAddress::Unix(_) | ListenAddress::Stdin if self.engine == Engine::TinyHttp => {
                Err(ListenRefusal::NeedsStrict)
            }
            ListenAddress::Tcp(address) if !is_loopback(*address) && !self.allow_cleartext => {
                Err(ListenRefusal::Cleartext(*address))
            }
            // The peer of a Unix socket has no address: without `X-Forwarded-For` all clients share one rate limit.
            ListenAddress::Unix(_) if !self.routes.trusted_proxies.trusts(Client::Local) => {
                Err(ListenRefusal::NeedsTrustedProxy)
            }
            _ => Ok(()),
        }
    }
}

/// The sign-in pages; `None` where the public URL allows none.
fn sign_in_pages(options: &Options) -> Result<Option<SignInPages>, CliError> {
    let usage = |option, error| CliError::Usage(format!("--{option}: {error}"));
    let domain = options.cookie_domain.as_deref();
    let pages = options.public_url.as_ref().map(|url| SignInPages::new(url, &options.title));
    match (pages, domain) {
        (Some(Err(error @ SignInPagesError::Title)), _) => Err(usage("title", error)),
        (Some(Ok(pages)), None) => Ok(Some(pages)),
        (Some(Ok(pages)), Some(domain)) => {
            pages.with_cookie_domain(domain).map(Some).map_err(|error| usage("cookie-domain", error))
        }
        (Some(Err(error)), Some(_)) => Err(usage("cookie-domain", error)),
        (None, Some(_)) => Err(CliError::Usage("--cookie-domain needs --public-url".into())),
        (Some(Err(_)) | None, None) => Ok(None),
    }
}

/// The link command; it needs the sign-in pages, to which its links lead.
fn link_command(options: &Options) -> Result<Option<(LinkCommand, PublicUrl)>, CliError> {
    let Some(command) = &options.link_command else { return Ok(None) };
    let usage = |reason: &dyn Display| {
        CliError::Usage(format!("--link-command needs --public-url, the URL of the sign-in pages{reason}"))
    };
    let url = options.public_url.as_ref().ok_or_else(|| usage(&""))?;
    SignInPages::new(url, &options.title).map_err(|error| usage(&format_args!(": {error}")))?;
    Ok(Some((command.clone(), url.clone())))
}

pub(super) enum ListenRefusal {
    /// The address is no loopback address, and `--allow-cleartext` isn't set.
    Cleartext(SocketAddr),
    /// A Unix socket without `--trusted-proxy unix`.
    NeedsTrustedProxy,
    /// tiny_http listens on addresses and ports only.
    NeedsStrict,
}

/// Whether only this machine reaches it.
pub(super) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// What to do about an address that other machines reach. A container's loopback is reached by nothing outside it: there the
/// host decides, by the address on which it publishes the port.
pub(super) fn cleartext_advice(address: SocketAddr) -> String {
    let port = address.port();
    if os::is_in_container() {
        format!(
            "in a container: publish the port only on the host's loopback address (-p 127.0.0.1:{port}:{port}), to a proxy \
             that terminates TLS, and set --allow-cleartext"
        )
    } else {
        "listen on 127.0.0.1 behind a proxy that terminates TLS, or set --allow-cleartext if every host on that network \
         is trusted"
            .into()
    }
}

fn limits(options: &Options) -> Limits {
    let default = Limits::default();
    let per_address = options.max_connections_per_address;
    Limits {
        max_connections: options.max_connections,
        max_connections_per_address: per_address.unwrap_or(default.max_connections_per_address),
        exempts_local: per_address.is_none(),
        request_timeout: options.request_timeout,
        idle_timeout: options.idle_timeout.unwrap_or(default.idle_timeout),
        proxy_idle_timeout: options.idle_timeout.unwrap_or(default.proxy_idle_timeout),
        max_head: options.max_head,
        max_body: options.max_body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::commands::COMMANDS;

    fn serve_config(given: &[(&'static Opt, String)]) -> ServeConfig {
        let serve = COMMANDS.iter().find(|command| command.words == ["serve"]).unwrap();
        let config = CommandConfig::new(serve.options, given, Vec::new(), &|_| None, &files::NONE);
        ServeConfig::new(&config.unwrap()).unwrap()
    }

    #[test]
    fn the_documented_limits_are_those_of_the_engine() {
        let limits = serve_config(&[]).limits;
        assert_eq!(limits, Limits::default());
        let per_address = options::MAX_CONNECTIONS_PER_ADDRESS.help;
        assert!(per_address.contains(&format!("Default: {},", limits.max_connections_per_address)));
        let (idle, of_proxies) = (limits.idle_timeout.as_secs(), limits.proxy_idle_timeout.as_secs());
        let documented = format!("Default: {idle}, and {of_proxies} from trusted proxies");
        assert!(options::IDLE_TIMEOUT.help.contains(&documented));
    }

    #[test]
    fn the_documented_rate_limits_are_those_of_the_limiter() {
        assert_eq!(serve_config(&[]).policy.rate_limits, Some(Rules::default()));
        assert_eq!(serve_config(&[(&options::THROTTLE, "off".into())]).policy.rate_limits, None);
    }
}
