//! Completions in bash, zsh and fish, and the manual page in man.

use crate::process::{binary, gatekey, run, written};
use crate::skip;
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

fn made(words: &[&str]) -> String {
    let (code, text, message) = written(&run(gatekey().args(words), ""));
    assert_eq!((code, message.as_str()), (Some(0), ""), "{words:?}");
    text
}

fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

/// The words of help, in the column of commands, that follow these.
fn next_words(before: &str) -> Vec<String> {
    let help = made(&["help"]);
    let lines = help.split("\nCommands:\n").nth(1).unwrap().split("\n\n").next().unwrap().lines();
    let behind = lines.filter_map(|line| line.trim_start().strip_prefix(before));
    let mut words: Vec<_> =
        behind.map(|rest| rest.trim_start().split(' ').next().unwrap().to_owned()).collect();
    words.sort();
    words.dedup();
    words
}

/// The options that a command's help lists, and help itself.
fn options(words: &str) -> Vec<String> {
    let help = made(&[&words.split(' ').collect::<Vec<_>>()[..], &["--help"]].concat());
    let lines = help.lines().filter_map(|line| line.strip_prefix("  --"));
    let mut options: Vec<_> = lines.map(|line| format!("--{}", line.split(' ').next().unwrap())).collect();
    options.push("--help".into());
    options.sort();
    options
}

/// A line, and the words that a shell must offer for its end, sorted.
fn expected() -> Vec<(String, Vec<String>)> {
    let mut expected: Vec<(String, Vec<String>)> = [
        ("gatekey throttle ", &["clear", "list"][..]),
        ("gatekey throttle l", &["list"]),
        ("gatekey --data /x throttle ", &["clear", "list"]),
        ("gatekey throttle --data=/x ", &["clear", "list"]),
        ("gatekey serve --loop ", &["strict", "tiny-http"]),
        ("gatekey serve --loop s", &["strict"]),
        ("gatekey serve --loop=", &["strict", "tiny-http"]),
        ("gatekey serve --loop=s", &["strict"]),
        ("gatekey serve --allow-cleartext --throttle o", &["off", "on"]),
        ("gatekey serve --loop strict --throttl", &["--throttle"]),
        ("gatekey throttle clear --k", &["--key-file"]),
        ("gatekey completions ", &["bash", "fish", "zsh"]),
        ("gatekey help throttle ", &["clear", "list"]),
        ("gatekey backup ", &["directory", "file"]),
        ("gatekey serve --key-file ", &["directory", "file"]),
        ("gatekey serve --data ", &["directory"]),
        ("gatekey user add --scrypt ", &[]),
    ]
    .into_iter()
    .map(|(line, words)| (line.into(), words.iter().map(|word| (*word).into()).collect()))
    .collect();
    for group in next_words("") {
        let next = next_words(&format!("{group} "));
        // Behind a command's own words stand operands in capitals, or its summary.
        let is_group = next.iter().all(|word| word.chars().all(|c| c.is_ascii_lowercase()));
        let commands =
            if is_group { next.iter().map(|word| format!("{group} {word}")).collect() } else { vec![group] };
        for command in commands.iter().filter(|command| *command != "help") {
            expected.push((format!("gatekey {command} --"), options(command)));
        }
    }
    expected.push(("gatekey ".into(), next_words("")));
    expected.push(("gatekey user ".into(), next_words("user ")));
    expected
}

/// Lets a shell complete every line, in a directory with a file and a directory in it: what it offers for each.
fn check(shell: &str, complete: impl FnOnce(&Path, &str) -> String) {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("completions");
    fs::write(&script, made(&["completions", shell])).unwrap();
    let current = directory.path().join("current");
    fs::create_dir_all(current.join("directory")).unwrap();
    fs::write(current.join("file"), "").unwrap();

    let expected = expected();
    assert!(expected.len() > 30, "{expected:?}");
    let lines: String = expected.iter().flat_map(|(line, _)| [line.as_str(), "\n"]).collect();
    let offered = complete(directory.path(), &lines);
    assert_eq!(offered.lines().count(), expected.len(), "{offered}");
    for ((line, words), offered) in expected.iter().zip(offered.lines()) {
        // Only fish puts the slash behind a directory at once, and the option's name before its value.
        let words_offered = offered.split('\t').map(|word| word.trim_end_matches('/'));
        let words_offered = words_offered.map(|word| word.trim_start_matches("--loop="));
        let mut offered: Vec<_> = words_offered.filter(|word| !word.is_empty()).collect();
        offered.sort_unstable();
        assert_eq!(offered, *words, "{shell}: {line}");
    }
}

/// The search path of a shell that completes: a script runs the program that it completes.
fn search_path() -> std::ffi::OsString {
    let paths = env::var_os("PATH").unwrap();
    let ours = binary().parent().unwrap().to_owned();
    env::join_paths([ours].into_iter().chain(env::split_paths(&paths))).unwrap()
}

/// A shell that reads lines from standard input, by a script of ours: what it printed.
fn by_script(shell: &mut Command, directory: &Path, lines: &str) -> String {
    let shell = shell.arg(directory.join("completions")).current_dir(directory.join("current"));
    let (code, out, message) = written(&run(shell.env("HOME", directory).env("PATH", search_path()), lines));
    assert_eq!((code, message.as_str()), (Some(0), ""), "{out}");
    out
}

fn beside(name: &str) -> String {
    format!("{}/tests/it/shells/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn bash_completes_every_command() {
    check("bash", |directory, lines| {
        by_script(Command::new("bash").arg("--norc").arg(beside("complete.bash")), directory, lines)
    });
}

#[test]
fn fish_completes_every_command() {
    if !is_installed("fish") {
        return skip::skip(
            "fish_completes_every_command",
            "there is no fish; install it: apt-get install fish",
        );
    }
    check("fish", |directory, lines| {
        by_script(Command::new("fish").arg("--no-config").arg(beside("complete.fish")), directory, lines)
    });
}

#[test]
fn zsh_completes_every_command() {
    if !is_installed("zsh") {
        return skip::skip("zsh_completes_every_command", "there is no zsh; install it: apt-get install zsh");
    }
    check("zsh", |directory, lines| {
        fs::copy(beside("zshrc"), directory.join(".zshrc")).unwrap();
        fs::write(directory.join("lines"), lines).unwrap();
        // Its line editor wants a terminal, and zsh itself can make one.
        let mut outer = Command::new("timeout");
        outer.args(["60", "zsh", "-f", "-c"]);
        outer.arg("zmodload zsh/zpty; zpty inner zsh -d -i; while zpty -r inner; do :; done");
        outer.current_dir(directory.join("current")).env("ZDOTDIR", directory).env("TERM", "dumb");
        outer.env("PATH", search_path());
        outer.env("SCRIPT", directory.join("completions")).env("LINES_FILE", directory.join("lines"));
        let output = run(outer.env("OFFERED", directory.join("offered")), "");
        let offered = fs::read_to_string(directory.join("offered"));
        let offered = offered.unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let words = |(line, offered): (&str, &str)| inserted(line, offered).join("\t") + "\n";
        lines.lines().zip(offered.lines()).map(words).collect()
    });
}

/// The words that zsh put in the place of the last one.
fn inserted<'a>(line: &str, offered: &'a str) -> Vec<&'a str> {
    let start = line.rfind([' ', '=']).unwrap() + 1;
    offered[start..].split(' ').collect()
}

#[test]
fn man_shows_every_command_and_option_without_warnings() {
    const TEST: &str = "man_shows_every_command_and_option_without_warnings";
    if !is_installed("man") {
        return skip::skip(TEST, "there is no man; install it: apt-get install man-db");
    }
    let directory = tempfile::tempdir().unwrap();
    let page = directory.path().join("gatekey.1");
    fs::write(&page, made(&["man"])).unwrap();
    let man = || {
        let mut man = Command::new("man");
        man.envs([("LC_ALL", "C.UTF-8"), ("MANWIDTH", "100"), ("MANPAGER", "cat")]);
        man
    };
    let (code, text, message) = written(&run(man().arg("--warnings").arg("-l").arg(&page), ""));
    assert_eq!((code, message.as_str()), (Some(0), ""));
    for group in next_words("").iter().filter(|word| *word != "help") {
        assert!(text.contains(&format!("\n       gatekey {group}")), "{group}: {text}");
    }
    for option in options("serve").iter().filter(|option| *option != "--help") {
        let variable = format!("GATEKEY_{}", option[2..].replace('-', "_").to_uppercase());
        assert!(text.contains(&format!("\n       {option}")), "{option}: {text}");
        assert!(text.contains(&variable), "{variable}: {text}");
    }
    assert!(text.contains("\n       printf %s \"$SECRET_KEY\" | gatekey key add\n"), "{text}");
    assert!(text.contains("\n       gatekey backup /var/backups/gatekey-$(date +%F).sqlite3"), "{text}");

    let name = written(&run(Command::new("lexgrog").arg(&page), "")).1;
    let expected = "\"gatekey - accounts, logins and tokens beside your app\"\n";
    assert_eq!(name, format!("{}: {expected}", page.display()));
}
