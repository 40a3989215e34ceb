//! Environment variables: misspelt ones, and their names in error messages.

use super::cli_error::CliError;
use super::options::{self, Opt, OptionLists};
use super::suggest;
use crate::server::log::visible;
use std::ffi::OsString;

const PREFIX: &str = "GATEKEY_";

/// A message for each variable with our prefix that belongs to no option.
pub(super) fn complaints(names: impl Iterator<Item = String>) -> Vec<String> {
    let known: Vec<_> = options::all().map(Opt::variable).collect();
    let unknown = names.filter(|name| name.starts_with(PREFIX) && !known.contains(name));
    let complaint = |name: String| {
        // Compared without the prefix, which would count as letters in common.
        let ends = known.iter().filter_map(|name| name.strip_prefix(PREFIX));
        let near = suggest::nearest(name.strip_prefix(PREFIX).expect("it was selected by the prefix"), ends);
        let hint = near.map_or(String::new(), |near| format!("; did you mean {PREFIX}{near}?"));
        format!("the variable {} belongs to no option and is ignored{hint}", visible(&name))
    };
    unknown.map(complaint).collect()
}

/// Adds the variables of the options that an error names, if options are set by variables: in a container
/// or a service, the operator corrects them there.
pub(super) fn name_variables(
    error: CliError,
    takes: OptionLists,
    given: &[(&'static Opt, String)],
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> CliError {
    let options = || takes.iter().copied().flatten();
    if !options().any(|option| environment(&option.variable()).is_some_and(|text| !text.is_empty())) {
        return error;
    }
    let name = |message: String| {
        let is_named = |option: &Opt| {
            names_option(&message, option.name)
                && !message.contains(&option.variable())
                && !given.iter().any(|(given, _)| given.name == option.name)
        };
        let named = options().filter(|option| is_named(option));
        let named: Vec<_> =
            named.map(|option| format!("{} for --{}", option.variable(), option.name)).collect();
        if named.is_empty() { message } else { format!("{message} (variables: {})", named.join(", ")) }
    };
    match error {
        CliError::Usage(message) => CliError::Usage(name(message)),
        CliError::Failed(message) => CliError::Failed(name(message)),
        error => error,
    }
}

/// Whether a message names this option, and not a longer one that begins with it.
fn names_option(message: &str, name: &str) -> bool {
    message.split("--").skip(1).any(|rest| {
        rest.strip_prefix(name)
            .is_some_and(|rest| !rest.starts_with(|c: char| c == '-' || c.is_ascii_alphanumeric()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_variables_where_variables_set_options() {
        let named = |given: &[(&'static Opt, String)], variable: &'static str, message: &str| {
            let environment = |name: &str| (name == variable).then(|| "x".into());
            match name_variables(
                CliError::Usage(message.into()),
                &[options::SERVE_OPTIONS],
                given,
                &environment,
            ) {
                CliError::Usage(message) => message,
                _ => panic!("another kind"),
            }
        };
        let message = "--max-connections-per-address is wrong; say --listen";
        assert_eq!(named(&[], "PATH", message), message);
        let variables = "(variables: GATEKEY_LISTEN for --listen, GATEKEY_MAX_CONNECTIONS_PER_ADDRESS for \
                         --max-connections-per-address)";
        assert_eq!(named(&[], "GATEKEY_DATA", message), format!("{message} {variables}"));
        let given = [(&options::LISTEN, "x".into()), (&options::MAX_CONNECTIONS_PER_ADDRESS, "1".into())];
        assert_eq!(named(&given, "GATEKEY_DATA", message), message);
        let message = "invalid value \"x\" (--data, from GATEKEY_DATA): no";
        assert_eq!(named(&[], "GATEKEY_DATA", message), message);
    }

    #[test]
    fn a_misspelt_variable_is_named_and_so_is_what_was_meant() {
        let names =
            ["PATH", "GATEKEY_LISTN", "GATEKEY_DATA", "GATEKEY_JSON", "GATEKEY_", "GATEKEY_A\nB_SEAGULL"];
        assert_eq!(
            complaints(names.into_iter().map(String::from)),
            [
                "the variable GATEKEY_LISTN belongs to no option and is ignored; did you mean GATEKEY_LISTEN?",
                "the variable GATEKEY_ belongs to no option and is ignored",
                "the variable GATEKEY_A\\nB_SEAGULL belongs to no option and is ignored",
            ]
        );
    }
}
