//! The type of an option.

/// One option.
#[derive(Debug)]
pub(in crate::cli) struct Opt {
    /// The name, without the two dashes.
    pub(in crate::cli) name: &'static str,
    /// What its value is called in help; `None` for a flag.
    pub(in crate::cli) value: Option<&'static str>,
    /// The value where neither argument nor environment gives one.
    pub(in crate::cli) default: Option<&'static str>,
    /// What it does.
    pub(in crate::cli) help: &'static str,
}

impl Opt {
    /// The environment variable that stands in for it: `--token-lifetime` is `GATEKEY_TOKEN_LIFETIME`.
    pub(in crate::cli) fn variable(&self) -> String {
        format!("GATEKEY_{}", self.name.replace('-', "_").to_ascii_uppercase())
    }
}
