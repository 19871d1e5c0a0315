//! Where the API key comes from.

use std::{env, fs::File, io::Read as _, path::Path};

use domain::ApiKey;

use super::error::ClientError;

/// The variable that has the key.
const VARIABLE: &str = "CASELOAD_API_KEY";

/// The most bytes of a file that are read for a key.
const MAX_FILE_BYTES: u64 = 1024;

/// Returns the API key, from the file or else from the environment.
///
/// # Errors
/// If neither or both are given, if the file can't be read, or if the text is not a key. No error
/// contains the text.
pub(super) fn find(file: Option<&Path>) -> Result<ApiKey, ClientError> {
    let variable = env::var(VARIABLE).ok().filter(|key| !key.is_empty());
    let usage = |message: String| Err(ClientError::Usage(message));
    let (origin, text) = match (file, variable) {
        (Some(_), Some(_)) => {
            return usage(format!(
                "there are two API keys: in the variable {VARIABLE}, and in --api-key-file or its \
                 variable"
            ));
        }
        (None, None) => {
            return usage(format!(
                "there is no API key: set the variable {VARIABLE}, or name a file with \
                 --api-key-file"
            ));
        }
        (None, Some(key)) => (VARIABLE.to_owned(), key),
        (Some(path), None) => (path.display().to_string(), read(path)?),
    };
    ApiKey::parse(text.trim()).or_else(|error| usage(format!("{origin} has no API key: {error}")))
}

fn read(path: &Path) -> Result<String, ClientError> {
    let unreadable =
        |error| ClientError::Usage(format!("{} can't be read: {error}", path.display()));
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}
