//! The Flask original's recorded exchanges, each sent here too: the same answer, or a difference that is listed.
//!
//! `tests/data/original-http.txt` is the recording, and its header says what of. What was sent is in
//! [`sent`], in the recording's order; every bug of the original that is not copied has a test in [`bugs`].
//! Not listed one by one: JSON is compact here and indented there, and errors are JSON here and pages there.

mod bugs;
mod sent;

use crate::harness::{TestRealm, error, header, object, text};
use gatekey::http::Response;
use gatekey::json::{self, Object, Value};

const RECORDING: &str = include_str!("../data/original-http.txt");

/// Where the answer is another one than the original's, on purpose.
struct Difference {
    name: &'static str,
    original: u16,
    /// The status, and the error's code if it is one.
    ours: (u16, &'static str),
    why: &'static str,
}

const fn difference(
    name: &'static str,
    original: u16,
    ours: (u16, &'static str),
    why: &'static str,
) -> Difference {
    Difference { name, original, ours, why }
}

const UNREAD_CREDENTIALS: &str = "credentials that can't be read are none, and no failure of the server";
const EMPTY_NAME: &str = "an empty token has no user, not the user whose name is empty";
const BODY_IS_NO_OBJECT: &str =
    "a body that is no object is the client's mistake, and no failure of the server";
const NOT_SAID_TO_BE_JSON: &str =
    "a body not said to be JSON is the client's mistake, and no failure of the server";
const NOT_A_STRING: &str = "a value that is no string is the client's mistake, and no failure of the server";
const TURNED_INTO_A_STRING: &str = "a number or true is no name; the database turned them into one";
const UNREAD_TOKEN: &str = "a signed token of another form is refused, and no failure of the server";
const NO_BODY_NO_200: &str = "an answer without a body is 204";

/// In the recording's order.
#[rustfmt::skip]
const DIFFERENCES: &[Difference] = &[
    difference("register dup (case differs)", 201, (400, "username_taken"), "names that look the same are one name"),
    difference("no ctype", 500, (415, "unsupported_media_type"), NOT_SAID_TO_BE_JSON),
    difference("form ctype", 500, (415, "unsupported_media_type"), NOT_SAID_TO_BE_JSON),
    difference("json array", 500, (400, "malformed_json"), BODY_IS_NO_OBJECT),
    difference("json string", 500, (400, "malformed_json"), BODY_IS_NO_OBJECT),
    difference("json null", 500, (400, "malformed_json"), BODY_IS_NO_OBJECT),
    difference("numeric username", 201, (400, "invalid_username"), TURNED_INTO_A_STRING),
    difference("bool username", 201, (400, "invalid_username"), TURNED_INTO_A_STRING),
    difference("list username", 500, (400, "invalid_username"), NOT_A_STRING),
    difference("numeric password", 500, (400, "invalid_password"), NOT_A_STRING),
    difference("empty strings", 201, (400, "invalid_username"), "an empty name is no name"),
    difference("no auth, but user \"\"/\"\" exists!", 200, (401, "unauthorized"), EMPTY_NAME),
    difference("username with colon", 201, (400, "invalid_username"), "Basic can't carry it, so it could never log in"),
    difference("dup key json", 201, (400, "malformed_json"), "which of two names was meant is ambiguous"),
    difference("get missing", 400, (404, "not_found"), "what isn't there is 404"),
    difference("get user 0", 400, (404, "not_found"), "what isn't there is 404"),
    difference("get user 01", 200, (404, "not_found"), "a user has one URL"),
    difference("get huge int", 500, (404, "not_found"), "an id that no user can have is 404"),
    difference("GET /api/users", 405, (401, "unauthorized"), "administrators list the users there"),
    difference("PUT user", 405, (415, "unsupported_media_type"), "a user's password can be changed there"),
    difference("OPTIONS users", 200, (204, ""), NO_BODY_NO_200),
    difference("OPTIONS user", 200, (204, ""), NO_BODY_NO_200),
    difference("OPTIONS token", 200, (204, ""), NO_BODY_NO_200),
    difference("empty user+pw", 200, (401, "unauthorized"), EMPTY_NAME),
    difference("Bearer scheme", 200, (401, "unauthorized"), EMPTY_NAME),
    difference("basic no pad", 500, (401, "unauthorized"), UNREAD_CREDENTIALS),
    difference("basic no colon", 500, (401, "unauthorized"), UNREAD_CREDENTIALS),
    difference("basic garbage b64", 500, (401, "unauthorized"), UNREAD_CREDENTIALS),
    difference("basic only", 200, (401, "unauthorized"), EMPTY_NAME),
    difference("basic invalid utf8", 500, (401, "unauthorized"), "read as ISO-8859-1, it is no name of a user"),
    difference("token without id", 500, (401, "unauthorized"), UNREAD_TOKEN),
    difference("token payload number", 500, (401, "unauthorized"), UNREAD_TOKEN),
    difference("token id string", 200, (401, "unauthorized"), "an id is a number; the database turned it into one"),
];

/// One exchange of the recording.
#[derive(Debug)]
pub struct Exchange {
    name: &'static str,
    method: &'static str,
    path: &'static str,
    pub status: u16,
    /// The headers, as Python prints a dict.
    headers: &'static str,
    pub body: String,
}

/// Reads the recording: two lines an exchange, below a header that ends at the first empty line.
fn exchanges() -> Vec<Exchange> {
    let (_, recorded) = RECORDING.split_once("\n\n").unwrap();
    let lines: Vec<&'static str> =
        recorded.lines().filter(|line| !line.starts_with("stored hash: ")).collect();
    lines
        .chunks(2)
        .map(|pair| {
            let (request, response) = pair[0].split_once(" -> ").unwrap();
            let (name, target) = request.split_once("  ").unwrap();
            let (method, path) = target.trim_start().split_once(' ').unwrap();
            let (status, headers) = response.split_once('{').unwrap();
            let status = status.split(' ').next().unwrap().parse().unwrap();
            let body = unquote(pair[1].trim_start().strip_prefix("body=").unwrap());
            Exchange { name, method, path, status, headers, body }
        })
        .collect()
}

/// The exchange of this name.
pub fn recorded(name: &str) -> Exchange {
    exchanges().into_iter().find(|exchange| exchange.name == name).unwrap()
}

/// The text of a Python bytes literal, as far as the recording uses it.
fn unquote(literal: &str) -> String {
    let quoted = literal.strip_prefix("b'").and_then(|rest| rest.strip_suffix('\'')).unwrap();
    let mut characters = quoted.chars();
    let mut text = String::new();
    while let Some(character) = characters.next() {
        text.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some(quoted @ ('\\' | '\'')) => quoted,
                other => panic!("escape {other:?} in {literal}"),
            },
            character => character,
        });
    }
    text
}

impl Exchange {
    /// A header's value, if the original sent that header.
    pub fn header(&self, name: &str) -> Option<&'static str> {
        let (_, rest) = self.headers.split_once(&format!("'{name}': '"))?;
        rest.split_once('\'').map(|(value, _)| value)
    }
}

/// The body as an object, without the token, which differs each time, and without the id, which the original leaves out.
fn comparable(mut body: Object) -> Object {
    body.remove("id");
    if let Some(token) = body.get_mut("token") {
        let parts = token.as_str().unwrap().split('.').count();
        *token = Value::from(parts);
    }
    body
}

/// The status is the original's; so must be what the original said with it.
fn assert_same(theirs: &Exchange, ours: &Response) {
    let name = theirs.name;
    assert_eq!(ours.status, theirs.status, "{name}: {}", text(ours));
    if theirs.body.starts_with('{') {
        let original = json::parse_object(theirs.body.as_bytes()).unwrap();
        assert_eq!(comparable(object(ours)), comparable(original), "{name}");
        assert_eq!(header(ours, "Content-Type"), theirs.header("Content-Type"), "{name}");
    }
    if theirs.status == 401 {
        let body = object(ours);
        assert!(body["message"].as_str().unwrap().starts_with(&theirs.body), "{name}");
    }
    assert_eq!(header(ours, "WWW-Authenticate"), theirs.header("WWW-Authenticate"), "{name}");
    // Refused registrations take no id here, so the numbers part.
    let directory = |location: &str| location.rsplit_once('/').unwrap().0.to_owned();
    assert_eq!(header(ours, "Location").map(directory), theirs.header("Location").map(directory), "{name}");
    let allowed = header(ours, "Allow").unwrap_or_default();
    for method in theirs.header("Allow").unwrap_or_default().split(", ") {
        assert!(allowed.contains(method), "{name}: {method} is not in {allowed}");
    }
}

fn assert_differs(difference: &Difference, theirs: &Exchange, ours: &Response) {
    let name = difference.name;
    assert_eq!(theirs.status, difference.original, "{name}: the recording says otherwise");
    let answer = if ours.status < 400 { (ours.status, String::new()) } else { error(ours) };
    let (status, code) = difference.ours;
    assert_eq!(answer, (status, code.into()), "{name}: {}", difference.why);
    assert_ne!(status, difference.original, "{name}: no difference");
}

#[test]
fn every_exchange_of_the_original_has_its_response_or_a_listed_difference() {
    let realm = TestRealm::new();
    let mut differences = DIFFERENCES.iter().peekable();
    for theirs in exchanges() {
        let ours = realm.send(&sent::request(&realm, &theirs));
        match differences.next_if(|difference| difference.name == theirs.name) {
            Some(difference) => assert_differs(difference, &theirs, &ours),
            None => assert_same(&theirs, &ours),
        }
        if ours.status >= 400 {
            assert_eq!(header(&ours, "Content-Type"), Some("application/json"), "{}", theirs.name);
            assert_eq!(object(&ours).len(), 2, "{}", theirs.name);
        }
    }
    let left = differences.next().map(|difference| difference.name);
    assert_eq!(left, None, "not in the recording, or not in its order");
}

#[test]
fn every_exchange_of_the_recording_is_sent_and_no_other() {
    let recorded: Vec<_> = exchanges().iter().map(|exchange| exchange.name).collect();
    let sent: Vec<_> = sent::SENT.iter().map(|(name, _)| *name).collect();
    assert_eq!(sent, recorded);
    let answers = RECORDING.matches("\n      body=").count();
    assert_eq!(recorded.len(), answers, "the recording was read whole");
}

#[test]
fn every_difference_is_documented_with_its_reason() {
    let document = include_str!("../../docs/differences.md");
    for Difference { name, original, ours: (status, _), why } in DIFFERENCES {
        assert!(why.contains(' ') && !why.ends_with('.'), "{name}");
        let row =
            document.lines().find(|line| line.starts_with("| `") && line.contains(&format!("`{name}`")));
        let row = row.unwrap_or_else(|| panic!("{name} is not in the table of docs/differences.md"));
        let columns: Vec<_> = row.split(" | ").collect();
        assert_eq!(columns[1], original.to_string(), "{row}");
        assert!(columns[2].contains(&status.to_string()), "{row}");
    }
}
