//! Replaces connections that are open, but no longer answered.
//!
//! A server that hangs, with its disk for instance, keeps its connections: its kernel goes on to
//! acknowledge what comes, so no time-out of the network ends a wait for an answer, and libpq has
//! none of its own. When another server takes over, whoever waits for the first one must be left
//! behind. That is done only once others are known to be answered, so a lone server that hangs is
//! waited for, and everything goes on where it was once it is back.

use std::{
    io, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

use crate::{connections::Connections, database::Shared};

/// How often an answer is asked for, and how often it is looked whether it came.
const INTERVAL: Duration = Duration::from_millis(500);

/// How long an answer may take, beyond the time in which there is a free connection, or known to
/// be none.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// How long there may be no connection at all, until others are tried for: the pool itself may
/// hang, where a server stops in the middle of opening one.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);

/// How long others are tried for with the same pool. It goes from host to host of the URL, and may
/// have to wait for each.
const ATTEMPT: Duration = Duration::from_secs(120);

/// How many sets of connections may be left behind with somebody who still waits on one of them:
/// each holds some threads.
const MOST_LEFT_BEHIND: usize = 4;

/// Starts to watch, until the database is dropped.
///
/// # Errors
/// Where the system has no more threads.
pub(crate) fn start(database: &Arc<Shared>) -> io::Result<()> {
    let current = Watched::start(database.current())?;
    let database = Arc::downgrade(database);
    let mut watch = Watch { database, current, candidate: None, left_behind: Vec::new() };
    thread::Builder::new().name("database-watch".to_owned()).spawn(move || {
        while watch.look() {
            thread::sleep(INTERVAL);
        }
    })?;
    Ok(())
}

struct Watch {
    database: Weak<Shared>,
    current: Watched,
    /// Those that may replace the current ones.
    candidate: Option<Watched>,
    left_behind: Vec<Weak<()>>,
}

impl Watch {
    /// Looks once. Tells whether there still is something to watch.
    fn look(&mut self) -> bool {
        let Some(database) = self.database.upgrade() else {
            return false;
        };
        let candidate = self.candidate.take();
        if self.current.findings().are_good(database.answer_timeout()) {
            self.leave(candidate);
            return true;
        }
        match candidate {
            Some(candidate) if candidate.findings().has_answered => {
                tracing::warn!("the database answers on new connections, which replace the old");
                let left = mem::replace(&mut self.current, candidate);
                database.renew(Arc::clone(&self.current.connections));
                self.leave(Some(left));
            }
            Some(candidate) if candidate.since.elapsed() < ATTEMPT => {
                self.candidate = Some(candidate);
            }
            candidate => {
                self.leave(candidate);
                self.candidate = self.try_for_others(&database);
            }
        }
        true
    }

    fn leave(&mut self, watched: Option<Watched>) {
        self.left_behind.extend(watched.map(|watched| watched.connections.trace()));
        self.left_behind.retain(|trace| trace.strong_count() > 0);
    }

    fn try_for_others(&self, database: &Shared) -> Option<Watched> {
        if self.left_behind.len() >= MOST_LEFT_BEHIND {
            return None;
        }
        tracing::warn!("the database does not answer; new connections are tried for");
        match Watched::start(database.open_others()) {
            Ok(others) => Some(others),
            Err(error) => {
                tracing::error!(%error, "new connections can't be tried for");
                None
            }
        }
    }
}

/// Connections on which an answer is asked for, again and again, until this is dropped.
struct Watched {
    connections: Arc<Connections>,
    since: Instant,
    findings: Arc<Mutex<Findings>>,
}

#[derive(Debug, Default)]
struct Findings {
    /// Since when an answer is waited for.
    asking_since: Option<Instant>,
    /// Since when there is no connection.
    missing_since: Option<Instant>,
    has_answered: bool,
    is_over: bool,
}

impl Findings {
    fn are_good(&self, answer_timeout: Duration) -> bool {
        let is_within = |since: Option<Instant>, limit| {
            since.is_none_or(|since: Instant| since.elapsed() < limit)
        };
        is_within(self.asking_since, answer_timeout)
            && is_within(self.missing_since, CONNECTION_TIMEOUT)
    }
}

impl Watched {
    fn start(connections: Arc<Connections>) -> io::Result<Self> {
        let findings = Arc::default();
        let watched = Self { connections, since: Instant::now(), findings };
        let (connections, findings) =
            (Arc::clone(&watched.connections), Arc::clone(&watched.findings));
        thread::Builder::new()
            .name("database-probe".to_owned())
            .spawn(move || probe(&connections, &findings))?;
        Ok(watched)
    }

    fn findings(&self) -> MutexGuard<'_, Findings> {
        lock(&self.findings)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.findings().is_over = true;
    }
}

fn probe(connections: &Connections, findings: &Mutex<Findings>) {
    while !lock(findings).is_over {
        lock(findings).asking_since = Some(Instant::now());
        let answer = connections.connection();
        let mut found = lock(findings);
        found.asking_since = None;
        match answer {
            Ok(_) => {
                found.has_answered = true;
                found.missing_since = None;
            }
            Err(_) => {
                found.missing_since.get_or_insert_with(Instant::now);
            }
        }
        drop(found);
        thread::sleep(INTERVAL);
    }
}

fn lock(findings: &Mutex<Findings>) -> MutexGuard<'_, Findings> {
    findings.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(3);

    fn ago(secs: u64) -> Option<Instant> {
        Instant::now().checked_sub(Duration::from_secs(secs))
    }

    #[test]
    fn who_answers_is_kept_and_so_is_who_is_away_for_a_while() {
        let good = [
            Findings::default(),
            Findings { asking_since: ago(2), ..Findings::default() },
            // The pool says itself that there is none, and tries again.
            Findings { missing_since: ago(29), ..Findings::default() },
        ];
        assert!(good.iter().all(|findings| findings.are_good(TIMEOUT)));
        let bad = [
            Findings { asking_since: ago(3), has_answered: true, ..Findings::default() },
            Findings { missing_since: ago(30), has_answered: true, ..Findings::default() },
        ];
        assert!(!bad.iter().any(|findings| findings.are_good(TIMEOUT)));
    }
}
