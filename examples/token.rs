//! Tokens alone: no users, no passwords, no HTTP, and of gatekey's dependencies four.
//!
//! `cargo run --example token --no-default-features`

use core::error::Error;
use core::time::Duration;
use gatekey::clock::UnixTime;
use gatekey::signer::{KeyRing, SigningKey};
use gatekey::token::{self, Claims};
use gatekey::user_id::{Generation, UserId};

const MONTH: Duration = Duration::from_secs(30 * 86_400);

#[allow(clippy::print_stdout, reason = "an example shows what it does")]
fn main() -> Result<(), Box<dyn Error>> {
    // Two secrets, the newest last: it signs, and both verify.
    let ring = KeyRing::parse(b"the secret of last year, 32 bytes\nthe secret of this year, 32 bytes\n")?;
    let now = UnixTime::new(1_795_413_227).ok_or("beyond the end of time")?;

    let claims = Claims {
        id: UserId::new(1).ok_or("ids begin at 1")?,
        generation: Generation::FIRST,
        issued_at: now,
        expires_at: now.saturating_add(Duration::from_secs(600)),
        auth_time: now,
    };
    let token = token::issue(&claims, &ring);
    println!("issued:   {token}");
    println!("verified: {:?}", token::verify(&token, &ring, now, MONTH)?);

    let ten_minutes_later = claims.expires_at;
    if let Err(error) = token::verify(&token, &ring, ten_minutes_later, MONTH) {
        println!("expired:  {error}");
    }

    let stranger = KeyRing::from_key(SigningKey::new(b"somebody else's secret, 32 bytes.")?);
    if let Err(error) = token::verify(&token, &stranger, now, MONTH) {
        println!("forged:   {error}");
    }
    Ok(())
}
