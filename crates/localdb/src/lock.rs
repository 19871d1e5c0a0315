//! The lock on a cluster's directory.

use std::{
    fs::{File, TryLockError},
    io::{Read, Write},
    path::Path,
    process,
};

use crate::Error;

const FILE: &str = "caseload.lock";

/// A directory's lock, held until it's dropped or this process ends, however it does.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// Takes the lock, and writes our process id into its file.
    ///
    /// # Errors
    /// [`Error::InUse`] where another has it, [`Error::Io`].
    pub(crate) fn take(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(FILE);
        let action = || format!("lock {}", path.display());
        // Its file stays: were it removed, two processes could each lock a file of this name.
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
        // Closing the file isn't enough: a child that another thread is just starting has a copy of
        // every open file until it becomes its program, and a lock lives as long as any copy.
        let _ = self.0.unlock();
    }
}

/// Who has the lock, by its own account.
fn owner(mut file: File) -> Option<String> {
    let mut owner = String::new();
    file.read_to_string(&mut owner).ok()?;
    (!owner.is_empty()).then_some(owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_owner_at_a_time() {
        let place = tempfile::tempdir().unwrap();
        let first = Lock::take(place.path()).unwrap();
        let second = Lock::take(place.path()).unwrap_err();
        let me = process::id().to_string();
        assert!(matches!(second, Error::InUse { owner, .. } if owner == me));
        drop(first);
        Lock::take(place.path()).unwrap();
    }

    #[test]
    fn copy_in_a_child_does_not_keep_it() {
        let place = tempfile::tempdir().unwrap();
        let lock = Lock::take(place.path()).unwrap();
        let _copy = lock.0.try_clone().unwrap();
        drop(lock);
        Lock::take(place.path()).unwrap();
    }
}
