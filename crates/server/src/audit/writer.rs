//! Appends what calls have noted, off their way.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use domain::{Agent, AuditDetails, AuditEvent, Error, KeyId, NewAuditEntry, Principal, TenantId};
use runtime::CancellationToken;
use store::Database;
use telemetry::Throttle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{
    key_activity::Seen,
    origin::Origin,
    queue::{Queue, Waiting},
    refusals::{Refusal, Refusals},
};
use crate::causes;

/// How often entries are appended. What a process that crashes has not appended is lost.
const INTERVAL: Duration = Duration::from_secs(10);

/// How long it may take at the end of a server.
const END_TIMEOUT: Duration = Duration::from_secs(3);

/// What waits to be appended to the audit log. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuditLog(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    queue: Queue,
    refusals: Refusals,
}

impl AuditLog {
    /// Notes that a key was accepted, if this is its first use from there today.
    pub(crate) fn note_use(
        &self,
        caller: &Principal,
        seen: Seen,
        origin: impl FnOnce() -> Origin,
        now: SystemTime,
    ) {
        match seen {
            Seen::Before => {}
            Seen::TooMany => self.lock().queue.drop_some(caller.tenant, 1),
            Seen::Never => {
                let agent = origin().agent(caller.key);
                let entry = NewAuditEntry::now(AuditEvent::KeyUsed, agent, caller.key.get());
                let entry = NewAuditEntry { time: Some(now), ..entry };
                self.lock().queue.push(caller.tenant, entry);
            }
        }
    }

    /// Notes that a key was refused.
    pub(crate) fn note_refusal(&self, key: (TenantId, KeyId), refusal: Refusal, origin: &Origin) {
        let mut state = self.lock();
        if !state.refusals.count(key, refusal, origin, Instant::now()) {
            state.queue.drop_some(key.0, 1);
        }
    }

    /// Notes what a call has done whose changes may be many.
    pub(crate) fn note(
        &self,
        tenant: TenantId,
        event: AuditEvent,
        agent: Agent,
        details: AuditDetails,
    ) {
        let time = Some(SystemTime::now());
        let entry = NewAuditEntry { time, event, agent, subject: None, details };
        self.lock().queue.push(tenant, entry);
    }

    /// Appends what was noted until the token is cancelled, and then what is left.
    pub(crate) async fn run(self, database: Database, ended: CancellationToken) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = ended.cancelled() => break,
                _ = ticks.tick() => self.append(&database, false).await,
            }
        }
        if timeout(END_TIMEOUT, self.append(&database, true)).await.is_err() {
            tracing::warn!("failed to append to the audit log before the end");
        }
    }

    async fn append(&self, database: &Database, is_end: bool) {
        let waiting = {
            let mut state = self.lock();
            for (tenant, entry) in state.refusals.take(Instant::now(), is_end) {
                state.queue.push(tenant, entry);
            }
            state.queue.take()
        };
        for (tenant, waiting) in waiting {
            let lost = (waiting.dropped > 0).then(|| lost(waiting.dropped));
            let entries = waiting.entries.iter().cloned().chain(lost).collect();
            match database.append_to_audit_log(tenant, entries).await {
                Ok(()) if waiting.dropped > 0 => {
                    let dropped = waiting.dropped;
                    tracing::warn!(%tenant, dropped, "entries of the audit log were dropped");
                }
                Ok(()) => {}
                Err(error) => {
                    log_failure(&error);
                    self.put_back(tenant, waiting, &error);
                }
            }
        }
    }

    /// Keeps what could not be appended, unless that would fail again. What may have been appended is appended
    /// again.
    fn put_back(&self, tenant: TenantId, Waiting { entries, dropped }: Waiting, error: &Error) {
        let mut state = self.lock();
        state.queue.drop_some(tenant, dropped);
        match error {
            Error::Unavailable(_)
            | Error::OutcomeUnknown(_)
            | Error::DeadlineExceeded
            | Error::TenantOverloaded => {
                entries.into_iter().for_each(|entry| state.queue.push(tenant, entry));
            }
            _ => state.queue.drop_some(tenant, u64::try_from(entries.len()).unwrap_or(u64::MAX)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns an entry that says how many others are missing.
fn lost(count: u64) -> NewAuditEntry {
    NewAuditEntry {
        time: None,
        event: AuditEvent::EntriesDropped,
        agent: Agent::Session,
        subject: None,
        details: AuditDetails::default().with("count", count),
    }
}

/// The least time between two log lines about entries that are not appended.
static FAILURES: Throttle = Throttle::new(Duration::from_secs(60));

fn log_failure(error: &Error) {
    let causes = causes::of(error);
    let Some(suppressed) = FAILURES.allow(Instant::now()) else { return };
    if matches!(error, Error::Internal(_)) {
        tracing::error!(%error, causes, suppressed, "failed to append to the audit log");
    } else {
        tracing::warn!(%error, causes, suppressed, "failed to append to the audit log");
    }
}
