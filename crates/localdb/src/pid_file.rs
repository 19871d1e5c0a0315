//! `postmaster.pid`, the file with the process id and the status of a running Postgres.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The content of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PidFile {
    /// The postmaster's process id.
    pub(crate) pid: u32,
    /// Whether Postgres accepts connections.
    pub(crate) is_ready: bool,
}

impl PidFile {
    /// Reads the file of this data directory; `None` if it does not exist or is incomplete.
    pub(crate) fn read(data_dir: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(path(data_dir)).ok()?)
    }

    /// Parses the file: the first line is the process id, the eighth is the status (`miscadmin.h`
    /// and `pidfile.h` of Postgres). A negative process id is that of a server without a
    /// postmaster, as `initdb` runs it.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let pid = lines.next()?.trim().parse().ok()?;
        let is_ready = lines.nth(6).is_some_and(|status| status.trim() == "ready");
        Some(Self { pid, is_ready })
    }

    /// Removes the file.
    ///
    /// # Errors
    /// Those of the operating system.
    pub(crate) fn remove(data_dir: &Path) -> io::Result<()> {
        fs::remove_file(path(data_dir))
    }
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("postmaster.pid")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_the_eighth_line() {
        let ready = "6961\n/data\n1795492606\n5432\n/tmp/lts\n\n 10010730         4\nready   \n";
        assert_eq!(PidFile::parse(ready), Some(PidFile { pid: 6961, is_ready: true }));
        let starting = ready.replace("ready   ", "starting");
        assert_eq!(PidFile::parse(&starting), Some(PidFile { pid: 6961, is_ready: false }));
    }

    #[test]
    fn an_incomplete_file_is_parsed_as_far_as_possible() {
        assert_eq!(PidFile::parse("6961\n/da"), Some(PidFile { pid: 6961, is_ready: false }));
        assert_eq!(PidFile::parse(""), None);
        assert_eq!(PidFile::parse("-17\n/data\n"), None);
    }
}
