//! Every text of the sign-in pages, in one place: to translate the pages, translate this file.
//!
//! A text is markup: `&` and `<` are written `&amp;` and `&lt;`. `{name}` is replaced by a value or another text.

use crate::http::ErrorCode;

/// The text of this name.
pub(super) fn find(name: &str) -> Option<&'static str> {
    TEXTS.iter().find(|(given, _)| *given == name).map(|(_, text)| *text)
}

/// The name of the text that says what to do about an error.
pub(super) fn of_error(code: Option<ErrorCode>) -> &'static str {
    match code {
        Some(ErrorCode::Unauthorized) => "wrong_password",
        Some(ErrorCode::Throttled) => "throttled",
        Some(ErrorCode::Busy) => "busy",
        Some(ErrorCode::Unavailable) => "unavailable",
        Some(ErrorCode::UsernameTaken) => "username_taken",
        Some(ErrorCode::InvalidUsername) => "invalid_username",
        Some(ErrorCode::InvalidPassword) => "invalid_password",
        Some(ErrorCode::RegistrationClosed) => "registration_closed",
        Some(ErrorCode::Forbidden) => "last_administrator",
        Some(ErrorCode::CrossSite) => "foreign_form",
        Some(ErrorCode::MalformedRequest | ErrorCode::UnsupportedMediaType) => "malformed",
        _ => "failed",
    }
}

const TEXTS: &[(&str, &str)] = &[
    ("lang", "en"),
    // Pages
    ("home", "Accounts"),
    ("home_text", "Sign in once, and use every app that asks this server who you are."),
    ("home_signed_in", "You are signed in as <strong>{name}</strong>."),
    ("home_learn", "How passwords and tokens work, step by step"),
    ("sign_in", "Sign in"),
    ("sign_in_to", "to continue to <strong>{host}</strong>"),
    ("register", "Create an account"),
    ("sign_out", "Sign out"),
    ("set_password", "Set your password"),
    ("forgot_password", "Forgot your password?"),
    ("account", "Your account"),
    ("error", "Error"),
    ("not_possible", "That didn’t work"),
    ("last_administrator", "You are the last administrator. Make another user one first."),
    // Fields and buttons
    ("username", "User name"),
    ("password", "Password"),
    ("current_password", "Current password"),
    ("new_password", "New password"),
    ("shared", "This is a shared computer"),
    ("shared_hint", "You are signed out when the browser closes, and after 12 hours at the latest."),
    ("no_account", "No account yet?"),
    ("has_account", "Have an account already?"),
    ("min_password", "At least {min} characters."),
    ("longer_is_better", "Longer is better: a few words will do."),
    ("continue", "Continue"),
    ("continue_as", "Continue as {name}"),
    ("signed_in_already", "You are signed in as <strong>{name}</strong>."),
    ("other_account", "Use another account"),
    ("back_to_sign_in", "Go to the sign-in page"),
    ("back_to_account", "Back to your account"),
    // One-time links
    ("set_password_text", "Then this browser is signed in, and all other sessions and named tokens end."),
    ("forgot_password_text", "You receive a link with which you set a new one. It works once, for an hour."),
    ("send_link", "Send me a link"),
    (
        "link_requested",
        "If there is such an account, a link is on its way. If none arrives within some minutes, ask the administrator.",
    ),
    ("link_dead", "This link was used, replaced by a newer one, or has expired. Ask for a new one."),
    (
        "link_missing",
        "This page was open for over 15 minutes, or the link was used. Open the link that you received again.",
    ),
    // Signing out
    (
        "sign_out_text",
        "You are signed in as <strong>{name}</strong>. Signing out here signs you out of the apps that use this \
                       sign-in, in this browser.",
    ),
    ("not_signed_in", "You are not signed in."),
    ("framed", "You are not signed in any more. The sign-in page opens outside of this frame."),
    (
        "form_not_sent",
        "Nothing was sent. Sign in on the page that opens, then come back to this one, go back and send the form again.",
    ),
    ("not_signed_out", "You are still signed in: the server couldn’t write to its database. Try again."),
    ("not_ended", "The sign-in is still valid: the server couldn’t write to its database. Try again."),
    // Account
    ("signed_in_as", "Signed in as"),
    ("change_password", "Change the password"),
    ("change_password_text", "All your sessions and named tokens end; this browser stays signed in."),
    ("password_changed", "The password is changed. Everything else was signed out."),
    ("delete_account", "Delete the account"),
    ("delete_account_text", "Sessions and tokens end at once. The account can't be brought back."),
    ("sessions", "Signed-in browsers"),
    ("sessions_text", "If you don’t recognize one, sign it out and change the password."),
    ("this_browser", "This browser"),
    ("unnamed_browser", "Unknown browser"),
    ("tokens", "Named tokens"),
    (
        "tokens_text",
        "For scripts and programs that can’t sign in on a page. Give each its own, so that you can end one alone.",
    ),
    ("no_tokens", "There are none."),
    ("token_name", "Name"),
    ("token_name_hint", "What it is for, such as <em>backup script</em>."),
    ("token_lifetime", "Valid for"),
    ("days", "{number} days"),
    ("make_token", "Make a token"),
    ("token_made", "Copy the token now. It is not shown again."),
    ("the_token", "Your new token"),
    ("end", "End"),
    ("ended", "It is signed out."),
    ("since", "since {from}"),
    ("until_text", "until {until}"),
    ("used_text", "last used {used}"),
    // Errors
    ("wrong_password", "User name or password is wrong. Check both, and the Caps Lock key, and try again."),
    ("throttled", "Too many attempts. Wait {wait}, then try again."),
    ("second", "{number} second"),
    ("seconds", "{number} seconds"),
    ("minutes", "{number} minutes"),
    ("busy", "The server is busy. Nothing was checked or changed: try again in a moment."),
    ("unavailable", "The server can’t use its database now. Try again in a moment."),
    ("failed", "The server failed. Try again; if it happens again, tell the administrator."),
    ("username_taken", "This name, or one that looks the same, is taken. Choose another one."),
    (
        "invalid_username",
        "A user name has 1 to 64 characters, none of them a colon or invisible, and no blanks around it.",
    ),
    (
        "invalid_password",
        "This password can’t be used: it is too short, longer than 1024 bytes, or the user name. {password_hint}",
    ),
    ("invalid_token_name", "Give the token a name of 1 to 64 characters."),
    ("too_many_tokens", "You have as many named tokens as allowed. End one first."),
    ("registration_closed", "Accounts can’t be created here. Ask the administrator for one."),
    ("stale_form", "This form was out of date. Nothing was changed: enter it again."),
    ("malformed", "The server doesn’t understand this request. Open the page again."),
    (
        "foreign_form",
        "Forms of this page are accepted only from {origin}. Your browser sent {sent}. Open {origin} in the \
                      address bar and try again. If it happens there too, the administrator should look for a header that \
                      the proxy changes: Origin, or Referrer-Policy (it must not be no-referrer).",
    ),
    ("sent_origin", "the origin {value}"),
    ("sent_nothing", "no origin"),
    ("sent_site", "a request of another site ({value})"),
    ("signed_out_meanwhile", "You have been signed out. Sign in again; nothing was changed."),
    (
        "two_cookies",
        "Your browser sent more than one valid sign-in cookie, so none is accepted. Delete the cookies of \
                     {host} in the browser’s settings, then sign in again.",
    ),
    (
        "refused_cookie",
        "You are signed in, but your browser didn’t keep the cookie for {domain}. It may block cookies, or \
                        treat {domain} as a public suffix, for which it keeps none. Allow cookies for {domain}; if that \
                        doesn’t help, ask the administrator.",
    ),
    (
        "basic_held",
        "This browser also sends a name and a password by itself, from an earlier HTTP sign-in. Signing out here \
                    doesn’t end that: close all windows of the browser.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const TEMPLATES: [&str; 12] = [
        include_str!("html/frame.html"),
        include_str!("html/login.html"),
        include_str!("html/continue.html"),
        include_str!("html/logout.html"),
        include_str!("html/register.html"),
        include_str!("html/set_password.html"),
        include_str!("html/account.html"),
        include_str!("html/home.html"),
        include_str!("html/message.html"),
        include_str!("html/token.html"),
        include_str!("html/row.html"),
        include_str!("html/end.html"),
    ];

    #[test]
    fn templates_have_no_texts_of_their_own() {
        for template in TEMPLATES {
            let (mut outside, mut depth) = (String::new(), 0);
            for c in template.chars() {
                depth += i32::from(matches!(c, '<' | '{'));
                if depth == 0 {
                    outside.push(c);
                }
                depth -= i32::from(matches!(c, '>' | '}'));
            }
            let outside: String = outside.replace('·', "").split_whitespace().collect();
            assert_eq!(outside, "", "{template}");
        }
    }

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = TEXTS.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), TEXTS.len());
    }
}
