//! The directory in which `caseload dev` keeps its data.

use std::{
    fs::{DirBuilder, File, TryLockError, create_dir_all},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use crate::failure::Failure;

/// Returns the absolute path of the given directory, or of the platform's default; creates it if
/// needed.
pub(super) fn choose(given: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let dir = match given {
        Some(dir) => dir,
        None => dirs::data_dir()
            .ok_or("this platform has no directory for data; give one with --data-dir")?
            .join("caseload"),
    };
    create(&dir).map_err(|error| format!("{} can't be used for data: {error}", dir.display()))?;
    // Postgres runs in another working directory.
    Ok(dir.canonicalize()?)
}

/// Locks the directory until the returned file is dropped; `None` if another process holds the
/// lock. The operating system releases the lock of a process that was killed.
pub(super) fn try_lock(dir: &Path) -> Result<Option<File>, Failure> {
    let file = File::create(dir.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn create(dir: &PathBuf) -> io::Result<()> {
    if let Some(parent) = dir.parent() {
        create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o755).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    }
}
