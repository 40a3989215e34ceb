//! A program with users of its own: it guards its route with a realm, on its own tiny_http server.
//!
//! `cargo run --example embed` starts it, asks it three times as a client would, and ends.

use gatekey::client::Client;
use gatekey::clock;
use gatekey::credentials::{self, Scheme};
use gatekey::data_dir::DataDir;
use gatekey::encoding::encode_base64;
use gatekey::hashing::Hasher;
use gatekey::password::Cost;
use gatekey::realm::{Policy, Principal, Realm};
use gatekey::secret::Secret;
use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;

#[allow(clippy::print_stdout, reason = "an example shows what it does")]
fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let directory = tempfile::tempdir()?; // yours is where your data lies
    let realm = open_realm(&directory)?;
    realm.add_user("ok", &Secret::new("python".into()), clock::now().unix)?;

    let server = tiny_http::Server::http("127.0.0.1:0")?;
    let address = server.server_addr().to_ip().ok_or("not an IP address")?;
    thread::spawn(move || {
        for request in server.incoming_requests() {
            let response = answer(&realm, &request);
            let _ = request.respond(response); // a client that left needs no answer
        }
    });

    println!("without credentials:   {}", ask(address, None)?);
    println!("with a wrong password: {}", ask(address, Some("ok:ruby"))?);
    println!("with the right one:    {}", ask(address, Some("ok:python"))?);
    Ok(())
}

/// The parts of a realm: where its data lies, what a password costs, what its rules are.
fn open_realm(directory: &tempfile::TempDir) -> Result<Realm, Box<dyn Error + Send + Sync>> {
    let (store, keys) = DataDir::new(directory.path()).open_or_create()?;
    let hasher = Hasher::new(Cost::DEFAULT, Hasher::DEFAULT_MAX_MEMORY_BYTES)?;
    Ok(Realm::open(store, keys, hasher, Policy::default(), clock::now())?)
}

/// The program's own route, for users only.
fn answer(realm: &Realm, request: &tiny_http::Request) -> tiny_http::Response<std::io::Cursor<Vec<u8>>> {
    match authenticate(realm, request) {
        Ok(principal) => tiny_http::Response::from_string(format!("{}'s secret recipe", principal.username)),
        Err(scheme) => {
            let challenge = tiny_http::Header::from_bytes("WWW-Authenticate", scheme.challenge());
            let refused = tiny_http::Response::from_string("Unauthorized Access").with_status_code(401);
            challenge.into_iter().fold(refused, tiny_http::Response::with_header)
        }
    }
}

/// Who sent this? Passwords and tokens are both welcome. Otherwise: the scheme to ask by.
fn authenticate(realm: &Realm, request: &tiny_http::Request) -> Result<Principal, Scheme> {
    let mut fields = request.headers().iter().filter(|field| field.field.equiv("Authorization"));
    let field = match (fields.next(), fields.next()) {
        (Some(field), None) => field.value.as_bytes(),
        _ => return Err(Scheme::Basic),
    };
    let (scheme, credentials) = credentials::parse(field);
    let credentials = credentials.map_err(|_| scheme)?;
    let client = request.remote_addr().map_or(Client::Local, |address| Client::at(address.ip()));
    realm.authenticate(&credentials, client, clock::now()).map_err(|_| scheme)
}

/// Plays the client: status line and body of the answer.
fn ask(address: SocketAddr, user_and_password: Option<&str>) -> Result<String, Box<dyn Error + Send + Sync>> {
    let authorization = user_and_password.map_or(String::new(), |pair| {
        let base64 = encode_base64(pair);
        format!("Authorization: Basic {base64}\r\n")
    });
    let mut connection = TcpStream::connect(address)?;
    write!(
        connection,
        "GET /recipe HTTP/1.1\r\nHost: {address}\r\n{authorization}Connection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no end of head")?;
    Ok(format!("{}: {body}", head.lines().next().unwrap_or_default()))
}
