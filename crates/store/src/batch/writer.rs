//! The write path's entrance.

use std::{io, sync::Arc};

use domain::{Error, TaskBatch, TenantId};
use tokio::sync::oneshot;

use super::{
    outcome::Outcome,
    plain,
    queue::{Limits, Queue, Refusal},
    thread::{Job, Thread},
};
use crate::Database;

/// How the write path runs.
#[derive(Clone, Copy, Debug)]
pub struct WriterSettings {
    /// Threads, with a connection each.
    pub threads: usize,
    /// The most batches that share a statement, and with it a transaction.
    pub batches_per_statement: usize,
    /// Whether batches of several tenants may not share a statement, for databases that are
    /// sharded by tenant.
    pub one_tenant_per_statement: bool,
    /// The most batches that wait; one more is refused.
    pub queue_length: usize,
    /// The most batches of one tenant that wait; one more is refused, others are not.
    pub queue_length_per_tenant: usize,
    /// Whether to do without all this, and write each batch in a transaction of its own on a
    /// connection from the pool. For comparison only.
    pub plain: bool,
}

/// The write path's entrance. When it goes, what waits is still written, and the threads end.
#[derive(Debug)]
pub struct TaskWriter {
    queue: Arc<Queue<Job>>,
    /// The way around the queue, where that was asked for.
    plain: Option<Database>,
}

impl TaskWriter {
    /// Starts the threads. They connect when the first batch comes.
    ///
    /// # Errors
    /// Where the system has no more threads.
    pub fn start(database: &Database, settings: WriterSettings) -> io::Result<Self> {
        let limits =
            Limits { total: settings.queue_length, per_tenant: settings.queue_length_per_tenant };
        let plain = settings.plain.then(|| database.clone());
        let writer = Self { queue: Arc::new(Queue::new(limits)), plain };
        if writer.plain.is_some() {
            return Ok(writer);
        }
        let shift = writer.queue.shift();
        Thread::start_all(&writer.queue, shift, database, settings).outcome?;
        let queue = Arc::downgrade(&writer.queue);
        // Those who wait for an answer that doesn't come can't be called back.
        database.on_renewal(move |database| {
            let Some(queue) = queue.upgrade() else { return };
            let shift = queue.shift().next();
            let started = Thread::start_all(&queue, shift, database, settings);
            if let Err(error) = &started.outcome {
                tracing::error!(%error, started = started.count, "not all writers were replaced");
            }
            // One can do the work of all, only slower. None can't.
            if started.count > 0 {
                queue.begin(shift);
            }
        });
        Ok(writer)
    }

    /// Creates a tenant's batch: all of its tasks, or none. A caller that goes away before the
    /// batch is at hand withdraws it; after that, it may be created all the same.
    ///
    /// A batch with a request id is created once, however often and in however many places it is
    /// asked for, and whatever is lost in between. Where its connection is lost, it is run again
    /// on another until the truth is known: a repeat waits for whatever the lost one still does.
    ///
    /// # Errors
    /// What of the batch doesn't exist ([`Error::NotFound`], then [`Error::Invalid`]); that another
    /// batch bore its request id ([`Error::IdempotencyKeyReused`]); or why it was not run
    /// ([`Error::Overloaded`], [`Error::TenantOverloaded`], [`Error::Unavailable`]), or that nobody knows
    /// ([`Error::OutcomeUnknown`]).
    pub async fn create(&self, tenant: TenantId, batch: TaskBatch) -> Outcome {
        if let Some(database) = &self.plain {
            return plain::create(database, tenant, batch).await;
        }
        let (answer, outcome) = oneshot::channel();
        self.queue.push(tenant, Job::new(batch, answer)).map_err(|refusal| match refusal {
            Refusal::Full => Error::Overloaded,
            Refusal::TenantFull => Error::TenantOverloaded,
            Refusal::Closed => Error::Unavailable("the writer is shutting down".into()),
        })?;
        outcome.await.unwrap_or_else(|lost| Err(Error::OutcomeUnknown(lost.into())))
    }

    /// Whether a batch that comes now is refused, whosever it is.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.queue.is_full()
    }
}

impl Drop for TaskWriter {
    fn drop(&mut self) {
        self.queue.close();
    }
}
