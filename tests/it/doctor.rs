//! `gatekey doctor`: its finding for each fault, and recovery from a clock that ran ahead.

use crate::harness::CHEAP;
use crate::process::{
    Server, body, gatekey, gatekey_with_descriptors, header, names_in, run, status, written,
};
use gatekey::clock;
use gatekey::json::{self, Value};
use rusqlite::Connection;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A data directory that a server has used, in a directory of its own.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let server = place.serve();
        assert_eq!(status(&server.register("ok", "python")), 201);
        assert_eq!(server.stop().0, Some(0));
        place
    }

    fn serve(&self) -> Server {
        Server::start_in(self.data(), &["--scrypt", CHEAP])
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.data().join(name)
    }

    fn sql(&self, sql: &str) {
        Connection::open(self.file("gatekey.sqlite3")).unwrap().execute_batch(sql).unwrap();
    }

    fn names(&self) -> Vec<String> {
        names_in(&self.data())
    }

    fn examine(&self, options: &[&str]) -> Report {
        examine(gatekey(), &self.data(), options)
    }

    /// The only finding of one check.
    #[track_caller]
    fn finding(&self, check: &str, options: &[&str]) -> (String, String, String) {
        self.examine(options).only(check)
    }
}

/// What doctor wrote and ended with.
struct Report {
    code: Option<i32>,
    findings: Vec<Value>,
}

impl Report {
    fn of(&self, check: &str) -> Vec<(String, String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let found = self.findings.iter().filter(|finding| finding["check"] == check);
        found
            .map(|finding| (text(&finding["verdict"]), text(&finding["says"]), text(&finding["do"])))
            .collect()
    }

    #[track_caller]
    fn only(&self, check: &str) -> (String, String, String) {
        let mut found = self.of(check);
        assert_eq!(found.len(), 1, "{found:?}");
        let (verdict, says, remedy) = found.remove(0);
        let has_failure = self.findings.iter().any(|finding| finding["verdict"] == "failure");
        assert_eq!(self.code, Some(i32::from(has_failure)), "{:?}", self.findings);
        (verdict, says, remedy)
    }
}

fn examine(mut command: Command, data: &Path, options: &[&str]) -> Report {
    command.args(["doctor", "--json", "--scrypt", CHEAP, "--data"]).arg(data).args(options);
    let (code, out, message) = written(&run(&mut command, ""));
    assert_eq!(message, "");
    let object = json::parse_object(format!("{{\"findings\":{out}}}").as_bytes()).unwrap();
    Report { code, findings: object["findings"].as_array().unwrap().clone() }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn finding(verdict: &str, says: impl Into<String>, remedy: impl Into<String>) -> (String, String, String) {
    (verdict.into(), says.into(), remedy.into())
}

#[test]
fn a_sound_installation_is_found_so_and_is_as_it_was_also_beside_its_server() {
    let place = Place::new();
    let before = fs::read(place.file("gatekey.sqlite3")).unwrap();
    let look = |server: Option<&Server>| {
        let report = place.examine(&["--min-password-length", "8"]);
        let expected = format!("{} (mode 0700)", place.data().display());
        assert_eq!(report.only("directory"), finding("ok", expected, ""));
        assert_eq!(report.only("database"), finding("ok", "sound; users: 1, schema version: 7", ""));
        let files = if server.is_some() { 3 } else { 1 };
        let expected = format!("database files: {files}, accessible to the owner only");
        assert_eq!(report.only("files"), finding("ok", expected, ""));
        assert_eq!(report.only("leftovers"), finding("ok", "none beside the key file", ""));
        let expected = "password attempts are rate limited; registration is open";
        assert_eq!(report.only("passwords"), finding("ok", expected, ""));
        assert_eq!(
            report.only("exposure"),
            finding("ok", "127.0.0.1:5000 is reachable from this machine only", "")
        );
        assert_eq!(
            report.only("proxy"),
            finding(
                "ok",
                "no trusted proxy is declared, and no option implies one; an app on this machine that forwards its users' \
             passwords must be one (--trusted-proxy, X-Forwarded-For), or all its users share one rate limit",
                ""
            )
        );
        assert_eq!((report.only("keys").0, report.only("clock").0), ("ok".into(), "ok".into()));
        assert_eq!(report.code, Some(0));
    };
    look(None);
    assert_eq!(place.names(), ["gatekey.sqlite3", "signing-keys"]);
    assert!(fs::read(place.file("gatekey.sqlite3")).unwrap() == before);
    let server = place.serve();
    look(Some(&server));
    assert_eq!(status(&server.register("later", "python")), 201);
    assert_eq!((server.login("ok", "python"), server.stop().0), (200, Some(0)));
}

#[test]
fn a_finding_is_a_line_with_what_to_do_below_and_the_last_line_sums_up() {
    let place = Place::new();
    let mut command = gatekey();
    let (code, out, message) =
        written(&run(command.args(["doctor", "--throttle", "off", "--data"]).arg(place.data()), ""));
    assert_eq!((code, message.as_str()), (Some(0), ""));
    assert!(out.contains("ok       database   sound; users: 1, schema version: 7\n"), "{out}");
    let warning = "warning  passwords  password attempts are not rate limited (--throttle off)\n                    leave that option out\n";
    assert!(out.contains(warning), "{out}");
    let count = |verdict: &str| out.lines().filter(|line| line.starts_with(verdict)).count();
    let (fine, warnings) = (count("ok  "), count("warning  "));
    let last = out.lines().last().unwrap();
    assert_eq!(last, format!("ok: {fine}, warnings: {warnings}, failures: 0"));
}

#[test]
fn where_nothing_is_yet_nothing_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let report = examine(gatekey(), &data, &[]);
    let (name, remedy) =
        (data.display(), "gatekey serve makes it; if there should be one, say where: --data");
    assert_eq!(report.only("directory"), finding("failure", format!("there is no {name}"), remedy));
    let says = format!("there is no {name}/gatekey.sqlite3 yet; gatekey serve makes it");
    assert_eq!(report.only("database"), finding("ok", says, ""));
    assert_eq!(report.only("files"), finding("ok", "no database yet", ""));
    assert_eq!(report.code, Some(1), "for monitoring, a mistyped directory is no sound installation");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_directory_that_others_may_use_is_found_and_so_is_one_above() {
    let place = Place::new();
    let (data, above) = (place.data(), place.0.path());
    for (path, mode, verdict, says) in [
        (&*data, 0o755, "warning", format!("other users can access {} (mode 0755)", data.display())),
        (&*data, 0o770, "failure", format!("other users can create files in {} (mode 0770)", data.display())),
    ] {
        chmod(path, mode);
        let remedy = format!("chmod 700 {}", data.display());
        assert_eq!(place.finding("directory", &[]), finding(verdict, says, remedy));
        chmod(path, 0o700);
    }
    chmod(above, 0o707);
    let says = format!("any user can replace the data, by renaming in {} (mode 0707)", above.display());
    let remedy = format!("chmod go-w {}, or move the data", above.display());
    assert_eq!(place.finding("directory", &[]), finding("failure", says, remedy.clone()));
    chmod(above, 0o720);
    assert_eq!(place.finding("directory", &[]).0, "warning");
    chmod(above, 0o1777);
    assert_eq!(place.finding("directory", &[]).0, "ok", "where names are their owner's, as in /tmp");
}

#[test]
fn a_key_file_elsewhere_that_somebody_can_replace_is_found() {
    let (place, elsewhere) = (Place::new(), tempfile::tempdir().unwrap());
    let keys = elsewhere.path().join("keys");
    fs::rename(place.file("signing-keys"), &keys).unwrap();
    let options = ["--key-file", keys.to_str().unwrap()];
    assert_eq!(place.finding("keys", &options).0, "ok");
    chmod(elsewhere.path(), 0o777);
    let name = elsewhere.path().display();
    let says = format!("any user can replace the keys, by renaming in {name} (mode 0777)");
    let remedy = format!("chmod go-w {name}, or move the keys");
    assert_eq!(place.finding("keys", &options), finding("failure", says, remedy));
}

#[test]
fn a_database_or_key_file_that_others_may_read_is_a_failure() {
    let place = Place::new();
    let (database, keys) = (place.file("gatekey.sqlite3"), place.file("signing-keys"));
    chmod(&database, 0o640);
    let name = database.display();
    let says = format!("other users can access {name} (mode 0640), which contains password hashes");
    assert_eq!(place.finding("files", &[]), finding("failure", says, format!("chmod 600 {name}")));
    chmod(&database, 0o400);
    let says = format!("the owner can't read and write {name} (mode 0400)");
    assert_eq!(place.finding("files", &[]), finding("failure", says, format!("chmod 600 {name}")));
    chmod(&keys, 0o644);
    let (verdict, says, remedy) = place.finding("keys", &[]);
    assert!(remedy.ends_with("then also: gatekey key rotate --compromised"), "{remedy}");
    let expected = format!(
        "signing keys {0}: others may read it (mode 0644); expected 0600 or 0400, so: chmod 600 {0}",
        keys.display()
    );
    assert_eq!((verdict.as_str(), says), ("failure", expected));
}

#[test]
fn keys_that_the_world_knows_or_could_guess_or_that_are_gone_are_found() {
    let place = Place::new();
    let keys = place.file("signing-keys");
    fs::write(&keys, "the quick brown fox jumps over the lazy dog\nsixteen bytes ok").unwrap();
    let found = place.examine(&[]).of("keys");
    let verdicts: Vec<_> = found.iter().map(|(verdict, ..)| verdict.as_str()).collect();
    assert_eq!(verdicts, ["failure", "warning"]);
    assert!(found[0].1.ends_with(" is published: anyone can forge tokens with it"), "{found:?}");
    assert_eq!(found[0].2, "gatekey key rotate --compromised; all users must then log in again");
    assert!(found[1].1.ends_with(" has under 32 bytes (RFC 7518 section 3.2)"), "{found:?}");

    let left = place.file("signing-keys.new-AAAAAAAA");
    fs::rename(&keys, &left).unwrap();
    let (verdict, says, remedy) = place.finding("keys", &[]);
    assert_eq!(
        (verdict, says),
        ("failure".into(), format!("there is a database, but no key file {}", keys.display()))
    );
    assert!(
        remedy.starts_with("put it back from where you keep it, or name it: --key-file; if it is lost,"),
        "{remedy}"
    );
    let says = format!("{} contains unused keys, left by an interrupted command", left.display());
    let remedy = format!("unless a gatekey key command is running: rm {}", left.display());
    assert_eq!(place.finding("leftovers", &[]), finding("warning", says, remedy));
}

#[test]
fn a_damaged_foreign_newer_or_older_database_is_found_and_stays_as_it_is() {
    let place = Place::new();
    let path = place.file("gatekey.sqlite3");
    let sound = fs::read(&path).unwrap();
    let look = || {
        let before = fs::read(&path).unwrap();
        let found = place.finding("database", &[]);
        assert!(fs::read(&path).unwrap() == before, "{found:?}");
        (found.0, found.1.replace(&format!("{}: ", path.display()), ""), found.2)
    };
    place.sql("PRAGMA user_version = 9");
    let says = "the database has schema version 9, made by a newer gatekey; this one knows up to 7. Use the newer one";
    let remedy = "use the gatekey that made it, or put a backup from before back: gatekey restore FILE";
    assert_eq!(look(), finding("failure", says, remedy));
    place.sql("PRAGMA user_version = 1");
    let says = "the database has schema version 1, of a gatekey before 0.1.0; this one uses 7. Export the users with that one \
                (gatekey user export), import them with this one into a new directory (gatekey user import)";
    assert_eq!(look(), finding("failure", says, "move its users: docs/operations.md, section Upgrade"));
    place.sql("PRAGMA application_id = 1");
    let says = "the database is not gatekey's: it is another program's SQLite database";
    let remedy = "if it is another program's, name another directory: --data; if it was ours, put a backup in its place: \
                  gatekey restore FILE";
    assert_eq!(look(), finding("failure", says, remedy));
    let mut damaged = sound;
    let middle = 4096..8192; // the second page
    damaged[middle].fill(0xff);
    fs::write(&path, damaged).unwrap();
    let (verdict, says, remedy) = look();
    assert!(says.starts_with("the database is corrupt: "), "{says}");
    let expected = "stop the server, and put a backup in its place: gatekey restore FILE";
    assert_eq!((verdict.as_str(), remedy.as_str()), ("failure", expected));
}

#[test]
fn too_few_descriptors_are_a_warning() {
    let place = Place::new();
    let two_loops = ["--max-connections", "100", "--event-loops", "2"];
    let report = examine(gatekey_with_descriptors(96), &place.data(), &two_loops);
    let says = "this process may open 96 descriptors, so 32 connections are served, not 100";
    let remedy = "where the server's limit is this one too: ulimit -n 164, in a systemd unit LimitNOFILE=164, or \
                  --max-connections 32";
    assert_eq!(report.only("limits"), finding("warning", says, remedy));
    let report = examine(gatekey_with_descriptors(164), &place.data(), &two_loops);
    assert_eq!(report.only("limits"), finding("ok", "descriptors: 164, connections: 100", ""));
    let loops = ["--max-connections", "100", "--event-loops", "8"];
    let report = examine(gatekey_with_descriptors(164), &place.data(), &loops);
    let says = "this process may open 164 descriptors, so 70 connections are served, not 100";
    assert_eq!(report.only("limits").1, says, "event loops have descriptors too");
}

#[test]
fn who_can_listen_in_is_said() {
    let place = Place::new();
    let unix = "unix:/run/gatekey/socket";
    for (options, verdict, says) in [
        (
            &["--listen", "192.0.2.1:80"][..],
            "failure",
            "serve refuses 192.0.2.1:80: passwords would cross the network in cleartext",
        ),
        (
            &["--listen", "192.0.2.1:80", "--allow-cleartext"],
            "warning",
            "on 192.0.2.1:80 passwords cross the network in cleartext (--allow-cleartext)",
        ),
        (&["--listen", "[::1]:80"], "ok", "[::1]:80 is reachable from this machine only"),
        (
            &["--listen", unix],
            "failure",
            "serve refuses /run/gatekey/socket: all clients of a Unix socket would count as one",
        ),
        (
            &["--listen", unix, "--trusted-proxy", "unix"],
            "ok",
            "/run/gatekey/socket is reachable from this machine only",
        ),
        (&["--listen", "stdin"], "ok", "on an inherited socket, whose address is not known here"),
    ] {
        let (found, said, _) = place.finding("exposure", options);
        assert_eq!((found.as_str(), said.as_str()), (verdict, says));
    }
    let found = place.examine(&["--loop", "tiny-http", "--public-url", "http://example.org"]).of("exposure");
    let verdicts: Vec<_> = found.iter().map(|(verdict, ..)| verdict.as_str()).collect();
    assert_eq!(verdicts, ["ok", "warning", "warning"]);
}

#[test]
fn a_proxy_that_is_not_declared_or_anybody_is_a_warning() {
    let place = Place::new();
    let url = ["--public-url", "https://example.org/auth"];
    let says = "clients use https://example.org/auth, so a proxy is in front, but no trusted proxy is declared: all \
                clients count as one";
    let (verdict, said, remedy) = place.finding("proxy", &url);
    assert_eq!((verdict.as_str(), said.as_str()), ("warning", says));
    assert!(
        remedy.starts_with("set --trusted-proxy to the proxy's address, 127.0.0.1 if it is on this machine")
    );
    let declared = [&url[..], &["--trusted-proxy", "127.0.0.1"]].concat();
    let (verdict, said, _) = place.finding("proxy", &declared);
    assert!(verdict == "ok" && said.starts_with("declared; "), "{said}");
    for advice in [remedy, said] {
        assert!(advice.ends_with("neither Forwarded nor the PROXY protocol is read"), "{advice}");
    }
    let any_network = ["--trusted-proxy", "0.0.0.0/0", "--trusted-proxy", "10.0.0.0/8"];
    let (verdict, says, _) = place.finding("proxy", &any_network);
    let expected = "--trusted-proxy 0.0.0.0/0: any client in these networks can forge its address";
    assert_eq!((verdict.as_str(), says.as_str()), ("warning", expected));
}

#[test]
fn a_proxy_that_was_seen_and_is_not_declared_is_a_warning() {
    let place = Place::new();
    let server = place.serve();
    let passed_on = ["X-Forwarded-For: 192.0.2.7"];
    assert_eq!(status(&server.request("GET /api/users/1", &passed_on, "")), 200);
    assert_eq!(server.stop().0, Some(0));
    let (verdict, says, remedy) = place.finding("proxy", &[]);
    assert_eq!(verdict, "warning");
    assert!(says.starts_with("127.0.0.1 sent X-Forwarded-* headers, last on 20"), "{says}");
    assert!(remedy.starts_with("if that is your proxy, set --trusted-proxy 127.0.0.1, or"), "{remedy}");
    assert_eq!(place.finding("proxy", &["--trusted-proxy", "127.0.0.1"]).0, "ok");
}

#[test]
fn the_services_environment_is_judged_and_what_it_can_not_mean_is_status_2() {
    let place = Place::new();
    let mut command = gatekey();
    command.env("GATEKEY_LISTEN", "192.0.2.1:80").env("GATEKEY_THROTTLE", "off");
    let report = examine(command, &place.data(), &["--min-password-length", "8"]);
    assert_eq!((report.only("exposure").0.as_str(), report.code), ("failure", Some(1)));
    let says = "password attempts are not rate limited (--throttle off)";
    assert_eq!(report.only("passwords"), finding("warning", says, "leave that option out"));
    let (code, out, message) = written(&run(gatekey().args(["doctor", "--listen", "here"]), ""));
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(
        message.starts_with("gatekey: invalid value \"here\" (--listen): expected an IP address"),
        "{message}"
    );
}

#[test]
fn a_file_of_variables_is_read_as_systemd_reads_it() {
    let place = Place::new();
    let file = place.file("gatekey.conf");
    let options = ["--env-file", file.to_str().unwrap()];
    fs::write(&file, "# of the service\nGATEKEY_THROTTLE=off\nGATEKEY_MIN_PASSWORD_LENGTH=\"8\"\n").unwrap();
    let mut command = gatekey();
    command.env("GATEKEY_THROTTLE", "on");
    let report = examine(command, &place.data(), &options);
    assert_eq!(report.only("passwords").0, "warning", "the file goes before the environment");

    fs::write(
        &file,
        "GATEKEY_REGISTRATION=closed        # unless strangers shall register\nGATEKEY_LISTN=x\n",
    )
    .unwrap();
    let doctor = || written(&run(gatekey().args(["doctor", "--data"]).arg(place.data()).args(options), ""));
    let (code, out, message) = doctor();
    assert_eq!((code, out.as_str()), (Some(2), ""), "as serve would end");
    assert!(message.contains("GATEKEY_LISTN belongs to no option and is ignored; did you mean"), "{message}");
    let expected = "gatekey: invalid value \"closed        # unless strangers shall register\" (--registration, from \
                    GATEKEY_REGISTRATION): expected open or closed; in a file of variables a comment has its own line\n";
    assert!(message.ends_with(expected), "{message}");

    fs::write(&file, "GATEKEY_TOKEN_LIFETIME=10m # ten\n").unwrap();
    let (code, _, message) = doctor();
    assert_eq!(code, Some(2), "serve would not understand it, though doctor has no use for it");
    assert!(
        message.contains("invalid value \"10m # ten\" (--token-lifetime, from GATEKEY_TOKEN_LIFETIME): "),
        "{message}"
    );

    fs::write(&file, "export GATEKEY_LISTEN=127.0.0.1:80\n").unwrap();
    assert!(doctor().2.contains("line 1: expected NAME=VALUE without export, with which systemd ignores"));
    fs::write(&file, "GATEKEY_REGISTRATION\n").unwrap();
    let expected = format!("gatekey: can't read {}: line 1: expected NAME=VALUE\n", file.display());
    assert_eq!(doctor(), (Some(1), String::new(), expected));
    fs::remove_file(&file).unwrap();
    let (code, _, message) = doctor();
    let expected = format!("gatekey: there is no {}: a service goes by its defaults then\n", file.display());
    assert_eq!(code, Some(0));
    assert!(message.ends_with(&expected), "{message}");
}

#[test]
fn a_database_with_nothing_in_it_is_a_warning_since_the_next_start_fills_it() {
    let place = Place::new();
    let path = place.file("gatekey.sqlite3");
    fs::write(&path, "").unwrap();
    fs::remove_file(place.file("signing-keys")).unwrap();
    let says = format!("there is nothing in {}: the next start makes a new database of it", path.display());
    let remedy = "if there were users, put a backup in its place: gatekey restore FILE";
    assert_eq!(place.finding("database", &[]), finding("warning", says, remedy));
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
}

#[test]
fn keys_without_their_database_are_a_failure() {
    let place = Place::new();
    let path = place.file("gatekey.sqlite3");
    let says = format!("there are keys, but {} is missing or empty, and serving is refused", path.display());
    let remedy = "put it back, or a backup in its place: gatekey restore FILE; if these keys never had a database: gatekey \
                  serve --new-database";
    let expected = finding("failure", says, remedy);
    fs::write(&path, "").unwrap();
    assert_eq!(place.finding("database", &[]), expected);
    fs::remove_file(&path).unwrap();
    assert_eq!(place.finding("database", &[]), expected);
}

#[test]
fn a_server_that_was_killed_left_a_sound_database_and_its_log_stays() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start_in(data.clone(), &["--scrypt", CHEAP]);
    assert_eq!(status(&server.register("ok", "python")), 201);
    assert_eq!(server.stop_by("KILL").0, None);
    let (database, wal) = (data.join("gatekey.sqlite3"), data.join("gatekey.sqlite3-wal"));
    let read = || (fs::read(&database).unwrap(), fs::read(&wal).unwrap());
    let before = read();
    let report = examine(gatekey(), &data, &[]);
    assert_eq!(report.only("database"), finding("ok", "sound; users: 1, schema version: 7", ""));
    assert!(read() == before);
}

/// Everything that a clock which ran ahead by a day leaves behind, at this second.
fn ahead_at(place: &Place, at: u64) {
    place.sql(&format!(
        "UPDATE realm SET newest_time = {at}, tokens_not_before = {at};
         UPDATE users SET created_at = {at};
         UPDATE signing_keys SET first_seen_at = {at};
         INSERT INTO remembered_addresses VALUES (1, x'0102030405060708', {at});"
    ));
}

#[test]
fn a_clock_that_once_ran_ahead_is_found_and_there_is_a_way_back() {
    let place = Place::new();
    let tomorrow = clock::now().unix.seconds() + 86_400;
    ahead_at(&place, tomorrow);
    let (verdict, says, remedy) = place.finding("clock", &[]);
    assert_eq!(verdict, "warning");
    assert!(
        says.contains(", but the newest time in the database is 20")
            && says.ends_with("Z: the server continues from there"),
        "{says}"
    );
    let expected = "if the clock is behind, set it; if it once ran ahead, stop the server and: gatekey doctor --reset-clock";
    assert_eq!(remedy, expected);

    let server = place.serve();
    let token = |server: &Server| {
        let authorization = format!("Authorization: {}", crate::harness::basic("ok", "python"));
        let answer = server.request("GET /api/token", &[&authorization], "");
        json::parse_object(body(&answer).as_bytes()).unwrap()["token"].as_str().unwrap().to_owned()
    };
    let shown = |server: &Server, token: &str| {
        let answer = server.request("GET /api/resource", &[&format!("Authorization: Bearer {token}")], "");
        (status(&answer), header(&answer, "WWW-Authenticate").is_some())
    };
    let of_the_future = token(&server);
    assert_eq!(shown(&server, &of_the_future), (200, false));
    let reset = |place: &Place| {
        written(&run(gatekey().args(["doctor", "--reset-clock", "--data"]).arg(place.data()), ""))
    };
    let in_use = format!(
        "gatekey: can't reset the clock: {} is in use; stop the server, and whatever else has it open, first\n",
        place.file("gatekey.sqlite3").display()
    );
    assert_eq!(reset(&place), (Some(1), String::new(), in_use));
    assert_eq!(server.stop().0, Some(0));
    let (code, out, message) = reset(&place);
    assert_eq!((code, message.as_str()), (Some(0), ""));
    assert!(out.contains("\nAll tokens are revoked, and all users must log in again:"), "{out}");
    assert_eq!(place.finding("clock", &[]).0, "ok");
    let server = place.serve();
    assert_eq!(shown(&server, &of_the_future), (401, true), "it would have lived for a day more");
    assert_eq!(shown(&server, &token(&server)), (200, false));
    assert!(!server.log().contains("the clock is"), "{}", server.log());
    let names: Vec<_> = place.names().into_iter().filter(|name| !name.starts_with("loaded-keys-")).collect();
    assert_eq!(names, ["gatekey.sqlite3", "gatekey.sqlite3-shm", "gatekey.sqlite3-wal", "signing-keys"]);
}

#[test]
fn tokens_that_are_all_dead_are_a_failure() {
    let place = Place::new();
    let tomorrow = clock::now().unix.seconds() + 86_400;
    place.sql(&format!("UPDATE realm SET tokens_not_before = {tomorrow}"));
    let (verdict, says, _) = place.finding("clock", &[]);
    assert_eq!(verdict, "failure");
    assert!(says.ends_with("Z are rejected: all tokens are"), "{says}");
}

#[test]
fn doctor_prints_each_option_that_differs_from_its_default_and_where_it_is_from() {
    let place = Place::new();
    let mut doctor = gatekey();
    doctor.env("GATEKEY_MAX_SESSION", "7d").env("GATEKEY_NO_PAGE", "0");
    let options = ["--token-lifetime", "5m", "--request-timeout", "10", "--cors-origin", "https://a.example"];
    let found: Vec<_> =
        examine(doctor, &place.data(), &options).of("options").into_iter().map(|(_, says, _)| says).collect();
    let expected = [
        format!("--data {}", place.data().display()),
        "--token-lifetime 5m".into(),
        "--max-session 7d, from GATEKEY_MAX_SESSION".into(),
        format!("--scrypt {CHEAP}"),
        "--cors-origin https://a.example".into(),
    ];
    assert_eq!(found, expected);
}
