//! The log of initdb and Postgres.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::Error;

/// The number of lines that an error quotes.
const QUOTED_LINES: usize = 20;

/// A log file, and the number of bytes that earlier programs wrote.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    old_bytes: u64,
}

impl Log {
    /// Starts a new log at `path`. An existing log is renamed: `.old` is appended to its name.
    pub(crate) fn start(path: PathBuf) -> Self {
        let mut old = path.clone().into_os_string();
        old.push(".old");
        // There may be none. A log that can't be renamed is appended to.
        let _ = fs::rename(&path, old);
        Self { path, old_bytes: 0 }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the log for another program to append to. [`Log::tail`] begins here.
    ///
    /// # Errors
    /// [`Error::Io`]
    pub(crate) fn open(&mut self) -> Result<File, Error> {
        let action = || format!("write to {}", self.path.display());
        let file = File::options().append(true).create(true).mode(0o600).open(&self.path);
        let file = file.map_err(Error::io(action()))?;
        self.old_bytes = file.metadata().map_err(Error::io(action()))?.len();
        Ok(file)
    }

    /// Returns the last lines since [`Log::open`], or a sentence if they can't be read.
    pub(crate) fn tail(&self) -> String {
        match self.recent() {
            Ok(text) => {
                let lines: Vec<_> = text.trim_end().lines().collect();
                lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n")
            }
            Err(error) => format!("({} can't be read: {error})", self.path.display()),
        }
    }

    fn recent(&self) -> io::Result<String> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.old_bytes))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_tail_is_the_last_lines_since_the_log_was_opened() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = Log::start(directory.path().join("log"));
        writeln!(log.open().unwrap(), "before").unwrap();
        let mut file = log.open().unwrap();
        writeln!(file, "one\ntwo").unwrap();
        assert_eq!(log.tail(), "one\ntwo");
        for number in 1..=50 {
            writeln!(file, "{number}").unwrap();
        }
        let tail = log.tail();
        assert_eq!((tail.lines().next(), tail.lines().last()), (Some("31"), Some("50")));
    }

    #[test]
    fn one_older_log_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        writeln!(Log::start(path.clone()).open().unwrap(), "first").unwrap();
        let log = Log::start(path);
        assert!(!log.path().exists());
        assert_eq!(fs::read_to_string(directory.path().join("log.old")).unwrap(), "first\n");
    }
}
