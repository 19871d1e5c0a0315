//! The lock of a cluster's directory.

use std::{
    fs::{File, TryLockError},
    io::{Read, Write},
    path::Path,
    process,
};

use crate::Error;

const FILE: &str = "caseload.lock";

/// The lock of a directory, which is released on drop and when this process ends.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// Acquires the lock, and writes the id of this process into its file.
    ///
    /// # Errors
    /// [`Error::InUse`] if another process holds the lock, [`Error::Io`].
    pub(crate) fn acquire(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(FILE);
        let action = || format!("lock {}", path.display());
        // The file is never removed: otherwise two processes could each lock a file of this name.
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(Error::io(action()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let owner = owner(file).unwrap_or_else(|| "unknown".to_owned());
                return Err(Error::InUse { directory: directory.to_path_buf(), owner });
            }
            Err(TryLockError::Error(error)) => return Err(Error::io(action())(error)),
        }
        file.set_len(0).map_err(Error::io(action()))?;
        write!(file, "{}", process::id()).map_err(Error::io(action()))?;
        Ok(Self(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file isn't enough: a child process that another thread is just starting has a
        // copy of every open file until exec, and the lock is held while any copy is open.
        let _ = self.0.unlock();
    }
}

/// Returns the process id in the lock file.
fn owner(mut file: File) -> Option<String> {
    let mut owner = String::new();
    file.read_to_string(&mut owner).ok()?;
    (!owner.is_empty()).then_some(owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_process_can_hold_the_lock() {
        let directory = tempfile::tempdir().unwrap();
        let first = Lock::acquire(directory.path()).unwrap();
        let second = Lock::acquire(directory.path()).unwrap_err();
        let me = process::id().to_string();
        assert!(matches!(second, Error::InUse { owner, .. } if owner == me));
        drop(first);
        Lock::acquire(directory.path()).unwrap();
    }

    #[test]
    fn a_copy_of_the_file_does_not_keep_the_lock() {
        let directory = tempfile::tempdir().unwrap();
        let lock = Lock::acquire(directory.path()).unwrap();
        let _copy = lock.0.try_clone().unwrap();
        drop(lock);
        Lock::acquire(directory.path()).unwrap();
    }
}
