//! What may be a new password, whoever gets it.

use super::Realm;
use crate::password;
use crate::secret::Secret;
use core::error::Error;
use core::fmt;

/// Why a text can't be a new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordError {
    /// Fewer characters than the policy asks for.
    TooShort {
        /// The least number.
        min_chars: usize,
    },
    /// More than 1024 bytes of UTF-8.
    TooLong,
    /// It ends in a NUL, which makes no difference to the hash: [`password::verify`] says why.
    Nul,
    /// It is the user's name.
    IsTheName,
}

impl Realm {
    /// Whether this may be a new password, as far as that doesn't depend on whose.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub fn check_new_password(&self, password: &Secret) -> Result<(), PasswordError> {
        let text = password.expose();
        let min_chars = self.policy.min_password_chars.max(1);
        if text.len() > *password::LENGTH.end() {
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

pub(super) fn check_differs(username: &str, password: &Secret) -> Result<(), PasswordError> {
    if username == password.expose() { Err(PasswordError::IsTheName) } else { Ok(()) }
}

impl fmt::Display for PasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { min_chars: 1 } => {
                f.write_str("the password is empty, expected at least 1 character")
            }
            Self::TooShort { min_chars } => {
                write!(f, "the password is too short, expected at least {min_chars} characters")
            }
            Self::TooLong => write!(f, "the password is over {} bytes of UTF-8 long", password::LENGTH.end()),
            Self::Nul => f.write_str("the password ends in a NUL character, expected another end"),
            Self::IsTheName => f.write_str("the password is the user name, expected another one"),
        }
    }
}

impl Error for PasswordError {}
