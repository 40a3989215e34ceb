//! The Markdown documents: length of lines, links, and the threat model's tests.

use super::{files, read, root};
use crate::ideas::{function, is_path, quoted};
use gatekey::json::{self, Value};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const MAX_COLUMNS: usize = 100;
const MAX_README_LINES: usize = 200;
/// Words without a precise subject or meaning. The subject of a sentence is a thing (the client, an attacker, a user).
const VAGUE_WORDS: [&str; 12] = [
    "whoever",
    "nobody",
    "somebody",
    "anybody",
    "everybody",
    "stands",
    "let go",
    "kept out",
    "is told",
    "are told",
    "a word of",
    "come again",
];

/// Every Markdown file that people write, by its path from the root.
fn documents() -> Vec<String> {
    let names = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let top = names.filter(|name| Path::new(name).extension().is_some_and(|end| end == "md"));
    top.chain(files("docs", ".md")).collect()
}

/// The lines of a document with their numbers, without those in fenced blocks: what a program printed can't be wrapped.
fn lines_outside_fences(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_fenced = false;
    text.lines().enumerate().filter_map(move |(number, line)| {
        let is_fence = line.starts_with("```");
        is_fenced ^= is_fence;
        (!is_fenced && !is_fence).then_some((number + 1, line))
    })
}

#[test]
fn lines_of_documents_have_at_most_100_columns() {
    let documents = documents();
    assert!(documents.len() > 10, "only {documents:?} were seen");
    let mut long = Vec::new();
    for path in &documents {
        let text = read(path);
        let lines = lines_outside_fences(&text).filter(|(_, line)| line.chars().count() > MAX_COLUMNS);
        long.extend(lines.map(|(number, line)| format!("{path}:{number}: {line}")));
    }
    assert!(long.is_empty(), "lines over {MAX_COLUMNS} columns; wrap them:\n{}", long.join("\n"));
}

#[test]
fn the_readme_has_at_most_200_lines() {
    let lines = read("README.md").lines().count();
    assert!(lines <= MAX_README_LINES, "README.md has {lines} lines; move details to docs/");
}

/// The vague words of a line of prose. A name in backquotes may have any words.
fn vague_words(line: &str) -> impl Iterator<Item = &'static str> {
    let prose: String = line.split('`').step_by(2).collect();
    let words = format!(" {} ", prose.to_lowercase().replace(|c: char| !c.is_alphanumeric(), " "));
    VAGUE_WORDS.into_iter().filter(move |word| words.contains(&format!(" {word} ")))
}

#[test]
fn documents_and_comments_use_precise_words() {
    let mut found = Vec::new();
    for path in documents() {
        for (number, line) in lines_outside_fences(&read(&path)) {
            found.extend(vague_words(line).map(|word| format!("{path}:{number}: {word}")));
        }
    }
    let folders = ["src", "tests", "examples", "bench", "fuzz/fuzz_targets"];
    let sources = folders.into_iter().flat_map(|folder| files(folder, ".rs")).chain(["schema.sql".into()]);
    for path in sources {
        let marker = if path == "schema.sql" { "--" } else { "//" };
        for (number, line) in read(&path).lines().enumerate() {
            let comment = line.split_once(marker).map_or("", |(_, comment)| comment);
            found.extend(vague_words(comment).map(|word| format!("{path}:{}: {word}", number + 1)));
        }
    }
    assert!(found.is_empty(), "say who or what it is:\n{}", found.join("\n"));
}

/// The targets of a document's links and images.
fn links(text: &str) -> Vec<String> {
    let mut targets = Vec::new();
    for (_, line) in lines_outside_fences(text).filter(|(_, line)| !line.starts_with("    ")) {
        for (before, end) in [("](", ')'), ("src=\"", '"'), ("srcset=\"", '"')] {
            let parts = line.split(before).skip(1);
            targets.extend(parts.map(|part| part.split(end).next().unwrap().to_owned()));
        }
        // A link's definition: `[name]: target`.
        if let Some((_, target)) = line.split_once("]: ").filter(|_| line.starts_with('[')) {
            targets.push(target.to_owned());
        }
    }
    targets
}

/// The anchors of a document's headings, as GitHub derives them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = lines_outside_fences(text).filter(|(_, line)| line.starts_with('#'));
    let headings = headings.map(|(_, line)| line.trim_start_matches('#').trim_start());
    headings
        .map(|heading| {
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.collect::<String>().to_lowercase().replace(' ', "-")
        })
        .collect()
}

#[test]
fn every_relative_link_of_a_document_leads_somewhere() {
    let mut checked = 0;
    for path in documents() {
        for link in links(&read(&path)).into_iter().filter(|link| !link.contains("://")) {
            let (file, anchor) =
                link.split_once('#').map_or((link.as_str(), None), |(file, anchor)| (file, Some(anchor)));
            let target = match file {
                "" => path.clone(),
                file => Path::new(&path).parent().unwrap().join(file).to_str().unwrap().to_owned(),
            };
            assert!(root().join(&target).exists(), "{path} links to {link}, which does not exist");
            if let Some(anchor) = anchor {
                assert!(anchors(&read(&target)).contains(anchor), "{path} links to {link}: no such heading");
            }
            checked += 1;
        }
    }
    assert!(checked > 50, "only {checked} links were seen");
}

/// Who has the release, but not the source, can follow every link.
#[test]
fn what_documents_link_to_is_shipped_with_them() {
    let stage = read("deploy/stage.sh");
    let shipped: BTreeSet<_> = stage
        .lines()
        .filter(|line| line.starts_with("cp ") || line.starts_with("find deploy "))
        .flat_map(str::split_whitespace)
        .collect();
    for path in documents() {
        assert!(["docs/", ""].iter().any(|folder| path.starts_with(folder)));
        for link in links(&read(&path)).into_iter().filter(|link| !link.contains("://")) {
            let file = link.split('#').next().unwrap().trim_start_matches("../");
            let in_docs = path.starts_with("docs/") && !link.starts_with("../");
            let is_shipped =
                shipped.iter().any(|name| file == *name || file.starts_with(&format!("{name}/")));
            assert!(
                in_docs || file.is_empty() || is_shipped,
                "{path} links to {link}: not in deploy/stage.sh"
            );
        }
    }
}

/// The strings under this name anywhere in a JSON value.
fn strings_named<'a>(name: &str, value: &'a Value) -> Vec<&'a str> {
    match value {
        Value::Object(members) => {
            let own = members.get(name).and_then(Value::as_str);
            own.into_iter().chain(members.values().flat_map(|value| strings_named(name, value))).collect()
        }
        Value::Array(values) => values.iter().flat_map(|value| strings_named(name, value)).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn the_api_reference_has_every_route_and_error_code_of_the_openapi_document() {
    let openapi = Value::from(json::parse_object(read("src/routes/openapi.json").as_bytes()).unwrap());
    let (api, readme) = (read("docs/api.md"), read("README.md"));
    let codes: BTreeSet<_> = strings_named("error", &openapi).into_iter().collect();
    assert!(codes.len() > 20, "only {codes:?} were seen");
    for code in codes {
        assert!(api.contains(&format!("`{code}`")), "docs/api.md does not have the error {code}");
    }
    for path in openapi["paths"].as_object().unwrap().keys() {
        for (name, document) in [("docs/api.md", &api), ("README.md", &readme)] {
            let is_there = [format!("{path}`"), format!("{path} ")].iter().any(|end| document.contains(end));
            assert!(is_there, "{name} does not have the route {path}");
        }
    }
}

#[test]
fn every_threat_names_its_code_and_a_test_that_exists() {
    let text = read("docs/security.md");
    let contents = links(text.split("\n## ").next().unwrap());
    let threats: Vec<_> = text.split("\n### ").skip(1).collect();
    assert!(threats.len() > 20, "only {} were seen", threats.len());
    for threat in threats {
        let threat = threat.split("\n## ").next().unwrap();
        let (title, _) = threat.split_once('\n').unwrap();
        let anchor = anchors(&format!("# {title}")).pop_first().unwrap();
        assert!(contents.contains(&format!("#{anchor}")), "{title} is not in the contents");
        let (_, code_and_tests) =
            threat.split_once("\n- Code: ").unwrap_or_else(|| panic!("{title} names no code"));
        let (code, tests) =
            code_and_tests.split_once("\n- Tests: ").unwrap_or_else(|| panic!("{title} names no test"));
        assert!(quoted(code).any(is_path), "{title} names no file");
        // A name may be at the end of a line and its file on the next.
        let sources: String = quoted(tests).filter(|text| is_path(text)).map(read).collect();
        let names: Vec<_> = quoted(tests).filter_map(function).collect();
        assert!(!names.is_empty(), "{title} names no test");
        for name in names {
            let is_test = sources.split("#[test]\n").skip(1).any(|rest| {
                let declaration = rest.lines().map(str::trim).find(|line| line.starts_with("fn "));
                declaration.is_some_and(|line| line.starts_with(&format!("fn {name}(")))
            });
            assert!(is_test, "{title}: {name} is no test in a file named beside it");
        }
    }
}
