//! The room that the run takes on the disk.

use std::{fs, path::Path};

const GIB: u64 = 1 << 30;

/// The most that Postgres' data may take, and the least that must be left of the disk.
const MOST_USED: u64 = 30 * GIB;
const LEAST_LEFT: u64 = 10 * GIB;

/// Returns the bytes of all files in a directory. Files that vanish meanwhile do not count.
pub(crate) fn used(directory: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(directory) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => used(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

/// Returns the bytes that are left on the disk of a directory.
pub(crate) fn left(directory: &Path) -> u64 {
    rustix::fs::statvfs(directory).map_or(u64::MAX, |disk| disk.f_bavail * disk.f_frsize)
}

/// Returns why a run must stop, if it must.
pub(crate) fn exceeded(used: u64, left: u64) -> Option<String> {
    if used > MOST_USED {
        return Some(format!("Postgres has more than {} GiB of data", MOST_USED / GIB));
    }
    (left < LEAST_LEFT).then(|| format!("less than {} GiB of the disk are left", LEAST_LEFT / GIB))
}
