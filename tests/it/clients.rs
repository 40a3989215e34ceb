//! Real clients, curl and Python's requests, with names and passwords that are not ASCII words.

use crate::process::{Server, written};
use crate::python::{self, Venv};
use crate::skip;
use gatekey::json::{self, json};
use std::process::Command;

/// Names and passwords with everything that quoting, escaping and encoding go wrong on.
const PEOPLE: [(&str, &str); 6] = [
    ("ok", "python"),
    ("josé", "pässwörd"),
    ("o'brien \"bob\"", "p:a:s:s \\ 'quoted' \"twice\""),
    ("🔑", "🐍 und ☃"),
    ("東京", " both ends "),
    ("100%", "%3A&=+#?/"),
];

const REQUESTS: &str = "
import json, sys, requests
question = json.load(sys.stdin)
url, answers = question['url'], []
def as_latin_1(text):
    try:
        return text.encode('latin-1') and True
    except UnicodeEncodeError:
        return False
for name, password in question['people']:
    made = requests.post(url + '/api/users', json={'username': name, 'password': password})
    utf8 = (name.encode(), password.encode())
    answer = {'registered': made.status_code, 'location': made.headers['Location'],
              'as bytes': requests.get(url + '/api/resource', auth=utf8).json()['data'],
              'wrong': requests.get(url + '/api/resource', auth=(utf8[0], b'ruby')).status_code}
    # requests sends a str as ISO-8859-1, and refuses to send one that isn't.
    if as_latin_1(name + password):
        answer['as text'] = requests.get(url + '/api/resource', auth=(name, password)).json()['data']
    token = requests.get(url + '/api/token', auth=utf8).json()['token']
    answer['token'] = requests.get(url + '/api/resource', auth=(token, 'unused')).json()['data']
    bearer = {'Authorization': 'Bearer ' + token}
    answer['bearer'] = requests.get(url + '/api/resource', headers=bearer).json()['data']
    answers.append(answer)
json.dump({'answers': answers}, sys.stdout)
";

#[test]
fn requests_walks_through_with_any_name_and_password() {
    let server = Server::start(&[]);
    let question = json!({"url": server.url(""), "people": PEOPLE.map(|(name, password)| [name, password])});
    let test = "requests_walks_through_with_any_name_and_password";
    let Some(output) = python::run(Venv::Current, test, REQUESTS, &question.to_string()) else { return };
    let answers = &json::parse_object(output.as_bytes()).unwrap()["answers"];
    for (id, (name, password)) in PEOPLE.iter().enumerate() {
        let hello = format!("Hello, {name}!");
        let mut expected = json!({
            "registered": 201,
            "location": server.url(&format!("/api/users/{}", id + 1)),
            "as bytes": hello,
            "wrong": 401,
            "token": hello,
            "bearer": hello,
        });
        if [name, password].iter().all(|text| text.chars().all(|c| u32::from(c) < 256)) {
            expected["as text"] = json!(hello);
        }
        assert_eq!(answers[id], expected);
    }
}

#[test]
fn curl_walks_through_with_any_name_and_password() {
    const JSON: &str = "Content-Type: application/json";
    let test = "curl_walks_through_with_any_name_and_password";
    if Command::new("curl").arg("--version").output().is_err() {
        return skip::skip(test, "there is no curl; install it: apt-get install curl");
    }
    let server = Server::start(&[]);
    let curl = |arguments: &[&str]| {
        let (code, out, _) = written(&Command::new("curl").arg("--silent").args(arguments).output().unwrap());
        assert_eq!(code, Some(0), "{arguments:?}");
        out
    };
    for (id, (name, password)) in (1..).zip(PEOPLE) {
        let body = json!({"username": name, "password": password}).to_string();
        let registered = curl(&["--header", JSON, "--data", &body, &server.url("/api/users")]);
        assert_eq!(registered, json!({"id": id, "username": name}).to_string());
        let credentials = format!("{name}:{password}");
        let resource = server.url("/api/resource");
        let hello = json!({"data": format!("Hello, {name}!")}).to_string();
        assert_eq!(curl(&["--user", &credentials, &resource]), hello);
        let issued = curl(&["--user", &credentials, &server.url("/api/token")]);
        let issued = json::parse_object(issued.as_bytes()).unwrap();
        let token = issued["token"].as_str().unwrap();
        assert_eq!(curl(&["--user", &format!("{token}:unused"), &resource]), hello);
        assert_eq!(curl(&["--oauth2-bearer", token, &resource]), hello);
    }
}
