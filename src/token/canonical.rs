//! Claims of a token, and their canonical form as header and payload: encoder, and a fast parser for it.

use crate::clock::UnixTime;
use crate::session_id::SessionId;
use crate::user_id::{Generation, UserId};
use alloc::format;
use alloc::string::String;

/// Claims of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The user.
    pub id: UserId,
    /// The user's generation when it was issued.
    pub generation: Generation,
    /// Time of issue.
    pub issued_at: UnixTime,
    /// The first second at which it is expired. If only the header has `exp` (the article's tokens): the last
    /// valid second.
    pub expires_at: UnixTime,
    /// The last password check. Renewal keeps it, which bounds a chain of renewals.
    pub auth_time: UnixTime,
}

/// Length of a session id in a payload.
const ENCODED_SESSION: usize = 22;

pub(super) fn encode(claims: &Claims, session: Option<SessionId>) -> (String, String) {
    let Claims { id, generation, issued_at, expires_at, auth_time } = claims;
    let (iat, exp) = (issued_at.seconds(), expires_at.seconds());
    let header = format!(r#"{{"alg":"HS256","iat":{iat},"exp":{exp}}}"#);
    let sid = session.map(|session| format!(r#","sid":"{session}""#)).unwrap_or_default();
    let auth_time = match auth_time.seconds() {
        _ if auth_time == issued_at => String::new(),
        auth_time => format!(r#","auth_time":{auth_time}"#),
    };
    let payload = format!(r#"{{"id":{id},"gen":{generation}{sid},"iat":{iat},"exp":{exp}{auth_time}}}"#);
    (header, payload)
}

/// Parses the exact form of [`encode`]; `None` for every other, which the JSON parser handles. Fast and
/// without allocation, since nearly every token has this form.
pub(super) fn parse(header: &[u8], payload: &[u8]) -> Option<(Claims, Option<SessionId>)> {
    let times = header.strip_prefix(br#"{"alg":"HS256","#)?.strip_suffix(b"}")?;
    let (iat, rest) = number_after(br#""iat":"#, times)?;
    let (exp, rest) = number_after(br#","exp":"#, rest)?;
    let (id, claims) = number_after(br#"{"id":"#, payload)?;
    let (generation, claims) = number_after(br#","gen":"#, claims)?;
    let (session, claims) = match claims.strip_prefix(br#","sid":""#) {
        Some(claims) => {
            let (session, claims) = claims.split_at_checked(ENCODED_SESSION)?;
            (Some(SessionId::parse(core::str::from_utf8(session).ok()?)?), claims.strip_prefix(b"\"")?)
        }
        None => (None, claims),
    };
    let claims = claims.strip_prefix(b",")?.strip_prefix(times)?;
    let (auth_time, end) = number_after(br#","auth_time":"#, claims).unwrap_or((iat, claims));
    if !rest.is_empty() || end != b"}" || auth_time > iat {
        return None;
    }
    let claims = Claims {
        id: i64::try_from(id).ok().and_then(UserId::new)?,
        generation: Generation::new(generation)?,
        issued_at: UnixTime::new(iat)?,
        expires_at: UnixTime::new(exp)?,
        auth_time: UnixTime::new(auth_time)?,
    };
    Some((claims, session))
}

/// The canonical number after this name, and the rest.
fn number_after<'a>(name: &[u8], text: &'a [u8]) -> Option<(u64, &'a [u8])> {
    let text = text.strip_prefix(name)?;
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let is_plain = digits.len() == 1 || !digits.starts_with(b"0");
    let number = core::str::from_utf8(digits).ok()?.parse().ok();
    number.filter(|_| is_plain).map(|number| (number, rest))
}
