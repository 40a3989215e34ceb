//! `gatekey user import` and `export`: what is taken, what is refused and how that is said, and that all of it is there
//! or none.

mod foreign;
mod hashers;

use crate::harness::CHEAP;
use crate::hazards::watch::await_that;
use crate::process::{Server, gatekey, names_in, run, status, written};
use gatekey::json::{self, Object, json};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;

const PASSWORDS: &str = include_str!("../data/passwords.json");

/// Any hash that is taken.
const HASH: &str = "$2b$05$eL6GoUW8rNDhmOdNFJL0O.ykUp58oVFBz/iTVou0NQClgBj22Xbrq";
/// Above every generation that revocations lead to.
const UNUSED: u64 = 1 << 32;
const HASH_PASSWORD: &str = "correct horse battery staple";

/// A directory with a data directory to be, and a file to import.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, words: &[&str]) -> (Option<i32>, String, String) {
        let database = self.path("data/gatekey.sqlite3");
        let is_new = !database.exists();
        let (code, out, message) =
            written(&run(gatekey().args(words).arg("--data").arg(self.path("data")), ""));
        let made = format!("gatekey: made a new database, {}\n", database.display());
        let Some((time, rest)) = message.split_once(&made) else {
            assert!(!is_new || !database.exists(), "a command that makes a database says so");
            return (code, out, message);
        };
        assert!(is_new && time.ends_with("Z "), "{message}");
        (code, out, rest.into())
    }

    fn import(&self, content: impl AsRef<[u8]>, options: &[&str]) -> (Option<i32>, String, String) {
        let file = self.path("users");
        fs::write(&file, content).unwrap();
        self.command(&[&["user", "import", file.to_str().unwrap()], options].concat())
    }

    #[track_caller]
    fn imported(&self, content: impl AsRef<[u8]>, options: &[&str]) -> String {
        let (code, out, message) = self.import(content, options);
        assert_eq!((code, message.as_str()), (Some(0), ""));
        out
    }

    fn export(&self) -> String {
        let (code, out, message) = self.command(&["user", "export"]);
        assert_eq!((code, message.as_str()), (Some(0), ""));
        out
    }

    /// The id, name and generation of every user; [`UNUSED`] for a generation that no token has.
    fn users(&self) -> Vec<(i64, String, u64)> {
        let user = |line: &str| {
            let user = json::parse_object(line.as_bytes()).unwrap();
            let name = user["username"].as_str().unwrap().to_owned();
            let generation = user["generation"].as_u64().unwrap();
            (user["id"].as_i64().unwrap(), name, if generation > UNUSED { UNUSED } else { generation })
        };
        self.export().lines().skip(1).map(user).collect()
    }

    fn serve(&self) -> Server {
        Server::start_in(self.path("data"), &["--scrypt", CHEAP])
    }
}

/// Of users with this hash and these further members.
fn lines(users: &[(&str, json::Value)]) -> String {
    let line = |(name, more): &(&str, json::Value)| {
        let mut user = Object::new();
        user.insert("username".into(), json!(name));
        user.insert("password_hash".into(), json!(HASH));
        user.extend(more.as_object().unwrap().clone());
        json::Value::Object(user).to_string() + "\n"
    };
    users.iter().map(line).collect()
}

/// What standard error says of the rows, without the last line, which sums up.
fn complaints(message: &str) -> Vec<&str> {
    let mut lines: Vec<_> = message.lines().map(|line| line.trim_start_matches("gatekey: ")).collect();
    assert!(lines.pop().unwrap().starts_with("nothing was imported: "), "{message}");
    lines
}

#[test]
fn users_of_every_vector_log_in_and_get_hashes_of_ours() {
    let mut file = json::parse_object(PASSWORDS.as_bytes()).unwrap();
    let json::Value::Array(rows) = file["vectors"].take() else { panic!() };
    let users = rows.iter().enumerate().map(|(n, row)| {
        json!({"username": format!("user {n}"), "password_hash": row["hash"]}).to_string() + "\n"
    });
    let place = Place::new();
    // Django's argon2 takes 100 MiB.
    let memory = ["--max-hash-memory", "100M"];
    let (code, out, message) = place.import(users.collect::<String>(), &memory);
    assert_eq!((code, out), (Some(0), format!("imported {} users\n", rows.len())));
    assert!(message.starts_with("gatekey: warning: 2 users have hashes of MD5 ($apr1$, $1$): "), "{message}");
    let server = Server::start_in(place.path("data"), &[&["--scrypt", CHEAP], &memory[..]].concat());
    for (n, row) in rows.iter().enumerate() {
        let (name, password) = (format!("user {n}"), row["password"].as_str().unwrap());
        assert_eq!(server.login(&name, &format!("{password}x")), 401, "{row}");
        assert_eq!(server.login(&name, password), 200, "{row}");
    }
    server.stop();
    let exported = place.export();
    assert_eq!(exported.lines().count(), 1 + rows.len());
    assert!(exported.lines().skip(1).all(|line| line.contains(&format!("\"$scrypt${CHEAP}$"))), "{exported}");
}

#[test]
fn an_export_can_be_imported() {
    let first = Place::new();
    first.imported(
        lines(&[
            ("alice", json!({"id": 7, "generation": 0})),
            ("josé \"x\"", json!({"disabled": true})),
            ("bob", json!({"id": 20, "generation": 5})),
        ]),
        &[],
    );
    let exported = first.export();
    let users =
        |alice| [(7, "alice".into(), alice), (8, "josé \"x\"".into(), UNUSED), (20, "bob".into(), UNUSED)];
    assert_eq!(first.users(), users(0), "a user of the original keeps the tokens");
    let second = Place::new();
    assert_eq!(second.imported(&exported, &[]), "imported 3 users\n");
    assert_eq!(second.users(), users(UNUSED));
    let parsed = |text: &str| -> Vec<_> {
        text.lines().map(|line| json::parse_object(line.as_bytes()).unwrap()).collect()
    };
    let (before, mut after) = (parsed(&exported), parsed(&second.export()));
    let generation = |line: &Object, name: &str| line[name].as_u64().unwrap();
    let highest = generation(&before[0]["realm"].as_object().unwrap().clone(), "last_generation");
    assert_eq!(before[0]["realm"]["last_id"], 20);
    assert_eq!(after[0]["realm"]["last_id"], 20);
    for (user, imported) in before.iter().zip(&mut after).skip(1) {
        assert!(generation(imported, "generation") > highest);
        imported.insert("generation".into(), user["generation"].clone());
        assert_eq!(imported, user);
    }
    assert_eq!(Place::new().imported("", &[]), "imported 0 users\n");
}

#[test]
fn one_invalid_row_aborts_the_import() {
    let place = Place::new();
    let (users, bad) = (lines(&[("a", json!({})), ("b", json!({}))]), "{\"username\":\"c\"}\n");
    let (code, out, message) = place.import(users.clone() + bad, &[]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    let expected = "gatekey: line 3: there is no password_hash, expected a text\n\
                    gatekey: nothing was imported: of 3 rows 1 can't be; mend those named above, give their users \
                    other names by --rename FILE, or leave them out by --skip-bad\n";
    assert_eq!(message, expected);
    assert_eq!(place.users(), []);

    assert_eq!(place.imported(&users, &["--dry-run"]), "would import 2 users\n");
    assert_eq!(place.users(), []);

    let (code, out, message) = place.import(users + bad, &["--skip-bad"]);
    assert_eq!((code, out.as_str()), (Some(0), "imported 2 users, left out 1\n"));
    assert_eq!(message, "gatekey: line 3: there is no password_hash, expected a text\n");
    assert_eq!(place.users(), [(1, "a".into(), 1), (2, "b".into(), 1)]);
}

#[test]
fn each_rejected_row_is_reported_with_line_and_reason() {
    let place = Place::new();
    let over_memory = "$scrypt$ln=17,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaA";
    let content = [
        lines(&[("ok", json!({"id": 5})), ("OK", json!({})), ("a:b", json!({})), ("", json!({}))]),
        lines(&[("five", json!({"id": 5})), ("zero", json!({"id": 0})), ("huge", json!({"id": 1_u64 << 53}))]),
        lines(&[("g", json!({"generation": 0})), ("h", json!({"generation": -1})), ("typo", json!({"disable": true}))]),
        lines(&[("high", json!({"generation": (1_u64 << 52) + 1})), ("sha", json!({"password_hash": "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="}))]),
        lines(&[("costly", json!({"password_hash": HASH.replace("$05$", "$15$")}))]),
        lines(&[("rounds", json!({"password_hash": "pbkdf2_sha256$5000001$salt$VuPzErmpQLaGJW3mdbwscH8drZ63bcM8mOKkZRr0oH8="}))]),
        lines(&[("memory", json!({"password_hash": over_memory}))]),
        "\n[]\n{\"username\":null,\"password_hash\":\"x\"}\n".into(),
        format!("{{\"username\":\"{}\"}}\n{{\"username\":\"last\"}}", "x".repeat(20_000)),
    ]
    .concat();
    let (code, out, message) = place.import(content, &[]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    let expected = [
        "line 2, \"OK\": a user with this name, or one that looks the same, exists",
        "line 3, \"a:b\": the user name has a colon, which HTTP Basic can't carry",
        "line 4, \"\": the user name is empty, expected 1 to 64 characters",
        "line 5, \"five\": the id is taken, or was: an id is never given twice, expected a free one or none",
        "line 6: id is not a whole number above 0",
        "line 7, \"huge\": the id is too large, expected one up to 9007199254740991",
        "line 8: generation is 0 and there is no id: expected an id, or a generation from 1",
        "line 9: generation is not a whole number from 0",
        "line 10: there is a member \"disable\", expected username and password_hash, and at most id, generation and \
         disabled",
        "line 11, \"high\": the generation is too large, expected one up to 4503599627370496",
        "line 12, \"sha\": the stored hash is of a scheme that is not known here: {SHA}",
        "line 13, \"costly\": the stored hash asks for more work than bcrypt cost 14",
        "line 14, \"rounds\": the stored hash asks for more work than 5000000 rounds or iterations",
        "line 15, \"memory\": a hash of ln=17,r=8,p=1 takes 134217728 bytes, more than the 67108864 allowed; \
         --max-hash-memory 128M allows it, here and for gatekey serve",
        "line 17: not a JSON object",
        "line 18: there is no user name, expected a text",
        "line 19: the line is over 16384 bytes long",
        "line 20: there is no password_hash, expected a text",
    ];
    assert_eq!(complaints(&message), expected);
    let memory = lines(&[("memory", json!({"password_hash": over_memory}))]);
    assert_eq!(place.imported(memory, &["--max-hash-memory", "128M"]), "imported 1 user\n");
}

#[test]
fn a_user_id_is_not_reused_by_an_import() {
    let place = Place::new();
    place.imported(lines(&[("first", json!({"id": 3})), ("gone", json!({"id": 9}))]), &[]);
    assert_eq!(place.command(&["user", "delete", "gone"]).0, Some(0));
    for id in [1, 3, 9] {
        let (code, _, message) = place.import(lines(&[("new", json!({"id": id}))]), &[]);
        let expected = "line 1, \"new\": the id is taken, or was: an id is never given twice, expected a free one or none";
        assert_eq!((code, complaints(&message)), (Some(1), vec![expected]));
    }
    place.imported(lines(&[("ten", json!({"id": 10})), ("next", json!({}))]), &[]);
    let users = place.users();
    assert_eq!(users, [(3, "first".into(), UNUSED), (10, "ten".into(), UNUSED), (11, "next".into(), UNUSED)]);
}

#[test]
fn an_htpasswd_file_is_recognized_by_its_content() {
    let place = Place::new();
    let hash = HASH.replace("$2b$", "$2y$");
    let content = format!("# users\n\nalice:{hash}\r\nbob:$2x$x$y\ncarol:{{SHA}}x\nnobody\ndave:{HASH}");
    let (code, out, message) = place.import(&content, &["--skip-bad"]);
    assert_eq!((code, out.as_str()), (Some(0), "imported 2 users, left out 3\n"));
    let expected = "gatekey: line 4, \"bob\": the stored hash is of a scheme that is not known here: $2x$\n\
                    gatekey: line 5, \"carol\": the stored hash is of a scheme that is not known here: {SHA}\n\
                    gatekey: line 6: the line is not name:hash\n";
    assert_eq!(message, expected);
    let server = place.serve();
    assert_eq!((server.login("alice", HASH_PASSWORD), server.login("dave", HASH_PASSWORD)), (200, 200));
    assert_eq!(server.login("dave", "other"), 401);
    server.stop();
    let (code, _, message) = place.import(&content, &["--format", "jsonl"]);
    assert_eq!((code, complaints(&message).len()), (Some(1), 6));
    let (code, _, message) = place.import(&content, &["--format", "csv"]);
    let expected = "gatekey: invalid value \"csv\" (--format): expected sqlite, jsonl, json or htpasswd\n";
    assert_eq!((code, message.as_str()), (Some(2), expected));
}

/// As SQLAlchemy makes it for the article's app.
fn original(path: &Path, rows: &str) {
    let sql = "CREATE TABLE users (id INTEGER NOT NULL, username VARCHAR(32), password_hash VARCHAR(64), PRIMARY KEY (id));
               CREATE INDEX ix_users_username ON users (username);";
    let database = rusqlite::Connection::open(path).unwrap();
    database.execute_batch(sql).unwrap();
    database.execute_batch(&rows.replace("HASH", HASH)).unwrap();
}

#[test]
fn the_originals_database_is_read_with_its_duplicates_and_nulls() {
    let place = Place::new();
    let database = place.path("db.sqlite");
    original(
        &database,
        "INSERT INTO users VALUES (1, 'miguel', 'HASH'), (2, 'susan', 'HASH'), (4, 'miguel', 'HASH'),
                                  (5, NULL, 'HASH'), (6, 'a:b', 'HASH'), (7, 'david', NULL), (8, '', 'HASH')",
    );
    let before = fs::read(&database).unwrap();
    let file = database.to_str().unwrap();
    let (code, out, message) = place.command(&["user", "import", file]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    let expected = [
        "id 4, \"miguel\": a user with this name, or one that looks the same, exists",
        "id 5: there is no user name, expected a text",
        "id 6, \"a:b\": the user name has a colon, which HTTP Basic can't carry",
        "id 7: there is no password hash, expected a text",
        "id 8, \"\": the user name is empty, expected 1 to 64 characters",
    ];
    assert_eq!(complaints(&message), expected);

    let renames = place.path("renames");
    let text = "{\"id\":4,\"to\":\"miguel2\"}\n{\"id\":5,\"to\":\"absent\"}\n{\"username\":\"a:b\",\"to\":\"a-b\"}\n";
    fs::write(&renames, text).unwrap();
    let words = ["user", "import", file, "--rename", renames.to_str().unwrap(), "--skip-bad"];
    let (code, out, _) = place.command(&words);
    assert_eq!((code, out.as_str()), (Some(0), "imported 5 users, left out 2\n"));
    let names = ["miguel", "susan", "miguel2", "absent", "a-b"].into_iter().map(String::from);
    let users: Vec<_> = [1, 2, 4, 5, 6].into_iter().zip(names).map(|(id, name)| (id, name, 0)).collect();
    assert_eq!(place.users(), users);
    assert_eq!(fs::read(&database).unwrap(), before, "it is read and not written");
    assert!(
        !fs::exists(place.path("db.sqlite-journal")).unwrap()
            && !fs::exists(place.path("db.sqlite-wal")).unwrap()
    );
}

#[test]
fn a_hostile_database_is_rejected_with_the_reason() {
    const COLUMNS: &str = "expected a table users with the columns id, username and password_hash";
    const ENDLESS: &str = "WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT id";
    let place = Place::new();
    place.imported("", &[]);
    let view = format!("CREATE VIEW users AS {ENDLESS}, 'a' AS username, 'b' AS password_hash FROM n");
    let virtual_table = "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema VALUES ('table', 'users', 'users', 0, \
                         'CREATE VIRTUAL TABLE users USING no_such_module')";
    let computed = "CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT AS (printf('%.*c', id, 'x')), \
                    password_hash TEXT); INSERT INTO users (id) VALUES (400000000)";
    let long = "CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT, password_hash TEXT); \
                INSERT INTO users VALUES (3, 'ok', 'x'), (4, printf('%.*c', 2000000, 'x'), 'x')";
    for (name, sql, expected) in [
        ("view", view.as_str(), format!("users is a view; {COLUMNS}")),
        ("virtual", virtual_table, format!("users is a virtual table; {COLUMNS}")),
        ("computed", computed, "a value in the row after id 0 is over 1048576 bytes long".into()),
        ("long", long, "a value in the row after id 3 is over 1048576 bytes long".into()),
    ] {
        let database = place.path(name);
        rusqlite::Connection::open(&database).unwrap().execute_batch(sql).unwrap();
        let (code, _, message) = place.command(&["user", "import", database.to_str().unwrap(), "--skip-bad"]);
        let last = message.lines().last().unwrap();
        assert_eq!(
            (code, last),
            (Some(1), &*format!("gatekey: can't read {}: {expected}", database.display()))
        );
    }
    assert_eq!(place.users(), []);
}

#[test]
fn an_endless_line_is_rejected() {
    let place = Place::new();
    let (code, _, message) = place.import("x".repeat(2 << 20), &["--skip-bad"]);
    let expected = format!(
        "gatekey: can't read {}: a line is over 1048576 bytes long, so this is no file of users\n",
        place.path("users").display()
    );
    assert_eq!((code, message), (Some(1), expected));
}

#[test]
fn an_import_from_a_slow_pipe_blocks_no_registration() {
    let place = Place::new();
    let server = place.serve();
    let temporary = place.path("temporary");
    fs::create_dir(&temporary).unwrap();
    let mut import = gatekey();
    import.args(["user", "import", "-", "--data"]).arg(place.path("data")).env("TMPDIR", &temporary);
    let mut import =
        import.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = import.stdin.take().unwrap();
    input.write_all(lines(&[("alice", json!({}))]).as_bytes()).unwrap();
    // What comes by the pipe is collected there first.
    assert!(await_that(|| !names_in(&temporary).is_empty()));
    assert_eq!(status(&server.register("ok", "python")), 201);
    drop(input);
    let (code, out, message) = written(&import.wait_with_output().unwrap());
    assert_eq!((code, out.as_str()), (Some(0), "imported 1 user\n"), "{message}");
    assert_eq!(names_in(&temporary), Vec::<String>::new());
    assert_eq!(server.login("alice", HASH_PASSWORD), 200);
}

#[test]
fn a_dry_run_and_a_missing_file_create_nothing() {
    let place = Place::new();
    let out = place.imported(lines(&[("alice", json!({})), ("bob", json!({}))]), &["--dry-run"]);
    assert_eq!(out, "would import 2 users\n");
    let (code, _, message) = place.import(lines(&[("a:b", json!({}))]), &["--dry-run"]);
    assert_eq!((code, complaints(&message).len()), (Some(1), 1));
    let (code, _, message) = place.command(&["user", "import", "/nowhere/users"]);
    let expected = "gatekey: can't read /nowhere/users: No such file or directory (os error 2)\n";
    assert_eq!((code, message.as_str()), (Some(1), expected));
    assert!(!place.path("data").exists());
}

#[test]
fn an_import_reads_standard_input() {
    let place = Place::new();
    let mut import = gatekey();
    import.args(["user", "import", "-", "--data"]).arg(place.path("data"));
    let (code, out, message) = written(&run(&mut import, &lines(&[("alice", json!({}))])));
    assert_eq!((code, out.as_str()), (Some(0), "imported 1 user\n"), "{message}");
    let (code, _, message) = written(&run(&mut import, "SQLite format 3\0"));
    let expected = "gatekey: can't read -: a database has to be named, by standard input it doesn't come\n";
    assert_eq!((code, message.as_str()), (Some(1), expected));
}

#[test]
fn an_unknown_format_is_rejected() {
    let place = Place::new();
    place.imported("", &[]);
    let (other, ours) = (place.path("other"), place.path("data/gatekey.sqlite3"));
    rusqlite::Connection::open(&other).unwrap().execute_batch("CREATE TABLE posts (id)").unwrap();
    let missing = place.path("missing");
    for (file, expected) in [
        (&other, "expected a table users with the columns id, username and password_hash"),
        (&ours, "it is gatekey's own database; export from it first: gatekey user export"),
        (&missing, "No such file or directory (os error 2)"),
    ] {
        let (code, out, message) = place.command(&["user", "import", file.to_str().unwrap()]);
        assert_eq!((code, out.as_str()), (Some(1), ""));
        assert_eq!(message, format!("gatekey: can't read {}: {expected}\n", file.display()));
    }
}

#[test]
fn an_impossible_rename_is_reported_with_its_line() {
    let place = Place::new();
    let renames = place.path("renames");
    let malformed = "expected {\"username\":…,\"to\":…} or {\"id\":…,\"to\":…}";
    for (text, expected) in [
        (
            "{\"username\":\"a\",\"to\":\"b:\"}",
            "line 1: \"b:\": the user name has a colon, which HTTP Basic can't carry",
        ),
        ("\n{\"username\":\"a\"}", &format!("line 2: {malformed}")),
        ("{\"username\":\"a\",\"id\":1,\"to\":\"b\"}", &format!("line 1: {malformed}")),
        ("{\"id\":1,\"to\":\"b\"}\n{\"id\":1,\"to\":\"c\"}", "line 2: it was given another name before"),
    ] {
        fs::write(&renames, text).unwrap();
        let (code, _, message) = place.import("", &["--rename", renames.to_str().unwrap()]);
        assert_eq!((code, message), (Some(1), format!("gatekey: {}, {expected}\n", renames.display())));
    }
}
