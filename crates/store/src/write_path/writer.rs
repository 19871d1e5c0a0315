//! The entry point of the write path.

use std::{io, sync::Arc, time::Instant};

use domain::{Actor, Error, TaskBatch, TenantId};
use prometheus_client::registry::Registry;

use super::{
    job::Job,
    outcome::Outcome,
    queue::{Limits, Queue, Refusal},
    readings::QueueReadings,
    settings::WriterSettings,
    worker::Worker,
};
use crate::database::Database;

/// The entry point of the write path. When it is dropped, the batches that wait are still written;
/// then its threads end.
#[derive(Debug)]
pub struct TaskWriter {
    queue: Arc<Queue<Job>>,
    /// Writes without the queue, if [`Self::plain`] made this.
    #[cfg(feature = "plain-writes")]
    plain: Option<Database>,
}

impl TaskWriter {
    /// Starts the worker threads. They connect when the first batch comes.
    ///
    /// # Errors
    /// If the system can't start as many threads.
    pub fn start(database: &Database, settings: WriterSettings) -> io::Result<Self> {
        let limits =
            Limits { total: settings.queue_length, per_tenant: settings.queue_length_per_tenant };
        let writer = Self {
            queue: Arc::new(Queue::new(limits)),
            #[cfg(feature = "plain-writes")]
            plain: None,
        };
        let generation = writer.queue.generation();
        Worker::start_all(&writer.queue, generation, database, settings).result?;
        let queue = Arc::downgrade(&writer.queue);
        // A thread that waits for a server that hangs can't be interrupted, so others take its place.
        database.on_failover(move |database| {
            let Some(queue) = queue.upgrade() else { return };
            let generation = queue.generation().next();
            let started = Worker::start_all(&queue, generation, database, settings);
            if let Err(error) = &started.result {
                let (started, wanted) = (started.count, settings.threads);
                tracing::error!(%error, started, wanted, "failed to restart all writer threads");
            }
            // One thread can do the work of all, only slower.
            if started.count > 0 {
                queue.begin(generation);
            }
        });
        Ok(writer)
    }

    /// Returns a writer of the plain design, which benches compare the write path with: it has no
    /// threads and no queue, and writes each batch in a transaction of its own on a pooled
    /// connection.
    #[cfg(feature = "plain-writes")]
    #[must_use]
    pub fn plain(database: &Database) -> Self {
        let limits = Limits { total: usize::MAX, per_tenant: usize::MAX };
        Self { queue: Arc::new(Queue::new(limits)), plain: Some(database.clone()) }
    }

    /// Creates a batch for the actor's tenant: all of its tasks, or none. A caller that drops the future before a
    /// worker has begun the batch withdraws it; after that, it may be created all the same.
    ///
    /// A batch with an idempotency key is created once, however often and through however many
    /// servers it is requested, and whatever fails in between. If its connection is lost, it is run
    /// again on another one until it is known what happened: the second run waits for whatever the
    /// first one still does.
    ///
    /// A batch that needs a lock which another session holds is tried again and again, until it gets
    /// the lock or its caller drops the future.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the case does not exist, then [`Error::Invalid`] if users do not;
    /// [`Error::IdempotencyKeyReused`] if the tenant used the key for another request;
    /// [`Error::Overloaded`], [`Error::TenantOverloaded`] and [`Error::Unavailable`] if the batch
    /// was not run; [`Error::OutcomeUnknown`] if it may or may not have been created.
    pub async fn create(&self, actor: Actor, batch: TaskBatch) -> Outcome {
        self.create_until(None, actor, batch).await
    }

    /// Creates a batch as [`Self::create`] does, unless it is not begun 10 ms before the
    /// deadline. A caller that drops the future then may do so too late: neither waits for the other.
    ///
    /// # Errors
    /// Those of [`Self::create`]; [`Error::DeadlineExceeded`] if it was not begun.
    pub async fn create_until(
        &self,
        deadline: Option<Instant>,
        actor: Actor,
        batch: TaskBatch,
    ) -> Outcome {
        #[cfg(feature = "plain-writes")]
        if let Some(database) = &self.plain {
            return super::plain::create(database, actor, batch).await;
        }
        let (mut job, outcome) = Job::new(actor, batch);
        job.caller.deadline = deadline;
        self.queue.push(job).map_err(|refusal| match refusal {
            Refusal::Full => Error::Overloaded,
            Refusal::TenantFull => Error::TenantOverloaded,
            Refusal::Closed => Error::Unavailable("the writer is shutting down".into()),
        })?;
        outcome.await.unwrap_or_else(|lost| Err(Error::OutcomeUnknown(lost.into())))
    }

    /// Registers what is counted and measured of the write path.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.queue.metrics().register(registry);
        registry.register_collector(Box::new(QueueReadings(Arc::downgrade(&self.queue))));
    }

    /// Whether a batch of this tenant that comes now is refused, whatever its case.
    #[must_use]
    pub fn is_full_for(&self, tenant: TenantId) -> bool {
        self.queue.is_full_for(tenant)
    }

    /// Whether a batch that comes now is refused, whatever its tenant.
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
