//! How many files the process may have open. Each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is tried where the system takes no more than its own bound, which it doesn't tell: macOS
/// says that there is no limit, and means `OPEN_MAX`.
const MODEST: u64 = 10_240;

/// How many files may be open at once; `None` where there is no limit.
#[must_use]
pub fn limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Takes as many as the process may without asking. The usual limit of 1,024 is that low for
/// programs that use `select(2)`, which this one doesn't.
pub(crate) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(before) = current.filter(|_| current != maximum) else { return };
    let set = |wanted| setrlimit(Resource::Nofile, Rlimit { current: wanted, maximum });
    let raised = match set(maximum) {
        Err(_) if before < MODEST => set(Some(MODEST)),
        outcome => outcome,
    };
    match raised {
        Ok(()) => tracing::debug!(before, after = ?limit(), "more files may be open"),
        Err(error) => tracing::warn!(%error, limit = before, "no more files may be open"),
    }
}
