//! The documents name files, functions and tests that exist, and chapters have their parts.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const MAX_CHAPTER_LINES: usize = 25;

pub fn read(path: &str) -> Option<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()
}

/// What is between backticks, code blocks left out.
pub fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Whether it looks like a file of the project.
pub fn is_path(text: &str) -> bool {
    let folders = ["src/", "tests/", "docs/", "deploy/", "bench/", "examples/", "fuzz/"];
    text == "schema.sql"
        || folders.iter().any(|folder| text.starts_with(folder)) && !text.contains([' ', '*'])
}

/// The name of a function in this form: `name()`, `Type::NAME` and `a_name_of_many_words` are none, some and one.
pub fn function(text: &str) -> Option<&str> {
    let name = text.strip_suffix("()").or_else(|| (text.matches('_').count() >= 3).then_some(text))?;
    name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')).then_some(name)
}

/// The chapters: heading and text.
fn chapters() -> Vec<(&'static str, &'static str)> {
    let chapters = include_str!("../../docs/ideas.md").split("\n## ").skip(1);
    chapters.map(|chapter| chapter.split_once('\n').unwrap()).collect()
}

#[test]
fn every_file_that_a_document_names_is_there() {
    let docs = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")).unwrap();
    let docs = docs.map(|entry| format!("docs/{}", entry.unwrap().file_name().into_string().unwrap()));
    let mut named = BTreeSet::new();
    let texts = docs.filter(|path| Path::new(path).extension().is_some_and(|end| end == "md"));
    for document in texts.chain(["README.md".into()]) {
        let text = read(&document).unwrap();
        for path in quoted(&text).filter(|text| is_path(text)) {
            let there = Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists();
            assert!(there, "{document} names {path}");
            named.insert(path.to_owned());
        }
    }
    assert!(named.len() > 50, "only {} were seen", named.len());
}

#[test]
fn every_function_and_test_that_a_chapter_names_stands_in_a_file_that_it_names() {
    let mut seen = 0;
    for (heading, text) in chapters() {
        let files: String = quoted(text).filter(|text| is_path(text)).filter_map(read).collect();
        for name in quoted(text).filter_map(function) {
            let definition = format!("fn {name}");
            let is_there = files
                .match_indices(&definition)
                .any(|(at, _)| files[at + definition.len()..].starts_with(['(', '<']));
            assert!(is_there, "{heading}: no file named there has {definition}()");
            seen += 1;
        }
    }
    assert!(seen > 40, "only {seen} were seen");
}

#[test]
fn every_chapter_says_what_is_done_what_would_go_wrong_and_which_test_shows_it() {
    let chapters = chapters();
    assert!(chapters.len() > 10, "only {} were seen", chapters.len());
    for (heading, text) in chapters {
        let lines = text.trim_end().lines().count();
        assert!(lines < MAX_CHAPTER_LINES, "{heading} has {} lines", lines + 1);
        let mut rest = text;
        for part in ["\n**The article**", "\n**Here**", "\n**Otherwise**", "\n**Shown by**"] {
            let at = rest.find(part).unwrap_or_else(|| panic!("{heading} has no {part:?} in its place"));
            rest = &rest[at + part.len()..];
        }
        let shown: Vec<_> = quoted(rest).filter_map(function).collect();
        assert!(!shown.is_empty(), "{heading} is shown by no test");
        let files: String = quoted(rest).filter(|text| is_path(text)).filter_map(read).collect();
        for test in shown {
            let of_this_name = format!("#[test]\nfn {test}()");
            let is_test =
                files.replace("\n    fn", "\nfn").replace("    #[test]", "#[test]").contains(&of_this_name);
            assert!(is_test, "{heading}: {test} is no test in a file named beside it");
        }
    }
}
