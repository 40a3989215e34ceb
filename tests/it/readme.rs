//! The transcripts of README and API reference, run line by line with the real curl against the real binary; and the
//! figures of the benchmarks.

use crate::process::Server;
use crate::skip;
use std::process::Command;

/// One command of the transcript and what it printed.
struct Exchange {
    command: String,
    expected: String,
}

/// The commands of every `console` block, each with the lines that follow it.
fn transcript(document: &str) -> Vec<Exchange> {
    let mut exchanges: Vec<Exchange> = Vec::new();
    for block in document.split("```console\n").skip(1) {
        for line in block.split("```").next().unwrap().lines() {
            match (line.strip_prefix("$ "), exchanges.last_mut()) {
                (Some(command), _) => {
                    exchanges.push(Exchange { command: command.into(), expected: String::new() });
                }
                (None, Some(last)) => last.expected.extend([line, "\n"]),
                (None, None) => panic!("a block begins with {line:?}"),
            }
        }
    }
    exchanges
}

/// The first token in a text: letters, digits, `-`, `_` and dots that begin as a header does.
fn token_in(text: &str) -> Option<&str> {
    let rest = &text[text.find("eyJ")?..];
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c)).unwrap_or(rest.len());
    Some(&rest[..end])
}

/// What two runs can't have in common, made equal: dates, tokens, and the ids of requests.
fn comparable(text: &str) -> String {
    let without_token = match token_in(text) {
        Some(token) => text.replace(token, "TOKEN"),
        None => text.into(),
    };
    let line = |line: &str| match line.split_once(": ") {
        Some((name @ ("Date" | "X-Request-Id"), _)) => format!("{name}: another"),
        _ => line.to_owned(),
    };
    without_token.lines().map(line).collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

/// Runs each command against a fresh server and compares what it prints. The last token that was printed.
fn run_transcript(document: &str) -> Option<String> {
    let server = Server::start(&[]);
    let directory = tempfile::tempdir().unwrap(); // for the files that commands write
    let address = server.address.to_string();
    let mut token: Option<String> = None;
    for Exchange { command, expected } in transcript(document) {
        let mut command = command.replace("127.0.0.1:5000", &address);
        if let (Some(printed), Some(real)) = (token_in(&command).map(String::from), &token) {
            command = command.replace(&printed, real);
        }
        let mut shell = Command::new("sh");
        let output = shell.args(["-c", &command]).current_dir(&directory).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap().replace('\r', "");
        token = token_in(&printed).map(String::from).or(token);
        let printed = printed.replace(&address, "127.0.0.1:5000");
        assert_eq!(comparable(&printed), comparable(&expected), "{command}");
    }
    token
}

#[test]
fn the_documented_transcripts_are_what_happens() {
    if Command::new("curl").arg("--version").output().is_err() {
        return skip::skip(
            "the_documented_transcripts_are_what_happens",
            "there is no curl; install it: apt-get install curl",
        );
    }
    let (readme, api) = (include_str!("../../README.md"), include_str!("../../docs/api.md"));
    assert!(transcript(readme).len() >= 5 && transcript(api).len() >= 10, "commands are missing");
    run_transcript(readme);
    assert!(run_transcript(api).is_some(), "no exchange had a token");
}

#[test]
fn the_documented_figures_are_those_of_the_newest_run() {
    let shown =
        include_str!("../../docs/benchmarks.md").split("which make bench puts here -->").nth(1).unwrap();
    let shown = shown.split("<!-- end of the ratios -->").next().unwrap().trim();
    assert!(shown.lines().count() > 10, "{shown}");
    // The document's table isn't padded.
    let compact = |line: &str| {
        let cells = line.split('|').map(|cell| match cell.trim().trim_matches([':', '-']) {
            "" if cell.contains("---") => "---",
            _ => cell.trim(),
        });
        cells.collect::<Vec<_>>().join("|")
    };
    let table = |text: &str| text.lines().map(compact).collect::<Vec<_>>().join("\n");
    assert!(table(include_str!("../../bench/results/latest.md")).contains(&table(shown)), "{shown}");
}
