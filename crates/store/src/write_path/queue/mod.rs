//! The bounded queue between the async callers and the worker threads.

mod generation;
mod limits;
mod state;
#[cfg(test)]
mod tests;
mod work;

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use domain::{CaseId, TenantId};

use self::state::State;
pub(super) use self::{
    generation::Generation,
    limits::{Limits, Refusal},
    work::{Blocked, Work},
};
use crate::{queued::Queued, turns::Most, write_path::metrics::WriteMetrics};

/// A queue in which tenants take turns, with a limit in total and a limit for each tenant, and a lane
/// beside it for the jobs that wait for locks.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    /// Wakes one worker for each job that is pushed, and all of them when the queue is closed,
    /// another generation begins, or the lane becomes free.
    not_empty: Condvar,
    limits: Limits,
    metrics: WriteMetrics,
}

impl<T: Queued> Queue<T> {
    pub(super) fn new(limits: Limits) -> Self {
        let state = State::new();
        let metrics = WriteMetrics::default();
        Self { state: Mutex::new(state), not_empty: Condvar::new(), limits, metrics }
    }

    /// Returns what is counted and measured of the jobs.
    pub(super) fn metrics(&self) -> &WriteMetrics {
        &self.metrics
    }

    /// Returns how many jobs wait in the queue, and in the lane.
    pub(super) fn lengths(&self) -> (usize, usize) {
        let state = self.lock();
        (state.jobs.len(), state.lane.len())
    }

    /// Returns how many jobs may wait in the queue.
    pub(super) fn limit(&self) -> usize {
        self.limits.total
    }

    /// Adds a job, or refuses it at once.
    pub(super) fn push(&self, job: T) -> Result<(), Refusal> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(Refusal::Closed);
        }
        state.check(&job, self.limits).or_else(|refusal| {
            // What nobody waits for any more must not keep other jobs out.
            if state.lane.takes(&job) && state.tidy(Instant::now()) {
                state.check(&job, self.limits)
            } else {
                Err(refusal)
            }
        })?;
        state.append(job);
        drop(state);
        self.not_empty.notify_one();
        Ok(())
    }

    /// Whether the queue is full: it refuses the next job that waits for no lock.
    pub(super) fn is_full(&self) -> bool {
        self.lock().jobs.len() >= self.limits.total
    }

    /// Whether the queue refuses the next job of a tenant, whatever its case.
    pub(super) fn is_full_for(&self, tenant: TenantId) -> bool {
        let mut state = self.lock();
        let is_full = state.is_full_for(tenant, self.limits);
        // As when a job is pushed, those that nobody waits for do not count.
        match is_full && !state.lane.is_unused() && state.tidy(Instant::now()) {
            true => state.is_full_for(tenant, self.limits),
            false => is_full,
        }
    }

    /// Returns a job that was taken, before all others of its tenant and whatever the limits are; to
    /// the lane, if it belongs there.
    pub(super) fn requeue(&self, job: T) {
        self.metrics.requeued();
        self.lock().requeue(job);
        self.not_empty.notify_one();
    }

    /// Moves a job that was taken to the lane if it belongs there. Else gives it back.
    pub(super) fn divert(&self, job: T) -> Option<T> {
        self.lock().divert(job)
    }

    /// Returns a job that was taken to find out whether it repeats an earlier one, and does not.
    pub(super) fn wait(&self, job: T) {
        self.lock().wait(job);
        self.not_empty.notify_one();
    }

    /// Puts a job that has waited for a lock in vain into the lane, and with it all jobs of the queue
    /// that can be expected to need the same lock.
    pub(super) fn block(&self, job: T) -> Blocked<T> {
        let mut state = self.lock();
        if state.lane.len() >= self.limits.total && !state.tidy(Instant::now()) {
            return Blocked::Refused(job);
        }
        let with = state.block(job);
        drop(state);
        self.not_empty.notify_all();
        Blocked::Waits { with }
    }

    /// Records that a job in the lane has got its lock. The jobs that need no longer wait for it return
    /// to the queue.
    pub(super) fn unblock(&self, tenant: TenantId, case: CaseId) {
        let mut state = self.lock();
        let leaving = state.lane.unblock(tenant, case);
        state.requeue_all(leaving);
        drop(state);
        self.not_empty.notify_all();
    }

    /// Blocks until the generation has begun and there is work. Does not wait for more of it.
    ///
    /// Returns `None` once the queue is closed and empty, or the generation was replaced.
    pub(super) fn take(&self, generation: Generation, most: Most) -> Option<Work<T>> {
        let mut state = self.lock();
        loop {
            if state.generation == generation {
                if let Some(work) = state.take(most) {
                    return Some(work);
                }
                if state.is_closed && state.lane.len() == 0 {
                    return None;
                }
            } else if state.generation > generation || state.is_closed {
                return None;
            }
            state = match state.until_next_turn() {
                Some(timeout) => {
                    let waited = self.not_empty.wait_timeout(state, timeout);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.not_empty.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Ends a turn in the lane, which took this long. The next one begins after as long a pause, so
    /// that a lone worker has as much time for all others.
    pub(super) fn end_turn(&self, generation: Generation, took: Duration) {
        let mut state = self.lock();
        if state.turn == Some(generation) {
            state.turn = None;
            state.next_turn = Instant::now().checked_add(took);
        }
        drop(state);
        self.not_empty.notify_all();
    }

    /// Returns all jobs that wait, without blocking; none if the generation was replaced.
    pub(super) fn take_all(&self, generation: Generation) -> Vec<T> {
        let mut state = self.lock();
        if state.generation != generation {
            return Vec::new();
        }
        state.drain()
    }

    /// Returns the generation of workers that may take jobs.
    pub(super) fn generation(&self) -> Generation {
        self.lock().generation
    }

    /// Begins a generation, which replaces the one before: workers of that one get no more jobs.
    pub(super) fn begin(&self, generation: Generation) {
        let mut state = self.lock();
        state.generation = generation;
        // The worker that has the turn waits for a server that hangs.
        state.turn = None;
        drop(state);
        self.not_empty.notify_all();
    }

    /// Refuses all further jobs. Those that wait can still be taken.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.not_empty.notify_all();
    }

    /// Returns the state, also if a thread panicked while it had it locked: no update of it can
    /// panic half-way.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
