//! Variables of the environment that look like ours and are nobody's: a misspelt one would be ignored in silence.

use super::options;
use super::suggest;
use crate::server::log::visible;

/// What the names of all our variables begin with.
const PREFIX: &str = "GATEKEY_";

/// What to say of these variables' names: a line for each that begins like an option's and is none.
pub(super) fn complaints(names: impl Iterator<Item = String>) -> Vec<String> {
    let known: Vec<_> = options::all().map(options::Opt::variable).collect();
    let unknown = names.filter(|name| name.starts_with(PREFIX) && !known.contains(name));
    let complaint = |name: String| {
        // Compared without what all have in common, which would count as so many letters right.
        let ends = known.iter().filter_map(|name| name.strip_prefix(PREFIX));
        let near = suggest::nearest(name.strip_prefix(PREFIX).unwrap_or_default(), ends);
        let hint = near.map_or(String::new(), |near| format!("; did you mean {PREFIX}{near}?"));
        format!("the variable {} belongs to no option and is ignored{hint}", visible(&name))
    };
    unknown.map(complaint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
