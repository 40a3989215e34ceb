//! The installation that `doctor` checks, as the server would see it.

use super::super::cli_error::CliError;
use super::super::config::{CommandConfig, ServeConfig};
use super::super::data;
use super::super::hash_time;
use super::super::options;
use crate::clock::{self, UnixTime};
use crate::data_dir::DataDir;
use crate::hashing;
use crate::store::{DatabaseReport, StoreError};
use core::cell::OnceCell;
use core::time::Duration;

/// The most that the clocks of two machines may differ by.
pub(super) const MAX_CLOCK_SKEW: Duration = Duration::from_secs(60);

/// The installation, with what several checks read.
pub(super) struct Installation {
    pub(super) data_dir: DataDir,
    pub(super) config: ServeConfig,
    /// The server's options that differ from their defaults.
    pub(super) options: Vec<String>,
    pub(super) slots: usize,
    pub(super) now: UnixTime,
    /// Read once, by the first check that needs it.
    report: OnceCell<Result<DatabaseReport, StoreError>>,
}

impl Installation {
    /// # Errors
    /// [`CliError::Usage`] where `serve` has it too.
    pub(super) fn new(config: &CommandConfig<'_>) -> Result<Self, CliError> {
        let set = config.options.set.iter();
        let set = set.filter(|(option, _)| options::SERVE_OPTIONS.iter().any(|own| own.name == option.name));
        let options = set.map(|(_, text)| text.clone()).collect();
        let config = ServeConfig::new(config)?;
        Ok(Self {
            data_dir: config.data_dir.clone(),
            slots: config.hash_slots.unwrap_or_else(hashing::cores),
            config,
            options,
            now: clock::unix(),
            report: OnceCell::new(),
        })
    }

    pub(super) fn report(&self) -> &Result<DatabaseReport, StoreError> {
        let at = self.now.saturating_add(MAX_CLOCK_SKEW);
        self.report.get_or_init(|| {
            // If it can't be copied, the error of opening it says more.
            let copy = data::copy_if_needed(&self.data_dir).ok().flatten();
            let copied = copy.as_ref().map(|copy| DataDir::new(copy.directory()));
            copied.as_ref().unwrap_or(&self.data_dir).report(at)
        })
    }

    pub(super) fn time_hash(&self) -> Option<Duration> {
        hash_time::measure(self.config.cost, 1)
    }
}
