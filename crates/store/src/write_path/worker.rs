//! The threads that write.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use domain::TenantId;

use super::{
    failure::{abandoned, failure, is_fatal, not_sent},
    job::Job,
    outcome::resolve,
    queue::{Generation, Queue},
    settings::WriterSettings,
    statement::{Statement, Verdict},
};
use crate::{connections::pool::Connection, database::Database, error::Error};

/// A connection that has been idle for longer is checked before it is used: it may be dead, and a
/// statement that is lost on it would leave its outcome unknown.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// How long a batch in doubt is run again to find out whether it was created, as long as its caller
/// waits.
const DOUBT_LIMIT: Duration = Duration::from_secs(30);

/// How many workers were started, and why not all of them.
pub(super) struct Started {
    pub(super) count: usize,
    pub(super) result: io::Result<()>,
}

/// A thread that takes jobs from the queue and writes them on a connection of its own.
pub(super) struct Worker {
    queue: Arc<Queue<Job>>,
    generation: Generation,
    database: Database,
    settings: WriterSettings,
    /// The connection, and when it was last used.
    connection: Option<(Connection, Instant)>,
}

impl Worker {
    /// Starts the workers of a generation, as many as the system has threads for.
    pub(super) fn start_all(
        queue: &Arc<Queue<Job>>,
        generation: Generation,
        database: &Database,
        settings: WriterSettings,
    ) -> Started {
        for index in 0..settings.threads.max(1) {
            let mut worker = Self {
                queue: Arc::clone(queue),
                generation,
                database: database.clone(),
                settings,
                connection: None,
            };
            let builder = thread::Builder::new().name(format!("writer-{index}"));
            if let Err(error) = builder.spawn(move || worker.run()) {
                return Started { count: index, result: Err(error) };
            }
        }
        Started { count: settings.threads.max(1), result: Ok(()) }
    }

    fn run(&mut self) {
        let WriterSettings { batches_per_statement, one_tenant_per_statement, .. } = self.settings;
        loop {
            let most = batches_per_statement.max(1);
            let jobs = self.queue.take(self.generation, most, one_tenant_per_statement);
            if jobs.is_empty() {
                return;
            }
            // A panic must cost these jobs only, not the thread. Each of the jobs logs it too, when
            // it is dropped.
            if catch_unwind(AssertUnwindSafe(|| self.write(jobs))).is_err() {
                self.connection = None;
                tracing::error!("a writer thread panicked; the outcome of its batches is unknown");
            }
        }
    }

    fn write(&mut self, mut jobs: Vec<(TenantId, Job)>) {
        jobs.retain(|(_, job)| !job.caller.is_gone());
        if jobs.is_empty() {
            return;
        }
        match self.connect() {
            Ok(_) | Err(_) if self.is_replaced() => self.requeue_all(jobs),
            Ok(mut connection) => {
                // To connect may have taken a while.
                jobs.retain(|(_, job)| !job.caller.is_gone());
                // A batch in doubt may be what breaks connections: it runs alone, and first.
                let (in_doubt, jobs): (Vec<_>, Vec<_>) =
                    jobs.into_iter().partition(|(_, job)| job.in_doubt_since.is_some());
                let is_usable = if self.write_each(&mut connection, in_doubt) {
                    // The batches in doubt may have taken a while, too.
                    let jobs = jobs.into_iter().filter(|(_, job)| !job.caller.is_gone()).collect();
                    self.write_together(&mut connection, jobs)
                } else {
                    self.fail(jobs, &not_sent());
                    false
                };
                if is_usable {
                    self.connection = Some((connection, Instant::now()));
                }
            }
            Err(error) => {
                // Jobs behind these would fail the same way after the same wait.
                jobs.extend(self.queue.take_all(self.generation));
                tracing::error!(
                    %error,
                    batches = jobs.len(),
                    "failed to get a database connection; rejecting batches"
                );
                for (_, job) in &jobs {
                    tracing::debug!(parent: job.caller.span(), "no connection for the batch");
                }
                self.fail(jobs, &error);
            }
        }
    }

    /// Whether another generation has replaced this one: its server was abandoned because it hung,
    /// and results that arrive later are discarded.
    fn is_replaced(&self) -> bool {
        self.queue.generation() != self.generation
    }

    /// Leaves jobs that were not begun to the next generation.
    fn requeue_all(&self, jobs: Vec<(TenantId, Job)>) {
        for (tenant, job) in jobs.into_iter().rev() {
            self.queue.requeue(tenant, job);
        }
    }

    /// Writes all jobs in one statement. If that fails, writes each in its own, so that none fails
    /// because of another. Returns whether the connection is still usable.
    fn write_together(&self, connection: &mut Connection, jobs: Vec<(TenantId, Job)>) -> bool {
        if jobs.len() <= 1 {
            return self.write_each(connection, jobs);
        }
        let statement = Statement::new(jobs.iter().map(|(tenant, job)| (*tenant, &job.batch)));
        match statement.run(connection) {
            Ok(_) if self.is_replaced() => {
                self.fail(jobs, &abandoned());
                false
            }
            Ok(mut results) => {
                let mut is_usable = true;
                for (tenant, job) in jobs {
                    let verdict = results.next(&job.batch);
                    is_usable &= self.finish(connection, tenant, job, verdict);
                }
                is_usable
            }
            Err(error) if is_fatal(&error) => {
                self.fail(jobs, &failure(error));
                false
            }
            Err(error) => {
                tracing::warn!(
                    %error,
                    batches = jobs.len(),
                    "a shared statement failed; running its batches one by one"
                );
                for (_, job) in &jobs {
                    tracing::debug!(parent: job.caller.span(), "running the batch by itself");
                }
                self.write_each(connection, jobs)
            }
        }
    }

    /// Writes each job in a statement of its own, but for those whose caller is gone by then. Returns
    /// whether the connection is still usable.
    fn write_each(&self, connection: &mut Connection, jobs: Vec<(TenantId, Job)>) -> bool {
        let mut jobs = jobs.into_iter();
        while let Some((tenant, job)) = jobs.next() {
            if job.caller.is_gone() {
                continue;
            }
            if !self.write_one(connection, tenant, job) {
                self.fail(jobs, &not_sent());
                return false;
            }
        }
        true
    }

    /// Writes one job. Returns whether the connection is still usable.
    fn write_one(&self, connection: &mut Connection, tenant: TenantId, job: Job) -> bool {
        let statement = || Statement::new([(tenant, &job.batch)].into_iter());
        let result = match statement().run(connection) {
            // The case or a user was deleted between the look-up and the check of the foreign key.
            // A second look-up no longer finds it and reports that.
            Err(DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)) => {
                statement().run(connection)
            }
            result => result,
        };
        match result {
            Ok(_) if self.is_replaced() => {
                self.fail([(tenant, job)], &abandoned());
                false
            }
            Ok(mut results) => {
                let verdict = results.next(&job.batch);
                self.finish(connection, tenant, job, verdict)
            }
            Err(error) => {
                let is_usable = !is_fatal(&error);
                self.fail([(tenant, job)], &failure(error));
                is_usable
            }
        }
    }

    /// Sends the outcome of a job that was run. Returns whether the connection is still usable.
    fn finish(
        &self,
        connection: &mut Connection,
        tenant: TenantId,
        job: Job,
        verdict: Verdict,
    ) -> bool {
        // Only a batch whose key is looked up is copied: the look-up may fail.
        let copy = (!matches!(verdict, Verdict::Created(_))
            && job.batch.idempotency_key().is_some())
        .then(|| job.batch.clone());
        let Job { batch, caller, in_doubt_since } = job;
        match resolve(connection, tenant, batch, verdict) {
            Ok(outcome) => {
                caller.send(outcome);
                true
            }
            Err(error) => {
                let is_usable = !is_fatal(&error);
                if let Some(batch) = copy {
                    self.fail([(tenant, Job { batch, caller, in_doubt_since })], &error.into());
                }
                is_usable
            }
        }
    }

    /// Sends the error to the callers of jobs whose statement failed. Jobs that may have been created
    /// and have an idempotency key are requeued instead: to run them again shows what happened.
    fn fail(&self, jobs: impl IntoIterator<Item = (TenantId, Job)>, error: &Error) {
        for (tenant, mut job) in jobs {
            if matches!(error, Error::ConnectionLost(_)) {
                job.in_doubt_since.get_or_insert_with(Instant::now);
            }
            let Some(since) = job.in_doubt_since else {
                job.caller.send(Err(error.clone().into()));
                continue;
            };
            if job.batch.idempotency_key().is_some() && since.elapsed() < DOUBT_LIMIT {
                tracing::warn!(
                    parent: job.caller.span(),
                    %tenant,
                    %error,
                    "the batch may have been created; running it again to find out"
                );
                self.queue.requeue(tenant, job);
            } else {
                let error = Error::connection_lost(error.clone());
                job.caller.send(Err(error.into()));
            }
        }
    }

    /// Returns the worker's connection if it was used a moment ago, else one that the pool has
    /// checked.
    fn connect(&mut self) -> Result<Connection, Error> {
        match self.connection.take() {
            Some((connection, used)) if used.elapsed() < TRUSTED_IDLE => Ok(connection),
            stale => {
                drop(stale);
                self.database.connection()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{Error as CallError, TaskBatch, TaskDraft};
    use tokio::sync::oneshot;

    use super::*;
    use crate::{
        connections::pool::PoolSettings,
        log_capture::LogCapture,
        write_path::{outcome::Outcome, queue::Limits},
    };

    /// Returns a worker that gets no connection.
    fn worker(checkout_timeout: Duration) -> Worker {
        // Nothing listens there.
        let url = "postgresql://127.0.0.1:1/nowhere".parse().unwrap();
        let settings = PoolSettings { writers: 0, readers: 0, checkout_timeout };
        Worker {
            queue: Arc::new(Queue::new(Limits { total: 9, per_tenant: 9 })),
            generation: Generation::default(),
            database: Database::open(&url, &settings),
            settings: WriterSettings {
                threads: 1,
                batches_per_statement: 9,
                one_tenant_per_statement: false,
                queue_length: 9,
                queue_length_per_tenant: 9,
            },
            connection: None,
        }
    }

    fn tenant() -> TenantId {
        TenantId::new(1).unwrap()
    }

    /// A batch that is submitted in the span of a request.
    fn submit(request_id: &str, key: &str) -> (Job, oneshot::Receiver<Outcome>) {
        let draft = TaskDraft { description: "x".to_owned(), assignee_emails: Vec::new() };
        let batch = TaskBatch::parse(1, [draft].into_iter(), key.to_owned()).unwrap();
        tracing::info_span!("request", request_id).in_scope(|| Job::new(batch))
    }

    #[test]
    fn what_is_logged_about_a_batch_is_in_the_span_of_its_request() {
        let log = LogCapture::start();
        let worker = worker(Duration::MAX);
        let (one, _one) = submit("r-1", "k-1");
        let (two, _two) = submit("r-2", "k-2");
        let (without_key, mut outcome) = submit("r-3", "");

        let jobs = [one, without_key, two].map(|job| (tenant(), job));
        worker.fail(jobs, &Error::connection_lost("cut"));

        let lines = log.lines("may have been created");
        assert_eq!(lines.len(), 2, "{lines:?}");
        for (line, id) in lines.iter().zip(["r-1", "r-2"]) {
            assert!(line.contains(&format!(r#""request_id":"{id}""#)), "{line}");
        }
        let outcome = outcome.try_recv().unwrap();
        assert!(matches!(outcome, Err(CallError::OutcomeUnknown(_))), "{outcome:?}");
        let requeued = worker.queue.take_all(worker.generation);
        assert!(requeued.iter().all(|(_, job)| job.in_doubt_since.is_some()));
        assert_eq!(requeued.len(), 2);
    }

    #[test]
    fn a_missing_connection_is_logged_in_the_span_of_each_batch_that_it_costs() {
        let log = LogCapture::start();
        let mut worker = worker(Duration::from_millis(10));
        let (one, mut one_outcome) = submit("r-1", "");
        let (waiting, mut waiting_outcome) = submit("r-2", "");
        worker.queue.push(tenant(), waiting).unwrap();

        worker.write(vec![(tenant(), one)]);

        let line = log.line("failed to get a database connection; rejecting batches");
        assert!(line.contains(r#""batches":2"#), "{line}");
        let lines = log.lines("no connection for the batch");
        assert_eq!(lines.len(), 2, "{lines:?}");
        for (line, id) in lines.iter().zip(["r-1", "r-2"]) {
            assert!(line.contains(&format!(r#""request_id":"{id}""#)), "{line}");
        }
        for outcome in [one_outcome.try_recv(), waiting_outcome.try_recv()] {
            assert!(matches!(outcome, Ok(Err(CallError::Unavailable(_)))), "{outcome:?}");
        }
    }

    #[test]
    fn a_panic_is_logged_in_the_span_of_each_batch_that_it_costs() {
        let log = LogCapture::start();
        let (sent, mut outcome) = submit("r-1", "");
        let (lost, mut nothing) = submit("r-2", "");
        let panic = catch_unwind(AssertUnwindSafe(move || {
            let _lost = lost;
            sent.caller.send(Err(CallError::Overloaded));
            panic!("a defect");
        }));

        assert!(panic.is_err());
        assert!(matches!(outcome.try_recv(), Ok(Err(CallError::Overloaded))));
        assert_eq!(nothing.try_recv().unwrap_err(), oneshot::error::TryRecvError::Closed);
        let line = log.line("its writer thread panicked");
        assert!(line.contains(r#""request_id":"r-2""#), "{line}");
    }
}
