//! The configuration of `gatekey serve`: its options, parsed once. `serve` runs it, `doctor` checks it.

use super::cli_error::CliError;
use super::options;
use super::settings::Settings;
use crate::data_dir::DataDir;
use crate::hashing::Hasher;
use crate::password::Cost;
use crate::realm::Policy;
use crate::routes;
use crate::server::engine::{self, Limits};
use crate::server::log::Log;
use core::net::SocketAddr;
use core::num::NonZeroUsize;
use std::path::PathBuf;

/// Everything that the options of `gatekey serve` configure.
pub(super) struct ServeConfig {
    pub(super) listen: ListenAddress,
    pub(super) allows_cleartext: bool,
    /// The address of the metrics listener, if there is one.
    pub(super) metrics: Option<SocketAddr>,
    pub(super) data_dir: DataDir,
    pub(super) hasher: Hasher,
    /// The cost of new hashes.
    pub(super) cost: Cost,
    /// The number of concurrent hashes; `None` for one a core.
    pub(super) slots: Option<usize>,
    pub(super) policy: Policy,
    pub(super) routes: routes::Config,
    /// Whether the engine serves, or else tiny_http.
    pub(super) is_strict: bool,
    pub(super) limits: Limits,
    /// Threads of the engine that serve requests; `None` for its default.
    pub(super) event_loops: Option<NonZeroUsize>,
    pub(super) log: Log,
}

impl ServeConfig {
    /// Parses the options.
    ///
    /// # Errors
    /// [`CliError::Usage`] for the first one that is invalid.
    pub(super) fn read(settings: &Settings<'_>) -> Result<Self, CliError> {
        Ok(Self {
            hasher: settings.hasher()?,
            cost: settings.hash_cost()?,
            slots: settings.hash_slots()?,
            log: read_log(settings)?,
            policy: Policy { rate_limits: settings.throttle_rules()?, ..settings.policy()? },
            routes: settings.routes_config()?,
            is_strict: settings.is_strict()?,
            limits: settings.limits()?,
            event_loops: settings.event_loops()?,
            data_dir: settings.data_dir()?,
            listen: settings.required(&options::LISTEN, parse_listen_address)?,
            allows_cleartext: settings.flag(&options::ALLOW_CLEARTEXT)?,
            metrics: metrics_address(settings)?,
        })
    }

    /// How many descriptors of the process are not for connections.
    pub(super) fn reserved_descriptors(&self) -> u64 {
        let loops = self.event_loops.unwrap_or_else(engine::default_event_loops).get() as u64;
        RESERVED_DESCRIPTORS + DESCRIPTORS_PER_EVENT_LOOP * loops
    }
}

/// Descriptors of the process but for connections and event loops: the database, the listeners, the standard streams, and
/// connections that were evicted or rejected and are not closed yet. With two event loops, 64 in all.
const RESERVED_DESCRIPTORS: u64 = 54;
/// Descriptors of an event loop: its poller, its waker, and its connection to the database (the file, its WAL, its index).
const DESCRIPTORS_PER_EVENT_LOOP: u64 = 5;

/// As `--listen` names it.
pub(super) enum ListenAddress {
    Address(SocketAddr),
    Path(PathBuf),
    Stdin,
}

fn parse_listen_address(text: &str) -> Result<ListenAddress, &'static str> {
    let address = || text.parse().map(ListenAddress::Address).ok();
    let listen = match text.strip_prefix("unix:") {
        Some(path) => (!path.is_empty()).then(|| ListenAddress::Path(path.into())),
        None if text == "stdin" => Some(ListenAddress::Stdin),
        None => address(),
    };
    listen.ok_or(
        "expected an IP address and a port, such as 127.0.0.1:5000 or [::1]:5000, or unix:PATH, or stdin",
    )
}

/// As `--metrics` names it.
fn metrics_address(settings: &Settings<'_>) -> Result<Option<SocketAddr>, CliError> {
    let expected = "expected an IP address and a port, such as 127.0.0.1:9469";
    let address =
        settings.read(&options::METRICS, |text| text.parse::<SocketAddr>().map_err(|_| expected))?;
    let Some(address) = address else { return Ok(None) };
    if !is_loopback(address) && !settings.flag(&options::ALLOW_CLEARTEXT)? {
        return Err(CliError::Usage(format!(
            "{address} is not a loopback address: everybody there could read the metrics. Listen on 127.0.0.1, or say \
             --allow-cleartext"
        )));
    }
    Ok(Some(address))
}

/// Whether only this machine reaches it.
pub(super) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

fn read_log(settings: &Settings<'_>) -> Result<Log, CliError> {
    settings.required(&options::LOG, |text| match text {
        "text" => Ok(Log::Text),
        "json" => Ok(Log::Json),
        "off" => Ok(Log::Off),
        _ => Err("expected text, json or off"),
    })
}
