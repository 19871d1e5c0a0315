//! Tells other programs that all is ready, and how to reach it.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::Serialize;
use tempfile::NamedTempFile;

use crate::Failure;

/// How to reach everything.
#[derive(Serialize)]
pub(super) struct Ready {
    pub(super) rest_url: String,
    pub(super) grpc_url: String,
    pub(super) database_url: String,
    pub(super) api_key: String,
    pub(super) case_id: i64,
}

/// Removes the file that a run which was killed left behind.
pub(super) fn clear(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(format!("{} can't be removed: {error}", path.display()).into())
        }
        _ => Ok(()),
    }
}

/// The file that says so, for as long as it is true.
pub(super) struct ReadyFile(PathBuf);

impl ReadyFile {
    /// Writes it, as a whole or not at all, readable by its owner alone.
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
            tracing::warn!(path = %self.0.display(), %error, "the ready file can't be removed");
        }
    }
}
