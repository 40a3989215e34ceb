//! The peer of gatekey's token check: the same route with axum, jsonwebtoken and rusqlite.
//!
//!     axum-check DIRECTORY
//!
//! It makes a database with 1,000 users in the directory and prints its port and a token of user 1. `GET /api/resource`
//! verifies the token (HS256, `exp`) and reads the user's row, so that a revocation holds from the next request on: by
//! `prepare_cached` on a connection per thread, inline. `GET /json` is axum's bare JSON.

use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::get;
use axum::{Json, Router};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

const SECRET: &[u8] = b"a secret of 32 bytes for HS256..";
const USERS: u32 = 1_000;

static DATABASE: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = std::env::args_os().nth(1).expect("a directory");
    PathBuf::from(directory).join("users.sqlite3")
});
static KEY: LazyLock<DecodingKey> = LazyLock::new(|| DecodingKey::from_secret(SECRET));
static VALIDATION: LazyLock<Validation> = LazyLock::new(|| Validation::new(Algorithm::HS256));

thread_local! {
    static CONNECTION: RefCell<Connection> = RefCell::new({
        let connection = Connection::open_with_flags(&*DATABASE, OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_NO_MUTEX);
        connection.expect("a database")
    });
}

/// Gatekey's claims.
#[derive(Serialize, Deserialize)]
struct Claims {
    id: i64,
    r#gen: i64,
    iat: u64,
    exp: u64,
}

#[derive(Serialize)]
struct Greeting {
    data: String,
}

async fn resource(headers: HeaderMap) -> Result<Json<Greeting>, StatusCode> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token =
        authorization.and_then(|value| value.strip_prefix("Bearer ")).ok_or(StatusCode::UNAUTHORIZED)?;
    let claims = jsonwebtoken::decode::<Claims>(token, &KEY, &VALIDATION);
    let claims = claims.map_err(|_| StatusCode::UNAUTHORIZED)?.claims;
    let name = find_user(&claims).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let name = name.ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(Json(Greeting { data: format!("Hello, {name}!") }))
}

/// The name of the token's user; `None` if the user is gone or disabled, or the token revoked.
fn find_user(claims: &Claims) -> rusqlite::Result<Option<String>> {
    CONNECTION.with_borrow(|connection| {
        let mut statement =
            connection.prepare_cached("SELECT username, generation, disabled FROM users WHERE id = ?1")?;
        let mut rows = statement.query([claims.id])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let is_valid = row.get::<_, i64>(1)? == claims.r#gen && !row.get::<_, bool>(2)?;
        if is_valid { row.get(0).map(Some) } else { Ok(None) }
    })
}

async fn json() -> Json<Greeting> {
    Json(Greeting { data: "Hello, user1!".into() })
}

fn make_database() -> rusqlite::Result<()> {
    let mut connection = Connection::open(&*DATABASE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.execute_batch(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT NOT NULL UNIQUE, password_hash TEXT NOT NULL, \
         generation INTEGER NOT NULL, disabled INTEGER NOT NULL) STRICT",
    )?;
    let transaction = connection.transaction()?;
    for id in 1..=USERS {
        let row = (id, format!("user{id}"), "$scrypt$".repeat(12));
        transaction.execute("INSERT INTO users VALUES (?1, ?2, ?3, 1, 0)", row)?;
    }
    transaction.commit()
}

#[tokio::main]
async fn main() {
    make_database().expect("a new database");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
    let claims = Claims { id: 1, r#gen: 1, iat: now, exp: now + 3_600 };
    let token = jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    println!("{port} {}", token.expect("a token"));
    let routes = Router::new().route("/api/resource", get(resource)).route("/json", get(json));
    axum::serve(listener, routes).await.expect("a server");
}
