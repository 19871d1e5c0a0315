//! The threads that write.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{
    contended::Turn,
    execution::{Execution, Origin, Step},
    job::Job,
    queue::{Generation, Queue, Work},
    settings::WriterSettings,
    unfinished::fail,
};
use crate::{connections::pool::Connection, database::Database, error::Error, turns::Most};

/// A connection that has been idle for longer is checked before it is used: it may be dead, and a
/// statement that is lost on it would leave its outcome unknown.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// The most rows of a statement with several batches, which bounds the time that it takes. The largest
/// batch has 1,276: 25 tasks with 50 assignees each, and an idempotency key.
const ROWS_PER_STATEMENT: usize = 1280;

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

/// How jobs are run.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// In one statement.
    Shared,
    /// Each in its own statement, which waits for locks for a moment only.
    Apart,
    /// Not yet: it is looked up whether they repeat earlier ones.
    LookUp,
    /// In a statement of its own, which waits longer for locks, while so many cases in all do.
    Blocked { cases: usize },
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
        let most = Most {
            jobs: batches_per_statement.max(1),
            rows: ROWS_PER_STATEMENT,
            one_tenant: one_tenant_per_statement,
        };
        while let Some(work) = self.queue.take(self.generation, most) {
            let begun = Instant::now();
            let is_in_lane = matches!(work, Work::Lane(_));
            // A panic must cost these jobs only, not the thread. Each of the jobs logs it too, when
            // it is dropped.
            if catch_unwind(AssertUnwindSafe(|| self.write(work))).is_err() {
                self.connection = None;
                tracing::error!("a writer thread panicked; the outcome of its batches is unknown");
            }
            if is_in_lane {
                self.queue.end_turn(self.generation, begun.elapsed());
            }
        }
    }

    fn write(&mut self, work: Work<Job>) {
        let (mut jobs, way) = match work {
            Work::Shared(jobs) => (jobs, Way::Shared),
            Work::Repeats(jobs) => (jobs, Way::LookUp),
            Work::Lane(Turn::Untried(jobs)) => (jobs, Way::Apart),
            Work::Lane(Turn::Blocked { job, cases }) => (vec![job], Way::Blocked { cases }),
        };
        self.queue.metrics().taken(&mut jobs);
        jobs.retain(|job| !job.caller.is_gone());
        if jobs.is_empty() {
            return;
        }
        match self.connect() {
            Ok(_) | Err(_) if self.is_replaced() => self.requeue_all(jobs),
            Ok(mut connection) => {
                // To connect may have taken a while.
                jobs.retain(|job| !job.caller.is_gone());
                if self.execute(&mut connection, jobs, way) {
                    self.connection = Some((connection, Instant::now()));
                } else {
                    self.execution(&mut connection).end();
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
                for job in &jobs {
                    tracing::debug!(parent: job.caller.span(), "no connection for the batch");
                }
                fail(&self.queue, jobs, &error);
            }
        }
    }

    /// Runs jobs on the connection. Returns whether it is still usable.
    fn execute(&self, connection: &mut Connection, jobs: Vec<Job>, way: Way) -> bool {
        let mut execution = self.execution(connection);
        match way {
            Way::Shared => execution.write_shared(jobs),
            Way::Apart => execution.write_apart(jobs, Origin::Lane),
            Way::LookUp => execution.answer_repeats(jobs),
            Way::Blocked { cases } => jobs.into_iter().all(|job| {
                let (tenant, case) = (job.actor.tenant, job.batch.case());
                let step = execution.write_blocked(job, cases);
                if step == Step::Written {
                    self.queue.unblock(tenant, case);
                }
                step != Step::Lost
            }),
        }
    }

    fn execution<'a>(&'a self, connection: &'a mut Connection) -> Execution<'a> {
        Execution {
            queue: &self.queue,
            generation: self.generation,
            connection,
            lock_timeout: self.database.lock_timeout(),
        }
    }

    /// Whether another generation has replaced this one: its server was abandoned because it hung,
    /// and results that arrive later are discarded.
    fn is_replaced(&self) -> bool {
        self.queue.generation() != self.generation
    }

    /// Leaves jobs that were not begun to the next generation.
    fn requeue_all(&self, jobs: Vec<Job>) {
        for job in jobs.into_iter().rev() {
            self.queue.requeue(job);
        }
    }

    /// Returns the worker's connection if it was used a moment ago, else one that the pool has
    /// checked.
    fn connect(&mut self) -> Result<Connection, Error> {
        match self.connection.take() {
            Some((connection, used)) if used.elapsed() < TRUSTED_IDLE => return Ok(connection),
            Some((mut stale, _)) => self.execution(&mut stale).end(),
            None => {}
        }
        let mut connection = self.database.writer_connection()?;
        self.execution(&mut connection).begin()?;
        Ok(connection)
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
        write_path::{job::tests::actor, outcome::Outcome, queue::Limits},
    };

    /// Returns a worker that gets no connection.
    fn worker(checkout_timeout: Duration) -> Worker {
        // Nothing listens there.
        let url = "postgresql://127.0.0.1:1/nowhere".parse().unwrap();
        let lock_timeout = Duration::from_secs(1);
        let settings = PoolSettings {
            writers: 0,
            readers: 0,
            changers: 0,
            checkout_timeout,
            lock_timeout,
            tenant_queue_length: 1,
        };
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

    /// A batch that is submitted in the span of a request.
    fn submit(request_id: &str) -> (Job, oneshot::Receiver<Outcome>) {
        let draft = TaskDraft { description: "x".to_owned(), assignee_emails: Vec::new() };
        let batch = TaskBatch::parse(1, [draft].into_iter(), String::new()).unwrap();
        tracing::info_span!("request", request_id).in_scope(|| Job::new(actor(request_id), batch))
    }

    #[test]
    fn a_missing_connection_is_logged_in_the_span_of_each_batch_that_it_costs() {
        let log = LogCapture::start();
        let mut worker = worker(Duration::from_millis(10));
        let (one, mut one_outcome) = submit("r-1");
        let (waiting, mut waiting_outcome) = submit("r-2");
        worker.queue.push(waiting).unwrap();

        worker.write(Work::Shared(vec![one]));

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
}
