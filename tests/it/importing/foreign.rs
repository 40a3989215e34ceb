//! Files of other programs: Django's dumpdata, hashes that take much memory, hashes stored as bytes.

use super::{HASH, HASH_PASSWORD, Place, complaints, lines, original};
use gatekey::json::{self, json};

/// As `manage.py dumpdata` writes it, and, with `--indent 2`, over many lines.
#[test]
fn a_django_dumpdata_array_is_imported() {
    let user = |pk: json::Value, name: &str, hash: &str, is_active: bool| {
        let fields = json!({"username": name, "password": hash, "is_active": is_active, "email": "a\"}]@example.org",
                            "groups": [], "user_permissions": [[1]]});
        json!({"model": "auth.user", "pk": pk, "fields": fields}).to_string()
    };
    let permission = json!({"model": "auth.permission", "pk": 1, "fields": {"name": "Can add"}}).to_string();
    let (alice, bob) = (user(json!(3), "alice", HASH, true), user(json!(7), "bob", HASH, false));
    for (open, between, close) in [("[", ", ", "]"), ("[\n", "\n,\n", "\n]\n")] {
        let place = Place::new();
        let array = format!("{open}{permission}{between}{alice}{between}{bob}{close}");
        assert_eq!(place.imported(array, &[]), "imported 2 users\n");
        let names: Vec<_> = place.users().into_iter().map(|(id, name, _)| (id, name)).collect();
        assert_eq!(names, [(3, "alice".into()), (7, "bob".into())]);
        let server = place.serve();
        assert_eq!((server.login("alice", HASH_PASSWORD), server.login("bob", HASH_PASSWORD)), (200, 401));
        server.stop();
    }

    let place = Place::new();
    let long = user(json!(8), "long", &"x".repeat(20_000), true);
    let (uuid, unusable) =
        (user(json!("0b8e-1"), "uuid", HASH, true), user(json!(9), "unusable", "!abc", true));
    let (code, _, message) = place.import(format!("[{alice},{long},{uuid},{unusable}]"), &[]);
    let expected = [
        "object 2: the object is over 16384 bytes long",
        "object 3: pk is not a whole number above 0, it is a text; without an id the user gets a new one",
        "object 4, \"unusable\": there is no usable password, only Django's mark for that (!): leave the user out by \
         --skip-bad, and add it by gatekey user add",
    ];
    assert_eq!((code, complaints(&message)), (Some(1), expected.to_vec()));
    for broken in ["[", "[{\"a\": 1", "[1]", "[{} {}", "[\"a\"]"] {
        assert_eq!(Place::new().import(broken, &[]).0, Some(1), "{broken}");
    }
}

#[test]
fn an_argon2_hash_over_the_memory_limit_is_rejected_with_the_option_that_allows_it() {
    let place = Place::new();
    let hash = "argon2$argon2id$v=19$m=102400,t=2,p=8$Tzg1REFZY2E2UWRmcWg3Tk9SNnhOVw$R6172QuidWdu7BqnSzNnJ1XV5BPczw2dEHkyJHrzXDg";
    let (code, _, message) = place.import(lines(&[("django", json!({"password_hash": hash}))]), &[]);
    let expected = "line 1, \"django\": a hash of argon2id m=102400,t=2,p=8 takes 104857600 bytes, more than the 67108864 \
                    allowed; --max-hash-memory 100M allows it, here and for gatekey serve";
    assert_eq!((code, complaints(&message)), (Some(1), vec![expected]));
}

#[test]
fn a_hash_stored_as_a_blob_is_read_and_text_ids_are_rejected() {
    let place = Place::new();
    let database = place.path("db.sqlite");
    original(&database, "INSERT INTO users VALUES (1, 'alice', CAST('HASH' AS BLOB))");
    assert_eq!(place.command(&["user", "import", database.to_str().unwrap()]).1, "imported 1 user\n");
    let server = place.serve();
    assert_eq!(server.login("alice", HASH_PASSWORD), 200);
    server.stop();

    let (place, database) = (Place::new(), place.path("texts.sqlite"));
    let sql = format!(
        "CREATE TABLE users (id TEXT, username, password_hash); INSERT INTO users VALUES ('u1', 'a', '{HASH}')"
    );
    rusqlite::Connection::open(&database).unwrap().execute_batch(&sql).unwrap();
    let (code, _, message) = place.command(&["user", "import", database.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(message.contains("is not a whole number") && message.contains("JSON lines"), "{message}");
}
