//! The store's write path without a server: tenants, a writer, and a lock that blocks the writer.

use std::{
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicI64, Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};

use domain::{Actor, CreatedTasks, Error, KeyId, TaskBatch, TaskDraft, TenantId};
use store::{Database, PoolSettings, TaskWriter, WriterSettings};

use super::{LONG_LOCK_TIMEOUT, Session, TestDatabase, populate};

/// A database with three tenants, each with the users of the API document and a case.
pub(crate) struct WritePath {
    pub(crate) database: TestDatabase,
    pub(crate) session: Session,
    pub(crate) tenants: [Tenant; 3],
}

/// A tenant and its case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) case_id: i64,
}

impl Tenant {
    /// Returns a caller of the tenant, each time with another key and in another request.
    pub(crate) fn actor(self) -> Actor {
        static NEXT: AtomicI64 = AtomicI64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let request_id = format!("request {number}");
        Actor { tenant: self.id, key: KeyId::new(number).unwrap(), request_id }
    }
}

/// What became of a batch.
pub(crate) type Outcome = Result<CreatedTasks, Error>;

/// A batch in the queue. Awaiting it returns the outcome; dropping it withdraws the batch, as a
/// caller that disconnects does.
pub(crate) type PendingBatch<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// One writer thread, so that batches are written in a known order, and a queue that is long enough
/// for all tests.
pub(crate) const ONE_WRITER: WriterSettings = WriterSettings {
    threads: 1,
    batches_per_statement: 32,
    one_tenant_per_statement: false,
    queue_length: 64,
    queue_length_per_tenant: 64,
};

impl WritePath {
    /// Creates the database and its tenants.
    pub(crate) async fn create() -> Self {
        let database = TestDatabase::create();
        let admin = database.open();
        let mut tenants = Vec::new();
        for name in ["A", "B", "C"] {
            let (id, case_id) = populate(&admin, name).await;
            tenants.push(Tenant { id, case_id });
        }
        let session = Session::open(database.url());
        Self { database, session, tenants: tenants.try_into().unwrap() }
    }

    /// Starts a writer on the database.
    pub(crate) fn writer(&self, settings: WriterSettings) -> TaskWriter {
        self.writer_with(settings, LONG_LOCK_TIMEOUT)
    }

    /// Starts a writer whose statements wait this long for locks.
    pub(crate) fn writer_with(
        &self,
        settings: WriterSettings,
        lock_timeout: Duration,
    ) -> TaskWriter {
        let pool = PoolSettings {
            writers: settings.threads,
            readers: 1,
            changers: 1,
            tenant_queue_length: 1,
            checkout_timeout: Duration::from_secs(10),
            lock_timeout,
        };
        TaskWriter::start(&Database::open(self.database.url(), &pool), settings).unwrap()
    }

    /// Blocks the writer's one thread in a statement with a batch of its own, which is returned.
    /// Batches that are submitted now stay in the queue until [`Self::unblock_writer`].
    pub(crate) fn block_writer<'a>(&mut self, writer: &'a TaskWriter) -> PendingBatch<'a> {
        self.session.lock("tasks");
        let first = submit(writer, self.tenants[0], batch(self.tenants[0], &["first"]));
        self.session.await_blocked(1);
        first.unwrap()
    }

    /// Lets the blocked statement run.
    pub(crate) fn unblock_writer(&mut self) {
        self.session.unlock();
    }

    /// Returns the number of transactions that created the tasks with greater ids.
    pub(crate) fn transactions_since(&mut self, id: i64) -> usize {
        let sql = format!("SELECT count(DISTINCT xmin::text) FROM tasks WHERE id > {id}");
        self.session.query(&sql).parse().unwrap()
    }
}

/// Puts a batch into the writer's queue. Returns the outcome as an error where there is one at
/// once, as for a batch that the queue rejects.
pub(crate) fn submit(
    writer: &TaskWriter,
    tenant: Tenant,
    batch: TaskBatch,
) -> Result<PendingBatch<'_>, Outcome> {
    submit_as(writer, tenant.actor(), batch)
}

/// Puts a batch of a caller into the writer's queue, as [`submit`] does.
pub(crate) fn submit_as(
    writer: &TaskWriter,
    actor: Actor,
    batch: TaskBatch,
) -> Result<PendingBatch<'_>, Outcome> {
    let mut pending: PendingBatch<'_> = Box::pin(writer.create(actor, batch));
    // The first poll puts it into the queue.
    match pending.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Err(outcome),
        Poll::Pending => Ok(pending),
    }
}

/// Returns a batch for the tenant's case, with a task for each description, each assigned to the
/// tenant's first user, and without an idempotency key.
pub(crate) fn batch(tenant: Tenant, descriptions: &[&str]) -> TaskBatch {
    batch_with_key(tenant, descriptions, "")
}

/// Returns the same batch with an idempotency key, or without one where `key` is empty.
pub(crate) fn batch_with_key(tenant: Tenant, descriptions: &[&str], key: &str) -> TaskBatch {
    let tasks = descriptions.iter().map(|text| draft(text, &["user1@example.com"]));
    let tasks = tasks.collect::<Vec<_>>().into_iter();
    TaskBatch::parse(tenant.case_id, tasks, key.to_owned()).unwrap()
}

/// Returns a task that was not yet checked.
pub(crate) fn draft(description: &str, emails: &[&str]) -> TaskDraft {
    TaskDraft {
        description: description.to_owned(),
        assignee_emails: emails.iter().map(ToString::to_string).collect(),
    }
}

/// SQL that makes Postgres reject tasks with the description `poison`, with an internal error.
pub(crate) const POISON: &str = "CREATE FUNCTION reject() RETURNS trigger LANGUAGE plpgsql \
     AS $$ BEGIN RAISE EXCEPTION 'poison'; END $$; \
     CREATE TRIGGER reject BEFORE INSERT ON tasks FOR EACH ROW \
     WHEN (NEW.description = 'poison') EXECUTE FUNCTION reject()";

/// Awaits several batches and returns their outcomes, in order.
pub(crate) async fn outcomes<const N: usize>(batches: [PendingBatch<'_>; N]) -> [Outcome; N] {
    let mut outcomes = Vec::new();
    for batch in batches {
        outcomes.push(batch.await);
    }
    outcomes.try_into().unwrap()
}

/// Returns the id of the last task of a batch that was created.
pub(crate) fn last_task_id(outcome: &Outcome) -> i64 {
    outcome.as_ref().unwrap().tasks.last().unwrap().id.get()
}

/// Returns the descriptions of the tasks of a batch that was created.
pub(crate) fn descriptions(outcome: &Outcome) -> Vec<&str> {
    outcome.as_ref().unwrap().tasks.iter().map(|task| task.description.as_str()).collect()
}
