//! Removes the secrets of a URL from messages about it.

use std::{cmp::Reverse, fmt};

use secrecy::{ExposeSecret as _, SecretString};

/// What replaces a secret.
const REMOVED: &str = "…";

/// Parameters that say where the database is, who connects, and which files are read. Messages need
/// them to be of any use, and none is a secret.
const PUBLIC: [&str; 10] = [
    "dbname",
    "host",
    "hostaddr",
    "passfile",
    "port",
    "sslcert",
    "sslcrl",
    "sslkey",
    "sslrootcert",
    "user",
];

/// Parts of parameter names whose values are secrets wherever they appear.
const SECRET_NAMES: [&str; 4] = ["pass", "scram", "secret", "token"];

/// Removes the secrets of a URL from messages about it. libpq quotes parts of the URL: the value
/// that it can't use, and the name of a parameter that it doesn't know. In a URL whose password is
/// not encoded, such a name may be a part of the password.
#[derive(Clone, Default)]
pub(crate) struct Redaction {
    secrets: Vec<SecretString>,
    /// Removed only in quotes, as libpq writes them: many are as short as `1`.
    quoted: Vec<SecretString>,
}

impl Redaction {
    /// Adds a secret, percent-encoded as in the URL.
    pub(crate) fn add_secret(&mut self, encoded: &str) {
        add(&mut self.secrets, encoded);
    }

    /// Adds a parameter, percent-encoded as in the URL.
    pub(crate) fn add_parameter(&mut self, name: &str, value: &str) {
        let decoded = decode(name).to_ascii_lowercase();
        if PUBLIC.contains(&decoded.as_str()) {
            return;
        }
        add(&mut self.quoted, name);
        if SECRET_NAMES.iter().any(|part| decoded.contains(part)) {
            add(&mut self.secrets, value);
        } else {
            add(&mut self.quoted, value);
        }
    }

    /// Returns the message with an ellipsis in place of each secret.
    pub(crate) fn apply(&self, message: &str) -> String {
        let mut message = message.to_owned();
        for text in &self.quoted {
            let quoted = format!("\"{}\"", text.expose_secret());
            message = message.replace(&quoted, &format!("\"{REMOVED}\""));
        }
        for secret in &self.secrets {
            message = message.replace(secret.expose_secret(), REMOVED);
        }
        message
    }
}

/// Adds a text as it stands in the URL, and as libpq decodes it.
fn add(texts: &mut Vec<SecretString>, encoded: &str) {
    for text in [encoded.to_owned(), decode(encoded)] {
        if !text.is_empty() {
            texts.push(text.into());
        }
    }
    // The longest first: a text that is a part of another one must not leave the rest of that.
    texts.sort_by_key(|text| Reverse(text.expose_secret().len()));
}

/// Replaces each `%` and its two hexadecimal digits by the byte that they stand for.
pub(super) fn decode(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let digits = piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match digits {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(&piece.as_bytes()[2..]);
            }
            None => {
                bytes.push(b'%');
                bytes.extend_from_slice(piece.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redaction").finish_non_exhaustive()
    }
}
