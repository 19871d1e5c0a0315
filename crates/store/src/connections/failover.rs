//! Replaces connections that are open, but on which the server no longer answers.
//!
//! A server that hangs, because of its disk for instance, keeps its connections: its kernel goes on
//! to acknowledge packets, so no timeout of the network ends the wait for a result, and libpq has no
//! timeout of its own. When another server takes over, those that wait for the first one must stop
//! waiting. That happens only once a server is known to answer on new connections. So if a lone
//! server hangs, its connections stay, and everything goes on there once it answers again.

use std::{
    io, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

use super::{current::CurrentPool, pool::Pool};

/// How often the server is probed, and how often the monitor checks the findings.
const INTERVAL: Duration = Duration::from_millis(500);

/// How long the server may take to answer, beyond the checkout timeout.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// How long there may be no connection at all before others are opened: the pool itself may hang, if
/// a server stops while it opens a connection.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a candidate has to get an answer. It tries the hosts of the URL one after the other, and
/// may have to wait for each.
const CANDIDATE_TIMEOUT: Duration = Duration::from_secs(120);

/// The most abandoned pools that may still have somebody waiting on one of their connections: each
/// holds some threads.
const MAX_ABANDONED: usize = 4;

/// Starts the monitor, which runs until the pool in use is dropped.
///
/// # Errors
/// If the system can't start another thread.
pub(crate) fn start(current: &Arc<CurrentPool>) -> io::Result<()> {
    let in_use = Probed::start(current.get())?;
    let current = Arc::downgrade(current);
    let mut monitor = Monitor { current, in_use, candidate: None, abandoned: Vec::new() };
    thread::Builder::new().name("database-watch".to_owned()).spawn(move || {
        while monitor.check() {
            thread::sleep(INTERVAL);
        }
    })?;
    Ok(())
}

struct Monitor {
    current: Weak<CurrentPool>,
    in_use: Probed,
    /// The pool that may replace the one in use.
    candidate: Option<Probed>,
    abandoned: Vec<Weak<()>>,
}

impl Monitor {
    /// Checks the findings once. Returns whether there still is a pool to monitor.
    fn check(&mut self) -> bool {
        let Some(current) = self.current.upgrade() else {
            return false;
        };
        let candidate = self.candidate.take();
        let answer_timeout = current.settings().checkout_timeout.saturating_add(ANSWER_TIMEOUT);
        if self.in_use.findings().are_good(answer_timeout) {
            self.abandon(candidate);
            return true;
        }
        match candidate {
            Some(candidate) if candidate.findings().has_answered => {
                tracing::warn!("the database answers on new connections, which replace the old");
                let old = mem::replace(&mut self.in_use, candidate);
                current.replace(Arc::clone(&self.in_use.pool));
                self.abandon(Some(old));
            }
            Some(candidate) if candidate.since.elapsed() < CANDIDATE_TIMEOUT => {
                self.candidate = Some(candidate);
            }
            candidate => {
                self.abandon(candidate);
                self.candidate = self.open_candidate(&current);
            }
        }
        true
    }

    fn abandon(&mut self, probed: Option<Probed>) {
        self.abandoned.extend(probed.map(|probed| probed.pool.life()));
        self.abandoned.retain(|life| life.strong_count() > 0);
    }

    fn open_candidate(&self, current: &CurrentPool) -> Option<Probed> {
        if self.abandoned.len() >= MAX_ABANDONED {
            return None;
        }
        tracing::warn!("the database does not answer; trying new connections");
        match Probed::start(current.open_another()) {
            Ok(candidate) => Some(candidate),
            Err(error) => {
                tracing::error!(%error, "failed to try new connections to the database");
                None
            }
        }
    }
}

/// A pool that is probed again and again, until this is dropped.
struct Probed {
    pool: Arc<Pool>,
    since: Instant,
    findings: Arc<Mutex<Findings>>,
}

#[derive(Debug, Default)]
struct Findings {
    /// Since when the current probe has been waiting for an answer.
    probing_since: Option<Instant>,
    /// Since when there has been no connection.
    missing_since: Option<Instant>,
    has_answered: bool,
    is_over: bool,
}

impl Findings {
    fn are_good(&self, answer_timeout: Duration) -> bool {
        let is_within = |since: Option<Instant>, limit| {
            since.is_none_or(|since: Instant| since.elapsed() < limit)
        };
        is_within(self.probing_since, answer_timeout)
            && is_within(self.missing_since, CONNECTION_TIMEOUT)
    }
}

impl Probed {
    fn start(pool: Arc<Pool>) -> io::Result<Self> {
        let probed = Self { pool, since: Instant::now(), findings: Arc::default() };
        let (pool, findings) = (Arc::clone(&probed.pool), Arc::clone(&probed.findings));
        thread::Builder::new()
            .name("database-probe".to_owned())
            .spawn(move || probe(&pool, &findings))?;
        Ok(probed)
    }

    fn findings(&self) -> MutexGuard<'_, Findings> {
        lock(&self.findings)
    }
}

impl Drop for Probed {
    fn drop(&mut self) {
        self.findings().is_over = true;
    }
}

fn probe(pool: &Pool, findings: &Mutex<Findings>) {
    while !lock(findings).is_over {
        lock(findings).probing_since = Some(Instant::now());
        let result = pool.connection();
        let mut found = lock(findings);
        found.probing_since = None;
        match result {
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
    fn a_pool_stays_while_its_server_answers_or_has_been_away_for_a_short_time() {
        let good = [
            Findings::default(),
            Findings { probing_since: ago(2), ..Findings::default() },
            // The pool itself reports that it has no connection, and retries.
            Findings { missing_since: ago(29), ..Findings::default() },
        ];
        assert!(good.iter().all(|findings| findings.are_good(TIMEOUT)));
        let bad = [
            Findings { probing_since: ago(3), has_answered: true, ..Findings::default() },
            Findings { missing_since: ago(30), has_answered: true, ..Findings::default() },
        ];
        assert!(!bad.iter().any(|findings| findings.are_good(TIMEOUT)));
    }
}
