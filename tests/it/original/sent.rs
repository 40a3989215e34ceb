//! The requests to the original, by the names in the recording, which has method and path.

use super::Exchange;
use crate::harness::{TestRealm, basic};
use gatekey::encoding;
use gatekey::http::{Body, Request};
use gatekey::signer::{KeyRing, SigningKey};

/// What a request has beyond its method and path.
pub enum Sent {
    /// Nothing.
    Bare,
    /// A body of `application/json`.
    Json(&'static str),
    /// A body of that media type, or of none.
    Typed(Option<&'static str>, &'static str),
    /// A name and a password in Basic.
    Basic(&'static str, &'static str),
    /// This value of `Authorization`.
    Raw(&'static str),
    /// A token in the place of a name, as the article has it.
    Token(fn(&TestRealm) -> String),
}
use Sent::{Bare, Basic, Json, Raw, Token, Typed};

/// In the recording's order, since each exchange builds on those before.
#[rustfmt::skip]
pub const SENT: &[(&str, Sent)] = &[
    ("register ok", Json(r#"{"username":"miguel","password":"python"}"#)),
    ("register dup", Json(r#"{"username":"miguel","password":"python"}"#)),
    ("register dup (case differs)", Json(r#"{"username":"Miguel","password":"python"}"#)),
    ("missing password", Json(r#"{"username":"nopw"}"#)),
    ("password null", Json(r#"{"username":"nopw","password":null}"#)),
    ("empty object", Json("{}")),
    ("malformed json", Json(r#"{"username":"#)),
    ("empty body with json ctype", Json("")),
    ("no ctype", Typed(None, r#"{"username":"noct","password":"python"}"#)),
    ("form ctype", Typed(Some("application/x-www-form-urlencoded"), "username=form&password=python")),
    ("ctype json+charset", Typed(Some("application/json; charset=utf-8"), r#"{"username":"cs","password":"python"}"#)),
    ("ctype vnd+json", Typed(Some("application/vnd.api+json"), r#"{"username":"vnd","password":"python"}"#)),
    ("json array", Json(r#"["username","password"]"#)),
    ("json string", Json(r#""username""#)),
    ("json null", Json("null")),
    ("numeric username", Json(r#"{"username":5,"password":"python"}"#)),
    ("bool username", Json(r#"{"username":true,"password":"python"}"#)),
    ("list username", Json(r#"{"username":["a"],"password":"python"}"#)),
    ("numeric password", Json(r#"{"username":"numpw","password":5}"#)),
    ("empty strings", Json(r#"{"username":"","password":""}"#)),
    ("no auth, but user \"\"/\"\" exists!", Bare),
    ("33+ char username", Json(r#"{"username":"uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu","password":"python"}"#)),
    ("unicode username", Json(r#"{"username":"josé☃","password":"python"}"#)),
    ("unicode basic", Basic("josé☃", "python")),
    ("html username", Json(r#"{"username":"<b>&'\"/","password":"python"}"#)),
    ("username with colon", Json(r#"{"username":"a:b","password":"python"}"#)),
    ("login username with colon", Basic("a:b", "python")),
    ("extra fields", Json(r#"{"username":"extra","password":"python","id":77,"admin":true}"#)),
    ("dup key json", Json(r#"{"username":"k1","username":"k2","password":"python"}"#)),
    ("get user 1", Bare),
    ("get missing", Bare),
    ("get user 0", Bare),
    ("get user 01", Bare),
    ("get neg", Bare),
    ("get nonint", Bare),
    ("get huge int", Bare),
    ("HEAD user", Bare),
    ("GET /api/users", Bare),
    ("POST /api/users/", Json(r#"{"username":"slash","password":"python"}"#)),
    ("PUT user", Bare),
    ("OPTIONS users", Bare),
    ("OPTIONS user", Bare),
    ("OPTIONS token", Bare),
    ("404", Bare),
    ("token ok", Basic("miguel", "python")),
    ("token POST", Basic("miguel", "python")),
    ("resource ok", Basic("miguel", "python")),
    ("resource bad pw", Basic("miguel", "ruby")),
    ("resource unknown user", Basic("absent", "python")),
    ("empty user+pw", Basic("", "")),
    ("Bearer scheme", Raw("Bearer abc")),
    ("basic lowercase", Raw("basic bWlndWVsOnB5dGhvbg==")),
    ("BASIC upper", Raw("BASIC bWlndWVsOnB5dGhvbg==")),
    ("basic two spaces", Raw("Basic  bWlndWVsOnB5dGhvbg==")),
    ("basic no pad", Raw("Basic bWlndWVsOnB5dGhvbg")),
    ("basic no colon", Raw("Basic bWlndWVs")),
    ("basic garbage b64", Raw("Basic !!!!")),
    ("basic only", Raw("Basic")),
    ("basic invalid utf8", Raw("Basic //46eA==")), // FF FE, a colon, x
    ("POST resource", Basic("miguel", "python")),
    ("html user resource", Basic("<b>&'\"/", "python")),
    ("resource by token", Token(|realm| realm.token("miguel", "python"))),
    ("token by token (renew)", Token(|realm| realm.token("miguel", "python"))),
    ("token expired", Token(|realm| signed(&realm.realm.ring(), &token_header(realm, -1), r#"{"id":1,"gen":1}"#))),
    ("token id missing user", Token(|realm| good_but_for_payload(realm, r#"{"id":999,"gen":1}"#))),
    ("token without id", Token(|realm| good_but_for_payload(realm, r#"{"gen":1}"#))),
    ("token payload number", Token(|realm| good_but_for_payload(realm, "5"))),
    ("token id string", Token(|realm| good_but_for_payload(realm, r#"{"id":"1","gen":1}"#))),
    ("token wrong key", Token(|realm| {
        let other = KeyRing::from_key(SigningKey::new(b"not the key that signs here.....").unwrap());
        signed(&other, &token_header(realm, 600), r#"{"id":1,"gen":1}"#)
    })),
];

/// The request of this exchange, as Flask's test client would have sent it.
pub fn request(realm: &TestRealm, exchange: &Exchange) -> Request {
    let (_, sent) = SENT.iter().find(|(name, _)| *name == exchange.name).expect("a row for each exchange");
    let request = Request::new(exchange.method, exchange.path).with_header("Host", "localhost");
    let with_body = |text: &str| request.clone().with_body(Body::Complete(text.into()));
    match sent {
        Bare => request,
        Json(body) => with_body(body).with_header("Content-Type", "application/json"),
        Typed(None, body) => with_body(body),
        Typed(Some(media_type), body) => with_body(body).with_header("Content-Type", media_type),
        Basic(username, password) => request.with_header("Authorization", basic(username, password)),
        Raw(authorization) => request.with_header("Authorization", authorization),
        Token(token) => request.with_header("Authorization", basic(&token(realm), "unused")),
    }
}

/// A token's header as the original wrote it, for a token that expires so many seconds from now.
pub fn token_header(realm: &TestRealm, lifetime: i64) -> String {
    let now = i64::try_from(realm.unix().seconds()).unwrap();
    format!(r#"{{"alg":"HS256","iat":{now},"exp":{}}}"#, now + lifetime)
}

/// A token of these two texts, signed.
pub fn signed(ring: &KeyRing, header: &str, payload: &str) -> String {
    let input = format!("{}.{}", encoding::encode_base64url(header), encoding::encode_base64url(payload));
    let signature = encoding::encode_base64url(ring.sign(input.as_bytes()));
    format!("{input}.{signature}")
}

/// A token with the realm's signature and time to live; its payload is what is wrong with it, if anything is.
pub fn good_but_for_payload(realm: &TestRealm, payload: &str) -> String {
    signed(&realm.realm.ring(), &token_header(realm, 600), payload)
}
