//! Where `caseload dev` keeps its data.

use std::{
    fs::{DirBuilder, File, TryLockError, create_dir_all},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use crate::Failure;

/// The directory that was asked for, or the platform's, made where it isn't there.
pub(super) fn choose(asked: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let dir = match asked {
        Some(dir) => dir,
        None => dirs::data_dir()
            .ok_or("no directory for data is known here; name one with --data-dir")?
            .join("caseload"),
    };
    make(&dir).map_err(|error| format!("{} can't be used for data: {error}", dir.display()))?;
    // Postgres is started elsewhere than here.
    Ok(dir.canonicalize()?)
}

/// Locks the directory for as long as the file lives; nothing where another process has it. The
/// lock of a process that was killed goes with it.
pub(super) fn try_lock(dir: &Path) -> Result<Option<File>, Failure> {
    let file = File::create(dir.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn make(dir: &PathBuf) -> io::Result<()> {
    if let Some(parent) = dir.parent() {
        create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o755).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome,
    }
}
