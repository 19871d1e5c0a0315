//! Idempotency keys.

use std::fmt::Write as _;

use crate::client::error::ClientError;

/// Returns a new idempotency key: 32 random hexadecimal digits.
pub(super) fn random() -> Result<String, ClientError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| ClientError::Io(format!("the system has no random numbers: {error}")))?;
    Ok(bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    }))
}
