//! User names: which characters are allowed, and which names fold together, against Python's Unicode tables.
//!
//! The two sides may know different editions of Unicode: Python 3.11 has 14.0, Rust's standard library and the
//! tables of unicode-normalization are newer. So only characters that Python's edition has are compared. Unicode
//! promises that their normalization and case folding stay (<https://www.unicode.org/policies/stability_policy.html>),
//! not that their category does; it seldom changes, and a change that matters here shows as a difference, named with
//! both editions. A Python newer than the tables brings characters that they lack, and then this fails rightly: the
//! tables in `src/username.rs` and `src/unicode.rs` may lack them too.

use crate::python::{self, Venv};
use gatekey::unicode;
use gatekey::username::{Username, UsernameError};

/// A name with a character in its middle that Python knows.
struct Sample {
    name: String,
    /// The character's general category.
    category: String,
    /// What Python makes of the name by each of its ways to fold it.
    folded: Vec<String>,
}

/// Every character of Python's edition, unless there is no Python; and that edition.
fn samples(test: &str) -> Option<(String, Vec<Sample>)> {
    let output = python::run(Venv::Current, test, include_str!("unicode_names.py"), "")?;
    let (edition, lines) = output.split_once('\n').unwrap();
    let samples: Vec<Sample> = lines.lines().map(sample).collect();
    // Unicode 5.1, which the first Python 3 had, has more already, and no edition loses any.
    assert!(samples.len() > 100_000, "{} characters are not all of them", samples.len());
    Some((edition.to_owned(), samples))
}

/// A line is `Ll 61.E9.62 41.C9.42 61.E9.62`: the character's category, the name, and what it is folded to.
fn sample(line: &str) -> Sample {
    let text = |hex: &str| {
        let character = |hex| char::from_u32(u32::from_str_radix(hex, 16).unwrap()).unwrap();
        hex.split('.').map(character).collect()
    };
    let mut words = line.split(' ');
    let (category, name) = (words.next().unwrap(), words.next().unwrap());
    Sample { name: text(name), category: category.to_owned(), folded: words.map(text).collect() }
}

/// Stops if anything differs, with both editions, since they are the first thing to look at.
fn assert_none(differences: &[String], edition: &str) {
    let (major, minor, update) = char::UNICODE_VERSION;
    assert!(
        differences.is_empty(),
        "Python has Unicode {edition}, Rust {major}.{minor}.{update}; {} differ, the first: {:#?}",
        differences.len(),
        differences.iter().take(10).collect::<Vec<_>>()
    );
}

#[test]
fn control_format_and_separator_characters_are_rejected_in_usernames() {
    let test = "control_format_and_separator_characters_are_rejected_in_usernames";
    let Some((edition, samples)) = samples(test) else { return };
    for category in ["Cc", "Cf", "Zl", "Zp"] {
        assert!(samples.iter().any(|sample| sample.category == category), "{category}");
    }
    let mut differences = Vec::new();
    for Sample { name, category, .. } in &samples {
        let error = Username::parse(name).err();
        let expected = match category.as_str() {
            "Cc" | "Cf" | "Zl" | "Zp" => Some(UsernameError::Invisible),
            _ if name.contains(':') => Some(UsernameError::Colon),
            _ => None,
        };
        if error != expected {
            differences.push(format!("{name:?} {category}: expected {expected:?}, got {error:?}"));
        }
    }
    assert_none(&differences, &edition);
}

/// If Python takes two names for the same, by any of its ways to fold names, then both fold to the same here: what Python
/// makes of a name folds here as the name does.
#[test]
fn names_that_python_folds_together_fold_together() {
    let Some((edition, samples)) = samples("names_that_python_folds_together_fold_together") else { return };
    let mut differences = Vec::new();
    let mut changed = 0;
    for Sample { name, category, folded, .. } in &samples {
        let Ok(username) = Username::parse(name) else { continue };
        for other in folded {
            changed += usize::from(other != name);
            let here = unicode::fold(other);
            if username.folded() != here {
                let difference =
                    format!("{name:?} {category}, in Python {other:?}: {:?}, {here:?}", username.folded());
                differences.push(difference);
            }
        }
    }
    assert_none(&differences, &edition);
    assert!(changed > 20_000, "only {changed} are changed by folding");
}
