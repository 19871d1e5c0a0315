//! The demo's API key: created once, and read at every later start.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use domain::ApiKey;
use tempfile::NamedTempFile;

use crate::{admin, failure::Failure};

const FILE: &str = "api-key";

/// Returns the key that is stored in this directory, or creates and stores one.
pub(super) fn load_or_create(data_dir: &Path) -> Result<ApiKey, Failure> {
    let path = data_dir.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => ApiKey::parse(text.trim())
            .map_err(|_| format!("{} holds no API key; remove it", path.display()).into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = admin::new_api_key()?;
            // A temporary file is readable by its owner alone, and renaming it is atomic.
            let mut file = NamedTempFile::new_in(data_dir)?;
            writeln!(file, "{}", key.expose())?;
            file.persist(&path)?;
            Ok(key)
        }
        Err(error) => Err(format!("{} can't be read: {error}", path.display()).into()),
    }
}
