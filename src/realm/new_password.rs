//! Validation of new passwords.

use super::state::Realm;
use crate::password;
use crate::secret::Secret;
use crate::unicode;

/// Why a text is not a valid new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Fewer characters than the policy requires.
    #[error("{}", too_short(*min_chars))]
    TooShort {
        /// The minimum.
        min_chars: usize,
    },
    /// More than 1024 bytes of UTF-8, as sent or in the form that is hashed.
    #[error("the password is over {} bytes of UTF-8 long", password::LENGTH.end())]
    TooLong,
    /// It ends in a NUL, which the hash ignores (see [`password::verify`]).
    #[error("the password ends in a NUL character, expected another end")]
    Nul,
    /// It is the user's name.
    #[error("the password is the user name, expected another one")]
    IsTheName,
}

fn too_short(min_chars: usize) -> String {
    match min_chars {
        1 => "the password is empty, expected at least 1 character".into(),
        _ => format!("the password is too short, expected at least {min_chars} characters"),
    }
}

impl Realm {
    /// Validates a new password by the rules that don't depend on the user.
    ///
    /// # Errors
    /// [`PasswordError`], but not [`PasswordError::IsTheName`].
    pub fn check_new_password(&self, password: &Secret) -> Result<(), PasswordError> {
        let sent = password.expose();
        // Normalization can make it longer or shorter.
        let normalized = unicode::opaque_string(password);
        let text = normalized.as_ref().map_or(sent, Secret::expose);
        let min_chars = self.policy.min_password_chars.max(1);
        if sent.len().max(text.len()) > *password::LENGTH.end() {
            Err(PasswordError::TooLong)
        } else if text.chars().count() < min_chars {
            Err(PasswordError::TooShort { min_chars })
        } else if text.ends_with('\0') {
            Err(PasswordError::Nul)
        } else {
            Ok(())
        }
    }
}

/// Checks that the password differs from the username, both normalized.
pub(super) fn check_differs(username: &str, password: &Secret) -> Result<(), PasswordError> {
    let normalized = unicode::opaque_string(password);
    let password = normalized.as_ref().unwrap_or(password);
    let username = Secret::new(unicode::nfc(username));
    let normalized_name = unicode::opaque_string(&username);
    let is_the_name = normalized_name.as_ref().unwrap_or(&username).expose() == password.expose();
    if is_the_name { Err(PasswordError::IsTheName) } else { Ok(()) }
}
