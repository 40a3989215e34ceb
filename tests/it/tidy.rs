//! The repository: layering, owners of dependencies, lengths of files and functions.

mod documents;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Who alone may name each dependency: a top-level module with its submodules.
/// Only rustix, the system calls, and signal-hook have two owners.
const OWNERS: [(&str, &str); 25] = [
    ("argon2", "password"),
    ("base64", "encoding"),
    ("bcrypt", "password"),
    ("close_fds", "os"),
    ("ctutils", "secret"),
    ("hmac", "signer"),
    ("httparse", "server"),
    ("lexopt", "cli"),
    ("md5", "password"),
    ("pbkdf2", "password"),
    ("rpassword", "cli"),
    ("rusqlite", "store"),
    ("rustix", "os"),
    ("rustix", "random"), // os is declared below random, and in a later feature
    ("scrypt", "password"),
    ("serde_json", "json"),
    ("sha-crypt", "password"),
    ("sha1", "password"),
    ("sha2", "signer"),
    ("signal-hook", "cli"), // root waits for its child
    ("signal-hook", "server"),
    ("strsim", "cli"),
    ("tiny_http", "server"),
    ("unicode-normalization", "unicode"),
    ("zeroize", "secret"),
];

/// Derives that leave no code of their own in a module: any module with std may use them.
const FOR_ALL: [&str; 1] = ["thiserror"];

/// Longer files hold two ideas, longer functions too.
const MAX_FILE_LINES: usize = 400;
const MAX_FUNCTION_LINES: usize = 60;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(&path))
        .unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
}

/// Every file below a folder with this ending, by its path from the root.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&path, ending));
        } else if path.ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The library's source files without their tests: path, top-level module, text.
fn sources() -> Vec<(String, String, String)> {
    let sources = files("src", ".rs").into_iter().filter(|path| !is_test(path) && path != "src/lib.rs");
    sources
        .map(|path| {
            let module = path.trim_start_matches("src/").split(['/', '.']).next().unwrap().to_owned();
            let text = read(&path);
            let without_tests = text.split("\n#[cfg(test)]\nmod tests").next().unwrap().to_owned();
            (path, module, without_tests)
        })
        .collect()
}

fn is_test(path: &str) -> bool {
    path.ends_with("tests.rs") || path.contains("/tests/")
}

/// A line without its comment; strings with `//` in them are cut too, which no check minds.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap()
}

/// The names that follow `prefix` in the code of a text.
fn names_after(text: &str, prefix: &str) -> Vec<String> {
    let code: String = text.lines().flat_map(|line| [code(line), "\n"]).collect();
    code.match_indices(prefix)
        .map(|(at, _)| {
            let rest = &code[at + prefix.len()..];
            rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
        })
        .collect()
}

fn modules_in_order() -> Vec<String> {
    let mut modules = names_after(&read("src/lib.rs"), "mod ");
    modules.retain(|module| module != "tests");
    modules
}

#[test]
fn a_module_uses_only_those_declared_above_it() {
    let order = modules_in_order();
    let position = |module: &str| order.iter().position(|declared| declared == module);
    let mut checked = 0;
    for (path, module, text) in sources() {
        if module == "main" {
            continue;
        }
        let own = position(&module).unwrap_or_else(|| panic!("{path} is not in lib.rs"));
        assert!(!text.contains("use crate::{"), "{path}: one line a module, so that this test can read it");
        for used in names_after(&text, "crate::") {
            let used_position =
                position(&used).unwrap_or_else(|| panic!("{path} uses crate::{used}, not a module"));
            assert!(used_position <= own, "{path} uses {used}, which is below {module}");
            checked += 1;
        }
    }
    assert!(checked > 100, "only {checked} uses were seen");
}

/// The paths that a `use` declaration names: `super::{a, b::C}` names `super::a` and `super::b::C`.
fn expanded(declaration: &str) -> Vec<String> {
    let Some((before, rest)) = declaration.split_once('{') else { return vec![declaration.to_owned()] };
    let group = rest.rsplit_once('}').map_or(rest, |(group, _)| group);
    let mut depth = 0;
    let is_separator = |c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    };
    group.split(is_separator).flat_map(|item| expanded(&format!("{before}{item}"))).collect()
}

/// A file's module as its path from the crate's root: `src/cli/doctor/mod.rs` is `cli`, `doctor`.
fn module_of(path: &str) -> Vec<String> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').map(String::from).collect()
}

/// A path in the code of a module, from the crate's root; `None` if it begins in another crate.
fn absolute(own: &[String], path: &str, modules: &BTreeSet<Vec<String>>) -> Option<Vec<String>> {
    let mut segments = path.split("::").peekable();
    let mut base = own.to_vec();
    let first = (*segments.peek()?).to_owned();
    if first == "crate" {
        segments.next();
        base.clear();
    } else if first != "super" && !modules.contains(&[own, &[first]].concat()) {
        return None;
    }
    while segments.next_if(|first| *first == "super").is_some() {
        base.pop();
    }
    Some(base.into_iter().chain(segments.map(String::from)).collect())
}

/// The paths in the code of each module, from the crate's root.
fn named_paths() -> BTreeMap<Vec<String>, Vec<Vec<String>>> {
    let sources = sources();
    let modules: BTreeSet<_> = sources.iter().map(|(path, ..)| module_of(path)).collect();
    let named = sources.iter().map(|(path, _, text)| {
        let own = module_of(path);
        let code: String = text.lines().flat_map(|line| [code(line), " "]).collect();
        // A visibility names a module and uses nothing of it.
        let mut parts = code.split("pub(in ");
        let first = parts.next().unwrap_or_default();
        let code: String =
            [first].into_iter().chain(parts.filter_map(|part| Some(part.split_once(')')?.1))).collect();
        let without_spaces: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let declarations = without_spaces.split("use").filter_map(|rest| rest.split(';').next());
        let words = code.split(|c: char| !c.is_ascii_alphanumeric() && !"_:".contains(c));
        let paths =
            declarations.flat_map(expanded).chain(words.filter(|word| word.contains("::")).map(String::from));
        let named =
            paths.filter(|path| !path.ends_with("::")).filter_map(|path| absolute(&own, &path, &modules));
        let named = named.collect();
        (own, named)
    });
    named.collect()
}

type Uses = BTreeMap<Vec<String>, BTreeSet<Vec<String>>>;

/// Which module uses which, among the modules of each directory: a file counts for the module of that directory that it is in.
fn uses_among_siblings(named: &BTreeMap<Vec<String>, Vec<Vec<String>>>) -> Uses {
    let mut uses = Uses::new();
    for (own, path) in named.iter().flat_map(|(own, paths)| paths.iter().map(move |path| (own, path))) {
        let common = own.iter().zip(path).take_while(|(one, other)| one == other).count();
        let is_module = path.get(..=common).is_some_and(|module| named.contains_key(module));
        if let (true, Some(user)) = (is_module, own.get(..=common)) {
            uses.entry(user.to_vec()).or_default().insert(path[..=common].to_vec());
        }
    }
    uses
}

/// Which file uses an item of which file; a `mod.rs` is a file like any other.
fn uses_among_files(named: &BTreeMap<Vec<String>, Vec<Vec<String>>>) -> Uses {
    let file_of =
        |path: &[String]| (1..=path.len()).rev().find_map(|length| named.get_key_value(&path[..length]));
    let used = |own, paths: &[Vec<String>]| -> BTreeSet<_> {
        paths
            .iter()
            .filter_map(|path| file_of(path))
            .map(|(file, _)| file.clone())
            .filter(|file| file != own)
            .collect()
    };
    named.iter().map(|(own, paths)| (own.clone(), used(own, paths))).collect()
}

/// The modules that are in a cycle, or between two cycles.
fn cycles(mut uses: Uses) -> Vec<Vec<String>> {
    // A module that uses none of those left is in no cycle, and neither is what only uses such modules.
    while let Some(top) = {
        let left: BTreeSet<_> = uses.keys().cloned().collect();
        uses.iter().find(|(_, used)| used.is_disjoint(&left)).map(|(module, _)| module.clone())
    } {
        uses.remove(&top);
    }
    // Nor is one that none of those left uses.
    while let Some(unused) =
        uses.keys().find(|module| !uses.values().any(|used| used.contains(*module))).cloned()
    {
        uses.remove(&unused);
    }
    uses.into_keys().collect()
}

#[test]
fn no_modules_of_a_directory_import_each_other_in_a_cycle() {
    let uses = uses_among_siblings(&named_paths());
    let edges: usize = uses.values().map(BTreeSet::len).sum();
    assert!(edges > 300, "only {edges} uses were seen");
    assert_eq!(cycles(uses), [[""; 0]; 0], "these modules import each other");
}

/// A `mod.rs` uses its children, which then don't use it; or it only declares them.
#[test]
fn no_files_of_a_module_import_each_other_in_a_cycle() {
    let named = named_paths();
    for module in modules_in_order() {
        let of_module = |(path, _): &(&Vec<String>, _)| path[0] == module;
        let named = named.iter().filter(of_module).map(|(path, named)| (path.clone(), named.clone()));
        assert_eq!(cycles(uses_among_files(&named.collect())), [[""; 0]; 0], "these files import each other");
    }
}

#[test]
fn no_public_type_name_is_used_twice() {
    let mut names = BTreeMap::<_, BTreeSet<_>>::new();
    for (path, _, text) in sources() {
        for line in text.lines().map(str::trim_start).filter(|line| line.starts_with("pub")) {
            let mut words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            if words.any(|word| ["struct", "enum", "trait", "type"].contains(&word)) {
                let name = words.next().unwrap().to_owned();
                names.entry(name).or_default().insert(path.clone());
            }
        }
    }
    assert!(names.len() > 200, "only {} names were seen", names.len());
    names.retain(|_, files| files.len() > 1);
    assert!(names.is_empty(), "{names:?}");
}

#[test]
fn each_dependency_has_one_owner_and_a_reason() {
    let manifest = read("Cargo.toml");
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap();
    let section = section.split("\n[[bin]]").next().unwrap();
    let (library, tests) = section.split_once("\n[dev-dependencies]\n").unwrap();
    for line in lines(library).chain(lines(tests)) {
        let reason = line.rsplit_once("# ").map_or("", |(_, reason)| reason);
        assert!(reason.len() > 10, "no reason beside {line}");
    }
    let names = || lines(library).map(|line| line.split(" = ").next().unwrap());
    assert!(OWNERS.iter().all(|(dependency, _)| names().any(|name| name == *dependency)));
    for name in names().filter(|name| !FOR_ALL.contains(name)) {
        let owned = OWNERS.iter().filter(|(dependency, _)| *dependency == name);
        let owners: Vec<_> = owned.map(|(_, module)| *module).collect();
        let in_code = name.replace('-', "_");
        let users: Vec<_> = sources()
            .into_iter()
            .filter(|(_, _, text)| text.lines().any(|line| names_crate(code(line), &in_code)))
            .map(|(_, module, _)| module)
            .collect();
        for module in &users {
            assert!(owners.contains(&module.as_str()), "{name} belongs to {owners:?}, and {module} uses it");
        }
        for owner in &owners {
            assert!(users.iter().any(|module| module == owner), "{owner} does not use {name}");
        }
        assert!(!owners.is_empty(), "{name} has no owner");
    }
}

/// The lines of a section of Cargo.toml that name a dependency.
fn lines(section: &str) -> impl Iterator<Item = &str> {
    section.lines().filter(|line| line.contains(" = "))
}

/// Whether a line of code has `name::` in it, at the beginning of a path.
fn names_crate(line: &str, name: &str) -> bool {
    let path = format!("{name}::");
    line.match_indices(&path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '_' && c != ':')
    })
}

#[test]
fn the_token_alone_needs_four_crates() {
    let manifest = read("Cargo.toml");
    let dependencies =
        manifest.split("\n[dependencies]\n").nth(1).unwrap().split("\n[dev-dependencies]").next().unwrap();
    let always: Vec<_> = dependencies
        .lines()
        .filter(|line| line.contains(" = ") && !line.contains("optional = true"))
        .map(|line| line.split(" = ").next().unwrap())
        .collect();
    assert_eq!(always, ["base64", "hmac", "serde_json", "sha2"]);
}

/// The library without std has a workspace of its own, and so a lock of its own.
#[test]
fn the_token_without_std_is_built_of_the_same_crates() {
    let packages = |path: &str| -> Vec<String> {
        let text = read(path);
        let packages = text.split("[[package]]\n").skip(1);
        let form = |package: &str| package.split("dependencies = [").next().unwrap().trim_end().to_owned();
        packages.map(form).filter(|package| !package.contains("\"gatekey-token-no-std\"")).collect()
    };
    let (ours, its) = (packages("Cargo.lock"), packages("tests/no_std/Cargo.lock"));
    assert!(its.len() > 10, "only {} were seen", its.len());
    for package in its {
        assert!(ours.contains(&package), "not in Cargo.lock: {package}");
    }
}

#[test]
fn only_the_clock_reads_the_clock() {
    for (path, module, text) in sources() {
        for reading in ["SystemTime::now", "Instant::now", "UNIX_EPOCH"] {
            let reads = text.lines().any(|line| code(line).contains(reading));
            assert!(!reads || module == "clock", "{path} reads the clock");
        }
    }
}

#[test]
fn files_and_functions_hold_one_idea() {
    for (path, _, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= MAX_FILE_LINES, "{path} has {lines} lines");
        for (name, lines) in functions(&text) {
            assert!(lines <= MAX_FUNCTION_LINES, "{name} in {path} has {lines} lines");
        }
    }
    for path in ["tests", "examples", "bench"].into_iter().flat_map(|folder| files(folder, ".rs")) {
        for (name, lines) in functions(&read(&path)) {
            assert!(lines <= MAX_FUNCTION_LINES, "{name} in {path} has {lines} lines");
        }
    }
}

/// Each function's name and how many lines it has, from `fn` to the brace in the same column.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<_> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        let is_function =
            ["fn ", "pub fn ", "pub(super) fn ", "pub(crate) fn ", "const fn ", "pub const fn "];
        if is_function.iter().any(|start| trimmed.starts_with(start)) {
            let end = format!("{}}}", " ".repeat(indent));
            let length = lines[start..].iter().position(|line| **line == end).unwrap_or(0) + 1;
            found.push((trimmed.split('(').next().unwrap().to_owned(), length));
        }
    }
    found
}

#[test]
fn every_file_says_first_what_it_is() {
    for path in ["src", "tests", "examples", "bench", "fuzz/fuzz_targets"]
        .into_iter()
        .flat_map(|folder| files(folder, ".rs"))
    {
        let text = read(&path);
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! ") || path == "src/lib.rs", "{path} begins with {first:?}");
    }
}

/// What only a nightly compiler builds would rot unseen: so it holds a call and nothing else.
#[test]
fn every_fuzz_target_is_a_call_of_a_property_that_has_seeds() {
    let manifest = read("fuzz/Cargo.toml");
    let targets = files("fuzz/fuzz_targets", ".rs");
    let path = |target: &str| format!("fuzz/fuzz_targets/{target}.rs");
    let seeds = fs::read_dir(root().join("tests/it/fuzz/seeds")).unwrap();
    let mut with_seeds: Vec<_> =
        seeds.map(|folder| path(&folder.unwrap().file_name().into_string().unwrap())).collect();
    with_seeds.sort();
    assert_eq!(targets, with_seeds);
    for target in targets {
        assert!(manifest.contains(&format!("path = \"{}\"", target.trim_start_matches("fuzz/"))), "{target}");
        let text = read(&target);
        assert!(text.lines().count() <= 12 && text.contains("property::holds(bytes)"), "{target}");
        for named in text.split('"').filter_map(|path| path.strip_prefix("../../")) {
            assert!(root().join(named).is_file(), "{target} names {named}");
        }
    }
}

#[test]
fn the_documented_modules_are_all_of_them_in_order() {
    let document = read("docs/code.md");
    let mut rest = document.split("## Modules").nth(1).expect("the table of modules");
    for module in modules_in_order() {
        let path = ["", "/"].map(|end| format!("`src/{module}{}`", if end.is_empty() { ".rs" } else { end }));
        let visit = path.iter().find_map(|path| rest.find(path.as_str()));
        rest = &rest[visit.unwrap_or_else(|| panic!("docs/code.md misses {module}, or has it too early"))..];
    }
}

#[test]
fn no_file_names_a_registrys_host() {
    let hosts = [
        ["crates", ".io"],
        ["pypi", ".org"],
        ["npmjs", ".org"],
        ["debian", ".org"],
        ["pythonhosted", ".org"],
    ];
    let endings = [".rs", ".toml", ".md", ".sql", ".sh", ".txt"];
    let folders = ["src", "tests", "examples", "fuzz/fuzz_targets", ".cargo", ".ci", "bench"];
    let below = folders.into_iter().flat_map(|folder| endings.map(|ending| files(folder, ending)).concat());
    let top = ["Cargo.toml", "Makefile", "README.md", "CHANGELOG.md", "schema.sql"].map(String::from);
    for path in below.chain(top).chain([".ci/run", "fuzz/Cargo.toml", "fuzz/run.sh"].map(String::from)) {
        for host in &hosts {
            assert!(!read(&path).contains(&host.concat()), "{path} names {}", host.concat());
        }
    }
}
