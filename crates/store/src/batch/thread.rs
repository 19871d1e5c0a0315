//! The threads that write.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use domain::{Error, TaskBatch, TenantId};
use tokio::sync::oneshot;

use super::{
    outcome::{Outcome, settle},
    queue::{Queue, Shift},
    statement::{Statement, Verdict},
    writer::WriterSettings,
};
use crate::{Database, connections::Connection, error::Error as StoreError};

/// A connection that has been idle for longer is tested before it is used: it may be dead, and
/// a statement that is lost on it would leave its outcome unknown.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// For how long the truth about a batch is sought whose connection was lost, as long as its caller
/// waits.
const DOUBT_LIMIT: Duration = Duration::from_secs(30);

/// A batch that waits to be written, and who waits for it.
#[derive(Debug)]
pub(super) struct Job {
    batch: TaskBatch,
    answer: oneshot::Sender<Outcome>,
    /// Since when it may have been created, in a statement whose connection was lost.
    in_doubt_since: Option<Instant>,
}

/// How many threads were started, and why not all.
pub(super) struct Started {
    pub(super) count: usize,
    pub(super) outcome: io::Result<()>,
}

/// A thread that writes, with a connection of its own.
pub(super) struct Thread {
    queue: Arc<Queue<Job>>,
    shift: Shift,
    database: Database,
    settings: WriterSettings,
    connection: Option<(Connection, Instant)>,
}

impl Thread {
    /// Starts the threads of a shift, as far as the system has some.
    pub(super) fn start_all(
        queue: &Arc<Queue<Job>>,
        shift: Shift,
        database: &Database,
        settings: WriterSettings,
    ) -> Started {
        for index in 0..settings.threads.max(1) {
            let mut thread = Self {
                queue: Arc::clone(queue),
                shift,
                database: database.clone(),
                settings,
                connection: None,
            };
            let builder = thread::Builder::new().name(format!("writer-{index}"));
            if let Err(error) = builder.spawn(move || thread.run()) {
                return Started { count: index, outcome: Err(error) };
            }
        }
        Started { count: settings.threads.max(1), outcome: Ok(()) }
    }

    fn run(&mut self) {
        let WriterSettings { batches_per_statement, one_tenant_per_statement, .. } = self.settings;
        loop {
            let most = batches_per_statement.max(1);
            let jobs = self.queue.take(self.shift, most, one_tenant_per_statement);
            if jobs.is_empty() {
                return;
            }
            // A panic costs these jobs, not the thread and with it a share of all that come.
            if catch_unwind(AssertUnwindSafe(|| self.write(jobs))).is_err() {
                self.connection = None;
                tracing::error!("a writer panicked; its batches were answered as unknown");
            }
        }
    }

    fn write(&mut self, mut jobs: Vec<(TenantId, Job)>) {
        jobs.retain(|(_, job)| !job.answer.is_closed());
        if jobs.is_empty() {
            return;
        }
        match self.connect() {
            Ok(_) | Err(_) if self.is_over() => self.hand_over(jobs),
            Ok(mut connection) => {
                // That may have taken its time.
                jobs.retain(|(_, job)| !job.answer.is_closed());
                // What lost a connection before may do so again: it takes no other along.
                let (doubtful, jobs): (Vec<_>, Vec<_>) =
                    jobs.into_iter().partition(|(_, job)| job.in_doubt_since.is_some());
                let is_good = if self.write_apart(&mut connection, doubtful) {
                    self.write_together(&mut connection, jobs)
                } else {
                    self.fail(jobs, &never_sent());
                    false
                };
                if is_good {
                    self.connection = Some((connection, Instant::now()));
                }
            }
            Err(error) => {
                // What waits behind would wait as long, and in vain as well.
                jobs.extend(self.queue.take_all(self.shift));
                tracing::error!(%error, batches = jobs.len(), "no connection to write with");
                self.fail(jobs, &error);
            }
        }
    }

    /// Whether another shift has taken over: the server that this one wrote to was left, because
    /// it hung. What it says or does from then on is of no matter.
    fn is_over(&self) -> bool {
        self.queue.shift() != self.shift
    }

    /// Leaves jobs that were not begun to the next shift.
    fn hand_over(&self, jobs: Vec<(TenantId, Job)>) {
        for (tenant, job) in jobs.into_iter().rev() {
            self.queue.put_back(tenant, job);
        }
    }

    /// Writes all jobs in one statement; where that fails, one by one, so that none fails for
    /// another. Tells whether the connection is still good.
    fn write_together(&self, connection: &mut Connection, jobs: Vec<(TenantId, Job)>) -> bool {
        if jobs.len() <= 1 {
            return self.write_apart(connection, jobs);
        }
        let statement = Statement::new(jobs.iter().map(|(tenant, job)| (*tenant, &job.batch)));
        match statement.run(connection) {
            Ok(_) if self.is_over() => {
                self.fail(jobs, &left_behind());
                false
            }
            Ok(mut answer) => {
                let mut is_good = true;
                for (tenant, job) in jobs {
                    let verdict = answer.next(&job.batch);
                    is_good &= self.answer(connection, tenant, job, verdict);
                }
                is_good
            }
            Err(error) if is_fatal(&error) => {
                self.fail(jobs, &error.into());
                false
            }
            Err(error) => {
                tracing::warn!(%error, batches = jobs.len(), "a shared statement failed; taking it apart");
                self.write_apart(connection, jobs)
            }
        }
    }

    /// Writes jobs one by one. Tells whether the connection is still good.
    fn write_apart(&self, connection: &mut Connection, jobs: Vec<(TenantId, Job)>) -> bool {
        let mut jobs = jobs.into_iter();
        while let Some((tenant, job)) = jobs.next() {
            if !self.write_alone(connection, tenant, job) {
                self.fail(jobs, &never_sent());
                return false;
            }
        }
        true
    }

    /// Writes one job. Tells whether the connection is still good.
    fn write_alone(&self, connection: &mut Connection, tenant: TenantId, job: Job) -> bool {
        let statement = || Statement::new([(tenant, &job.batch)].into_iter());
        let answer = match statement().run(connection) {
            // The case or a user went between the look-up and the check of the foreign key. A
            // second look finds it gone, and says so in its place.
            Err(DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)) => {
                statement().run(connection)
            }
            answer => answer,
        };
        match answer {
            Ok(_) if self.is_over() => {
                self.fail([(tenant, job)], &left_behind());
                false
            }
            Ok(mut answer) => {
                let verdict = answer.next(&job.batch);
                self.answer(connection, tenant, job, verdict)
            }
            Err(error) => {
                let is_good = !is_fatal(&error);
                self.fail([(tenant, job)], &error.into());
                is_good
            }
        }
    }

    /// Answers a job that was run. Tells whether the connection is still good.
    fn answer(
        &self,
        connection: &mut Connection,
        tenant: TenantId,
        job: Job,
        verdict: Verdict,
    ) -> bool {
        // A copy is kept only of what has to be looked up: that may fail.
        let again = (!matches!(verdict, Verdict::Created(_))
            && job.batch.idempotency_key().is_some())
        .then(|| job.batch.clone());
        let Job { batch, answer, in_doubt_since } = job;
        match settle(connection, tenant, batch, verdict) {
            Ok(outcome) => {
                // The caller may have gone.
                let _gone = answer.send(outcome);
                true
            }
            Err(error) => {
                let is_good = !is_fatal(&error);
                if let Some(batch) = again {
                    self.fail([(tenant, Job { batch, answer, in_doubt_since })], &error.into());
                }
                is_good
            }
        }
    }

    /// Answers jobs whose statement failed, or keeps them to be run again: those with a request id
    /// that may have been created.
    fn fail(&self, jobs: impl IntoIterator<Item = (TenantId, Job)>, error: &StoreError) {
        for (tenant, mut job) in jobs {
            if matches!(error, StoreError::ConnectionLost(_)) {
                job.in_doubt_since.get_or_insert_with(Instant::now);
            }
            let Some(since) = job.in_doubt_since else {
                job.answer(Err(share(error)));
                continue;
            };
            if job.batch.idempotency_key().is_some() && since.elapsed() < DOUBT_LIMIT {
                tracing::warn!(%error, "a batch may have been created; finding out");
                self.queue.put_back(tenant, job);
            } else {
                job.answer(Err(Error::OutcomeUnknown(error.to_string().into())));
            }
        }
    }

    /// The connection at hand where it can be trusted, else one that the pool has tested.
    fn connect(&mut self) -> Result<Connection, StoreError> {
        match self.connection.take() {
            Some((connection, used)) if used.elapsed() < TRUSTED_IDLE => Ok(connection),
            stale => {
                drop(stale);
                self.database.connection()
            }
        }
    }
}

impl Job {
    pub(super) fn new(batch: TaskBatch, answer: oneshot::Sender<Outcome>) -> Self {
        Self { batch, answer, in_doubt_since: None }
    }

    /// Answers the caller, where there still is one.
    fn answer(self, outcome: Outcome) {
        let _gone = self.answer.send(outcome);
    }
}

/// Whether an error says that the connection is of no more use.
fn is_fatal(error: &DieselError) -> bool {
    matches!(
        error,
        DieselError::BrokenTransactionManager
            | DieselError::DatabaseError(
                DatabaseErrorKind::ClosedConnection
                    | DatabaseErrorKind::UnableToSendCommand
                    // It was made to a server that has become a standby since.
                    | DatabaseErrorKind::ReadOnlyTransaction,
                _
            )
    )
}

/// Why a job was not begun.
fn never_sent() -> StoreError {
    StoreError::Unavailable("the connection was lost before".into())
}

/// Why an answer is not believed: another server may have taken over before the statement was done,
/// and know nothing of it.
fn left_behind() -> StoreError {
    StoreError::ConnectionLost("the server was left before it answered".into())
}

/// The same error for one more caller. Its source can't be copied, so its text goes along.
fn share(error: &StoreError) -> Error {
    let cause = match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}").into(),
        None => error.to_string().into(),
    };
    match error {
        StoreError::ConnectionLost(_) => Error::OutcomeUnknown(cause),
        StoreError::Unavailable(_) => Error::Unavailable(cause),
        StoreError::Exists(_)
        | StoreError::Missing(_)
        | StoreError::Invalid(_)
        | StoreError::Internal(_) => Error::Internal(cause),
    }
}
