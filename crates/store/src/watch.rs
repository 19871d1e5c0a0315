//! Replaces connections that are open, but no longer answered.
//!
//! A server that hangs, with its disk for instance, keeps its connections: its kernel goes on to
//! acknowledge what comes, so no time-out of the network ends a wait for an answer, and libpq has
//! none of its own. When another server takes over, whoever waits for the first one must be left
//! behind. That is done only once others are known to be answered, so a lone server that hangs is
//! waited for, and everything goes on where it was once it is back.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

use crate::{connections::Connections, database::Shared};

/// How often an answer is asked for, and how often it is looked whether it came.
const INTERVAL: Duration = Duration::from_millis(500);

/// How long an answer may take. A free connection is there by then, or known not to be.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// How long there may be no connection at all, until others are tried for: the pool itself may
/// hang, where a server stops in the middle of opening one.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);

/// How long others are tried for with the same pool.
const ATTEMPT: Duration = Duration::from_secs(10);

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
        if self.current.findings().is_good() {
            self.candidate = None;
            return true;
        }
        match self.candidate.take() {
            Some(candidate) if candidate.findings().has_answered => {
                tracing::warn!("the database stopped answering; its connections were replaced");
                let left = database.renew(Arc::clone(&candidate.connections));
                self.left_behind.push(left);
                self.current = candidate;
            }
            Some(candidate) if candidate.since.elapsed() < ATTEMPT => {
                self.candidate = Some(candidate);
            }
            given_up => {
                self.left_behind.extend(given_up.map(|candidate| candidate.connections.trace()));
                self.left_behind.retain(|trace| trace.strong_count() > 0);
                if self.left_behind.len() < MOST_LEFT_BEHIND {
                    self.candidate = try_for_others(&database);
                }
            }
        }
        true
    }
}

fn try_for_others(database: &Shared) -> Option<Watched> {
    match Watched::start(database.open_others()) {
        Ok(others) => Some(others),
        Err(error) => {
            tracing::error!(%error, "other connections can't be tried for");
            None
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
    fn is_good(&self) -> bool {
        let is_within = |since: Option<Instant>, limit| {
            since.is_none_or(|since: Instant| since.elapsed() < limit)
        };
        is_within(self.asking_since, ANSWER_TIMEOUT)
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
