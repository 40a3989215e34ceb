//! Uses every feature of a tier once: `make small` builds it with each set of features and measures size and memory.
//!
//! `cargo run --example tier --no-default-features --features store </dev/null`

use std::error::Error;
use std::io::{self, Read as _};

type Outcome = Result<String, Box<dyn Error + Send + Sync>>;

#[allow(clippy::print_stdout, reason = "the measuring script waits for this line")]
fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    println!("{}", work()?);
    // Runs until standard input ends, so that its memory can be measured.
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// No feature, or `std`: a token is issued and verified.
#[cfg(not(feature = "password"))]
fn work() -> Outcome {
    use core::time::Duration;
    use gatekey::clock::UnixTime;
    use gatekey::signer::{KeyRing, SigningKey};
    use gatekey::token::{self, Claims};
    use gatekey::user_id::{Generation, UserId};
    let ring = KeyRing::from_key(SigningKey::new(b"a secret of thirty-two bytes ...")?);
    let now = UnixTime::new(1_795_413_227).ok_or("beyond the end of time")?;
    let claims = Claims {
        id: UserId::new(1).ok_or("ids begin at 1")?,
        generation: Generation::FIRST,
        issued_at: now,
        expires_at: now.saturating_add(Duration::from_secs(600)),
        auth_time: now,
    };
    let token = token::issue(&claims, &ring);
    Ok(format!("{:?}", token::verify(&token, &ring, now, Duration::from_secs(600))?))
}

/// The cost for small places: 8 MiB.
#[cfg(feature = "password")]
const COST: &str = "ln=13,r=8,p=10";

/// `password`: a password is hashed, and verified against a hash of any kind that the features know.
#[cfg(all(feature = "password", not(feature = "store")))]
fn work() -> Outcome {
    use gatekey::password::{self, AnyHash};
    use gatekey::secret::Secret;
    let password = Secret::new("correct horse".into());
    let stored = password::hash(&password, COST.parse()?)?.to_string();
    let stored: AnyHash = std::env::args().nth(1).unwrap_or(stored).parse()?;
    Ok(format!("right: {}", stored.verify(&password)))
}

/// `store`: a realm with one user, who shows the password and then a token.
#[cfg(feature = "store")]
fn open_realm() -> Result<(gatekey::realm::Realm, tempfile::TempDir), Box<dyn Error + Send + Sync>> {
    use gatekey::clock;
    use gatekey::data_dir::DataDir;
    use gatekey::hashing::Hasher;
    use gatekey::realm::{Policy, Realm};
    use gatekey::secret::Secret;
    let directory = tempfile::tempdir()?;
    let (store, keys) = DataDir::new(directory.path()).open_or_create()?;
    let hasher = Hasher::new(COST.parse()?, Hasher::DEFAULT_MAX_MEMORY_BYTES)?;
    let realm = Realm::open(store, keys, hasher.with_slots(Some(1), 8), Policy::default(), clock::now())?;
    realm.add_user("ok", &Secret::new("correct horse".into()), clock::now().unix)?;
    Ok((realm, directory))
}

#[cfg(all(feature = "store", not(feature = "routes")))]
fn work() -> Outcome {
    use gatekey::client::Client;
    use gatekey::clock;
    use gatekey::credentials::Credentials;
    use gatekey::secret::Secret;
    let (realm, _directory) = open_realm()?;
    let password = Secret::new("correct horse".into());
    let credentials = Credentials::Password { username: "ok".into(), password };
    let refused = |refusal| format!("{refusal:?}");
    let principal = realm.authenticate(&credentials, Client::Local, clock::now()).map_err(refused)?;
    let token = realm.issue_token(&principal, clock::now()).map_err(|over| format!("{over:?}"))?.token;
    let credentials = Credentials::Token(Secret::new(token));
    let principal = realm.authenticate(&credentials, Client::Local, clock::now()).map_err(refused)?;
    Ok(String::clone(&principal.username))
}

/// `routes`: the same by a request on plain values.
#[cfg(all(feature = "routes", not(any(feature = "tiny-http", feature = "strict"))))]
fn work() -> Outcome {
    use gatekey::clock;
    use gatekey::http::Request;
    use gatekey::routes::{self, Config};
    let (realm, _directory) = open_realm()?;
    let request =
        Request::new("GET", "/api/token").with_header("Authorization", "Basic b2s6Y29ycmVjdCBob3JzZQ==");
    let response = routes::dispatch(&realm, &Config::default(), &request, clock::now());
    Ok(String::from_utf8(response.body)?)
}

/// `tiny-http` or `strict`: the same over a socket. The loop goes on until the process ends.
#[cfg(any(feature = "tiny-http", feature = "strict"))]
fn work() -> Outcome {
    use gatekey::clock;
    use gatekey::http::{Request, Response};
    use gatekey::routes::{self, Config};
    use gatekey::server::Shutdown;
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;
    use std::thread;
    let (realm, _directory) = open_realm()?;
    let handler = move |request: &Request| -> Response {
        routes::dispatch(&realm, &Config::default(), request, clock::now())
    };
    let (listener, shutdown) = (TcpListener::bind("127.0.0.1:0")?, Arc::new(Shutdown::default()));
    let address = listener.local_addr()?;
    thread::spawn(move || {
        #[cfg(feature = "strict")]
        let served = {
            use gatekey::server::engine::{self, Endpoint};
            use gatekey::server::heartbeats::Heartbeats;
            let heartbeats = Heartbeats::new(clock::monotonic());
            engine::run(vec![Endpoint::new(listener, handler)], None, &heartbeats, &shutdown)
        };
        #[cfg(not(feature = "strict"))]
        let served = {
            use gatekey::server::{Handler, tiny};
            let handler: Arc<Handler> = Arc::new(handler);
            tiny::run(listener, &handler, &shutdown)
        };
        drop(served); // the client will see
    });
    let mut connection = TcpStream::connect(address)?;
    connection.write_all(
        b"GET /api/token HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
          Authorization: Basic b2s6Y29ycmVjdCBob3JzZQ==\r\n\r\n",
    )?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer.lines().last().unwrap_or_default().into())
}
