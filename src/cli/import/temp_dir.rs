//! A dry run makes nothing that stays: where there is no database yet, it goes into an empty one elsewhere.

use crate::cli::cli_error::CliError;
use crate::cli::data;
use crate::cli::temp_dir::TempDir;
use crate::data_dir::DataDir;

/// A directory for one, if there is no database here, and might be made.
pub(super) fn instead_of(data_dir: &DataDir) -> Result<Option<TempDir>, CliError> {
    if data_dir.has_database().map_err(|error| data::failed(&error))? {
        return Ok(None);
    }
    data_dir.check_may_create().map_err(|error| data::failed(&error))?;
    TempDir::new("dry-run").map(Some)
}
