//! The demo's key: made once, and the same at every start.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use domain::ApiKey;
use tempfile::NamedTempFile;

use crate::{Failure, admin};

const FILE: &str = "api-key";

/// The key that is kept in this directory, or a new one that is from now on.
pub(super) fn load_or_make(data_dir: &Path) -> Result<ApiKey, Failure> {
    let path = data_dir.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => ApiKey::parse(text.trim())
            .map_err(|_| format!("{} holds no API key; remove it", path.display()).into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = admin::new_api_key()?;
            // Readable by its owner alone, and there as a whole or not at all.
            let mut file = NamedTempFile::new_in(data_dir)?;
            writeln!(file, "{}", key.expose())?;
            file.persist(&path)?;
            Ok(key)
        }
        Err(error) => Err(format!("{} can't be read: {error}", path.display()).into()),
    }
}
