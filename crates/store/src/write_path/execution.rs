//! Runs jobs on a connection.

use std::{slice, time::Duration};

use diesel::{
    connection::SimpleConnection as _,
    result::{DatabaseErrorKind, Error as DieselError},
};
use domain::{CaseId, Idempotent as _, TenantId};

use super::{
    failure::{abandoned, failure, is_fatal, not_sent},
    job::Job,
    outcome::{find_record, repeated, resolve},
    queue::{Generation, Queue},
    statement::{Statement, Verdict, look_up_type},
    unfinished::{block, fail},
};
use crate::{
    connections::pool::Connection,
    error::{Error, is_lock_timeout},
};

/// The part of the lock timeout for which a statement waits that several jobs share, or that others wait
/// behind. A job that needs longer waits on in the lane, where it makes nobody wait.
const SHARED: u32 = 4;

/// The part of the lock timeout for which a job in the lane waits. A lone worker may then have to write a
/// statement of others that waits, too, and all of that is to be over within the lock timeout.
const BLOCKED: u32 = 2;

/// The part of the lock timeout for which the jobs of a statement that is taken apart wait in all.
const APART: u32 = 5;

/// The longest time for which each of them waits.
const MOMENT: Duration = Duration::from_millis(50);

/// The shortest one that Postgres knows.
const LEAST: Duration = Duration::from_millis(1);

/// A worker's turn to run jobs on its connection.
pub(super) struct Execution<'a> {
    pub(super) queue: &'a Queue<Job>,
    pub(super) generation: Generation,
    pub(super) connection: &'a mut Connection,
    /// How long a statement waits for a lock at most.
    pub(super) lock_timeout: Duration,
}

/// Where jobs that are run one by one come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Queue,
    Lane,
}

/// What a job leaves behind when it was run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// The job's statement got all locks that it needed, and the connection is usable.
    Written,
    /// The job is done with, whatever locks it needs: its caller is gone, or it failed. The connection
    /// is usable.
    Ended,
    /// The job waits for a lock, and the connection is usable.
    Blocked,
    /// The connection is not usable.
    Lost,
}

impl Execution<'_> {
    /// Prepares a connection of the pool.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if it is not usable, or if the database can't take the statement.
    pub(super) fn begin(&mut self) -> Result<(), Error> {
        if !self.wait_briefly() {
            return Err(Error::unavailable("the connection was lost before it was used"));
        }
        let looked_up = look_up_type(self.connection).map_err(Error::unavailable);
        if looked_up.is_err() {
            self.end();
        }
        looked_up
    }

    /// Has statements wait for locks as briefly as those that batches may share. Returns whether the connection is still
    /// usable.
    fn wait_briefly(&mut self) -> bool {
        self.set_lock_timeout(self.lock_timeout / SHARED)
    }

    /// Leaves the connection as others of the pool are. If that fails it is broken, and the pool sees
    /// that.
    pub(super) fn end(&mut self) {
        self.set_lock_timeout(self.lock_timeout);
    }

    /// Writes jobs that may share a statement. Returns whether the connection is still usable.
    pub(super) fn write_shared(&mut self, jobs: Vec<Job>) -> bool {
        // A batch in doubt may be what breaks connections: it runs alone, and first.
        let (in_doubt, mut jobs): (Vec<_>, Vec<_>) =
            jobs.into_iter().partition(|job| job.in_doubt_since.is_some());
        if !in_doubt.is_empty() {
            if !self.write_apart(in_doubt, Origin::Queue) {
                fail(self.queue, jobs, &not_sent());
                return false;
            }
            // They have taken a while.
            jobs = jobs.into_iter().filter_map(|job| self.queue.divert(job)).collect();
            jobs.retain(|job| !job.caller.is_gone());
        }
        match (jobs.pop(), jobs.is_empty()) {
            (None, _) => true,
            (Some(job), true) => self.write_one(job) != Step::Lost,
            (Some(job), false) => {
                jobs.push(job);
                self.write_together(jobs)
            }
        }
    }

    /// Writes all jobs in one statement. If that fails, writes each in its own, so that none fails
    /// because of another. Returns whether the connection is still usable.
    fn write_together(&mut self, jobs: Vec<Job>) -> bool {
        let statement = Statement::new(jobs.iter().map(|job| (&job.actor, &job.batch)));
        let measured = self.queue.metrics();
        match measured.statement(&jobs, || statement.run(self.connection)) {
            Ok(_) if self.is_replaced() => {
                fail(self.queue, jobs, &abandoned());
                false
            }
            Ok(mut results) => {
                let mut others = Vec::new();
                for job in jobs {
                    match results.next(&job.batch) {
                        // These need no look-up, and do not wait for those of others.
                        verdict @ Verdict::Created(_) => {
                            self.finish(job, verdict);
                        }
                        verdict => others.push((job, verdict)),
                    }
                }
                self.finish_all(others)
            }
            Err(error) if is_fatal(&error) => {
                fail(self.queue, jobs, &failure(error));
                false
            }
            Err(error) => {
                tracing::warn!(
                    %error,
                    batches = jobs.len(),
                    "a shared statement failed; running its batches one by one"
                );
                for job in &jobs {
                    tracing::debug!(parent: job.caller.span(), "running the batch by itself");
                }
                self.write_apart(jobs, Origin::Queue)
            }
        }
    }

    /// Writes each job in a statement of its own, which waits for locks for a moment only: most of
    /// these jobs need no lock that is held, and the others are run again. The more jobs there are, the
    /// shorter the moment is, so that those behind wait for a limited time, however many need locks.
    /// Jobs that can be expected to wait too, as others have, are not begun.
    ///
    /// Returns whether the connection is still usable.
    pub(super) fn write_apart(&mut self, jobs: Vec<Job>, origin: Origin) -> bool {
        let count = u32::try_from(jobs.len()).unwrap_or(u32::MAX).max(1);
        let moment = (self.lock_timeout / APART / count).clamp(LEAST, MOMENT);
        if !self.set_lock_timeout(moment) {
            fail(self.queue, jobs, &not_sent());
            return false;
        }
        let mut blocked: Vec<(TenantId, CaseId)> = Vec::new();
        let mut jobs = jobs.into_iter();
        while let Some(job) = jobs.next() {
            let place = (job.actor.tenant, job.batch.case());
            // Of the old generation nothing more is begun: its server may be an old primary.
            if blocked.contains(&place) || self.is_replaced() {
                self.queue.requeue(job);
                continue;
            }
            let job = match origin {
                Origin::Queue => self.queue.divert(job),
                Origin::Lane => Some(job),
            };
            match job.map_or(Step::Ended, |job| self.write_one(job)) {
                Step::Written | Step::Ended => {}
                Step::Blocked => blocked.push(place),
                Step::Lost => {
                    fail(self.queue, jobs, &not_sent());
                    return false;
                }
            }
        }
        self.wait_briefly()
    }

    /// Sends the outcomes of jobs that repeat earlier ones, which needs no lock. The others wait on. Returns
    /// whether the connection is still usable.
    pub(super) fn answer_repeats(&mut self, jobs: Vec<Job>) -> bool {
        let mut is_usable = true;
        for job in jobs {
            if job.caller.is_gone() {
                continue;
            }
            // Nothing is begun: it is looked up again elsewhere.
            if !is_usable || self.is_replaced() {
                self.queue.requeue(job);
                continue;
            }
            match find_record(self.connection, job.actor.tenant, &job.batch) {
                Ok(Some(record)) => job.caller.send(repeated(job.batch, record)),
                Ok(None) => self.queue.wait(job),
                Err(error) if is_fatal(&error) => {
                    is_usable = false;
                    // Not once more: what breaks the connection might break each.
                    fail(self.queue, [job], &not_sent());
                }
                Err(error) => fail(self.queue, [job], &error.into()),
            }
        }
        is_usable
    }

    /// Writes a job that has waited for a lock before, beside others of so many cases in all that have.
    /// The more there are, the shorter it waits, so that each of them is tried often.
    pub(super) fn write_blocked(&mut self, job: Job, cases: usize) -> Step {
        let cases = u32::try_from(cases).unwrap_or(u32::MAX).max(1);
        let least = MOMENT.min(self.lock_timeout / BLOCKED);
        if !self.set_lock_timeout((self.lock_timeout / BLOCKED / cases).max(least)) {
            fail(self.queue, [job], &not_sent());
            return Step::Lost;
        }
        let step = self.write_one(job);
        if step < Step::Lost && !self.wait_briefly() { Step::Lost } else { step }
    }

    /// Writes one job, unless its caller is gone.
    pub(super) fn write_one(&mut self, job: Job) -> Step {
        if job.caller.is_gone() {
            return Step::Ended;
        }
        let mut run = || {
            let statement = Statement::new([(&job.actor, &job.batch)].into_iter());
            let measured = self.queue.metrics();
            measured.statement(slice::from_ref(&job), || statement.run(self.connection))
        };
        let result = match run() {
            // The case or a user was deleted between the look-up and the check of the foreign key.
            // A second look-up no longer finds it and reports that.
            Err(DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _))
                if !job.caller.is_gone() =>
            {
                run()
            }
            result => result,
        };
        match result {
            Ok(_) if self.is_replaced() => {
                fail(self.queue, [job], &abandoned());
                Step::Lost
            }
            Ok(mut results) => {
                let verdict = results.next(&job.batch);
                self.finish(job, verdict)
            }
            Err(error) if is_lock_timeout(&error) => {
                block(self.queue, job, &error.into());
                Step::Blocked
            }
            Err(error) => {
                let step = if is_fatal(&error) { Step::Lost } else { Step::Ended };
                fail(self.queue, [job], &failure(error));
                step
            }
        }
    }

    /// Sends the outcomes of jobs that were not created. Returns whether the connection is still
    /// usable.
    fn finish_all(&mut self, jobs: Vec<(Job, Verdict)>) -> bool {
        let mut step = Step::Written;
        for (job, verdict) in jobs {
            if step < Step::Blocked || job.batch.idempotency_key().is_none() {
                step = step.max(self.finish(job, verdict));
            } else {
                // Its look-up would wait for the same lock, or needs another connection. To run it
                // again gives the same verdict.
                self.queue.requeue(job);
            }
        }
        step != Step::Lost
    }

    /// Sends the outcome of a job that was run.
    fn finish(&mut self, job: Job, verdict: Verdict) -> Step {
        // Only a batch whose key is looked up is copied: the look-up may fail.
        let copy = (!matches!(verdict, Verdict::Created(_))
            && job.batch.idempotency_key().is_some())
        .then(|| job.batch.clone());
        let Job { actor, batch, caller, in_doubt_since } = job;
        match resolve(self.connection, actor.tenant, batch, verdict) {
            Ok(outcome) => {
                caller.send(outcome);
                Step::Written
            }
            Err(error) => {
                let job = copy.map(|batch| Job { actor, batch, caller, in_doubt_since });
                if is_lock_timeout(&error) {
                    if let Some(job) = job {
                        block(self.queue, job, &error.into());
                    }
                    return Step::Blocked;
                }
                let step = if is_fatal(&error) { Step::Lost } else { Step::Ended };
                fail(self.queue, job, &error.into());
                step
            }
        }
    }

    /// Whether another generation has replaced this one: its server was abandoned because it hung,
    /// and results that arrive later are discarded.
    fn is_replaced(&self) -> bool {
        self.queue.generation() != self.generation
    }

    /// Sets how long the session waits for a lock. Returns whether the connection is usable.
    fn set_lock_timeout(&mut self, timeout: Duration) -> bool {
        let milliseconds = timeout.as_millis().max(1);
        self.connection.batch_execute(&format!("SET lock_timeout = '{milliseconds}ms'")).is_ok()
    }
}
