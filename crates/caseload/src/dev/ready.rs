//! The ready file: tells other programs that everything serves, and at which addresses.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::Serialize;
use tempfile::NamedTempFile;

use crate::failure::Failure;

/// The content of the ready file.
#[derive(Serialize)]
pub(super) struct Ready {
    pub(super) rest_url: String,
    pub(super) grpc_url: String,
    pub(super) database_url: String,
    pub(super) api_key: String,
    pub(super) case_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) admin_url: Option<String>,
}

/// Removes the ready file of an earlier run that was killed.
pub(super) fn clear(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(format!("{} can't be removed: {error}", path.display()).into())
        }
        _ => Ok(()),
    }
}

/// The ready file, which is removed on drop.
pub(super) struct ReadyFile(PathBuf);

impl ReadyFile {
    /// Writes the file atomically, readable by its owner alone.
    pub(super) fn write(path: &Path, ready: &Ready) -> Result<Self, Failure> {
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let written = || -> Result<(), Failure> {
            let mut file = NamedTempFile::new_in(directory)?;
            serde_json::to_writer(&mut file, ready)?;
            file.write_all(b"\n")?;
            file.persist(path)?;
            Ok(())
        };
        written().map_err(|error| format!("{} can't be written: {error}", path.display()))?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "failed to remove the ready file");
        }
    }
}
