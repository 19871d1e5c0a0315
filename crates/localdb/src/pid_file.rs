//! `postmaster.pid`, in which a running Postgres says who it is and how it does.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PidFile {
    /// The postmaster's process id.
    pub(crate) pid: u32,
    /// Whether it accepts connections.
    pub(crate) is_ready: bool,
}

impl PidFile {
    /// Reads the one of this data directory; `None` if there's none, or only half of one.
    pub(crate) fn read(data_dir: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(path(data_dir)).ok()?)
    }

    /// Its first line is the process id, the eighth the status; see `miscadmin.h` and `pidfile.h` of
    /// Postgres. A process id below zero is that of a server without a postmaster (`initdb` uses it).
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let pid = lines.next()?.trim().parse().ok()?;
        let is_ready = lines.nth(6).is_some_and(|status| status.trim() == "ready");
        Some(Self { pid, is_ready })
    }

    /// Removes it.
    ///
    /// # Errors
    /// The operating system's.
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
    fn status_is_the_eighth_line() {
        let ready = "6961\n/data\n1795492606\n5432\n/tmp/lts\n\n 10010730         4\nready   \n";
        assert_eq!(PidFile::parse(ready), Some(PidFile { pid: 6961, is_ready: true }));
        let starting = ready.replace("ready   ", "starting");
        assert_eq!(PidFile::parse(&starting), Some(PidFile { pid: 6961, is_ready: false }));
    }

    #[test]
    fn half_a_file_is_no_surprise() {
        assert_eq!(PidFile::parse("6961\n/da"), Some(PidFile { pid: 6961, is_ready: false }));
        assert_eq!(PidFile::parse(""), None);
        assert_eq!(PidFile::parse("-17\n/data\n"), None);
    }
}
