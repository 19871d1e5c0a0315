//! The limit of open files. Each connection is an open file.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit that is tried if the system rejects the hard limit: macOS reports none, but allows no
/// more than `OPEN_MAX`.
const FALLBACK: u64 = 10_240;

/// Returns how many files the process may have open at once; `None` if there is no limit.
#[must_use]
pub fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Raises the soft limit to the hard limit. The usual soft limit of 1,024 protects programs that use
/// `select(2)`, which this one doesn't.
pub fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(before) = current.filter(|_| current != maximum) else { return };
    let set = |wanted| setrlimit(Resource::Nofile, Rlimit { current: wanted, maximum });
    let raised = match set(maximum) {
        Err(_) if before < FALLBACK => set(Some(FALLBACK)),
        outcome => outcome,
    };
    match raised {
        Ok(()) => tracing::debug!(before, after = ?limit(), "raised the limit of open files"),
        Err(error) => {
            tracing::warn!(%error, limit = before, "failed to raise the limit of open files")
        }
    }
}
