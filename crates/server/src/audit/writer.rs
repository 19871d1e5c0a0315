//! Appends what calls have noted, off their way.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use domain::{Agent, AuditDetails, AuditEvent, Error, KeyId, NewAuditEntry, Principal, TenantId};
use runtime::CancellationToken;
use store::Database;
use tokio::time::{MissedTickBehavior, interval, timeout, timeout_at};

use super::{
    failure::log_failure,
    key_activity::Seen,
    origin::Origin,
    outbox,
    queue::{Queue, Waiting},
    refusals::{Refusal, Refusals},
};
use crate::metrics::AuditMetrics;

/// How often entries are appended. What a process that crashes has not appended is lost.
const INTERVAL: Duration = Duration::from_secs(10);

/// How long it may take for one tenant.
const TENANT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long it may take at the end of a server.
const END_TIMEOUT: Duration = Duration::from_secs(3);

/// What waits to be appended to the audit log. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuditLog(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    queue: Queue,
    refusals: Refusals,
    /// What is being appended, or may have been.
    unconfirmed: BTreeMap<u64, (TenantId, Waiting)>,
    /// How often it was begun to append.
    begun: u64,
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
        if seen == Seen::Before {
            return;
        }
        let agent = origin().agent(caller.key);
        let entry = NewAuditEntry::now(AuditEvent::KeyUsed, agent, caller.key.get());
        let entry = NewAuditEntry { time: Some(now), ..entry };
        let entry = match seen {
            Seen::TooMany => entry.with("addresses", "more"),
            Seen::Never | Seen::Before => entry,
        };
        self.lock().queue.push(caller.tenant, entry);
    }

    /// Notes that a key was refused.
    pub(crate) fn note_refusal(&self, key: (TenantId, KeyId), refusal: Refusal, origin: &Origin) {
        let mut state = self.lock();
        if !state.refusals.count(key, refusal, origin, Instant::now()) {
            state.queue.count_dropped(key.0, 1);
        }
    }

    /// Appends what was noted, and what is in the outbox, until the token is cancelled, and then what is left.
    pub(crate) async fn run(
        self,
        database: Database,
        metrics: AuditMetrics,
        ended: CancellationToken,
    ) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let appending = async {
            loop {
                ticks.tick().await;
                tokio::join!(self.append(&database, false), outbox::append(&database, &metrics));
            }
        };
        tokio::select! {
            () = ended.cancelled() => {}
            () = appending => {}
        }
        let end = Instant::now() + END_TIMEOUT;
        if timeout_at(end.into(), self.append(&database, true)).await.is_err() {
            tracing::warn!("failed to append to the audit log before the end");
        }
        // What is left there is not lost: another server appends it, or this one when it is started again.
        let _is_complete =
            timeout_at(end.into(), outbox::append(&database, &metrics)).await.is_ok();
    }

    /// Appends all that waits, of two tenants at a time: there are two connections for it.
    async fn append(&self, database: &Database, is_end: bool) {
        {
            let mut state = self.lock();
            let State { queue, refusals, unconfirmed, .. } = &mut *state;
            for (_, (tenant, waiting)) in std::mem::take(unconfirmed) {
                queue.requeue(tenant, waiting);
            }
            for (tenant, entry) in refusals.take(Instant::now(), is_end) {
                queue.push(tenant, entry);
            }
        }
        tokio::join!(self.append_tenants(database), self.append_tenants(database));
    }

    /// Appends what waits of one tenant after the other, until nothing waits.
    async fn append_tenants(&self, database: &Database) {
        while let Some((number, tenant, waiting)) = self.begin() {
            let lost = (waiting.dropped > 0).then(|| lost(waiting.dropped));
            let dropped = waiting.dropped;
            let entries: Vec<_> = waiting.entries.into_iter().chain(lost).collect();
            let appending = database.append_to_audit_log(tenant, entries);
            let appended = timeout(TENANT_TIMEOUT, appending).await;
            match appended.unwrap_or(Err(Error::DeadlineExceeded)) {
                Ok(()) => {
                    self.lock().unconfirmed.remove(&number);
                    if dropped > 0 {
                        tracing::warn!(%tenant, dropped, "entries of the audit log were dropped");
                    }
                }
                Err(error) => {
                    log_failure(Some(tenant), &error);
                    self.fail(number, &error);
                }
            }
        }
    }

    /// Takes what waits of a tenant, which is kept until it is known to be appended.
    fn begin(&self) -> Option<(u64, TenantId, Waiting)> {
        let mut state = self.lock();
        let (tenant, waiting) = state.queue.pop()?;
        state.begun += 1;
        let number = state.begun;
        state.unconfirmed.insert(number, (tenant, waiting.clone()));
        Some((number, tenant, waiting))
    }

    /// What could not be appended is requeued the next time, unless that would fail again. What may have been
    /// appended is appended again.
    fn fail(&self, number: u64, error: &Error) {
        if let Error::Unavailable(_)
        | Error::OutcomeUnknown(_)
        | Error::DeadlineExceeded
        | Error::TenantOverloaded = error
        {
            return;
        }
        if let Some((_, lost)) = self.lock().unconfirmed.get_mut(&number) {
            lost.dropped += u64::try_from(lost.entries.len()).unwrap_or(u64::MAX);
            lost.entries.clear();
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
