//! The write path without a server: tenants, a writer, and the means to block it.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use domain::{CreatedTasks, Error, TaskBatch, TaskDraft, TenantId};
use store::{Database, PoolSettings, TaskWriter, WriterSettings};

use super::{Session, TestDatabase, populate};

/// A database with three tenants, each with the document's users and a case.
pub(crate) struct WritePath {
    pub(crate) database: TestDatabase,
    pub(crate) session: Session,
    pub(crate) tenants: [Tenant; 3],
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) case_id: i64,
}

pub(crate) type Outcome = Result<CreatedTasks, Error>;

/// A batch in the queue: the future of its outcome. To drop it is to withdraw the batch.
pub(crate) type Call<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// One worker, so that its statements have an order, and a queue that is long enough for every test.
pub(crate) const ONE_WRITER: WriterSettings = WriterSettings {
    threads: 1,
    batches_per_statement: 32,
    one_tenant_per_statement: false,
    queue_length: 64,
    queue_length_per_tenant: 64,
};

impl WritePath {
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

    pub(crate) fn writer(&self, settings: WriterSettings) -> TaskWriter {
        let checkout_timeout = Duration::from_secs(10);
        let pool = PoolSettings { writers: settings.threads, readers: 1, checkout_timeout };
        TaskWriter::start(&Database::open(self.database.url(), &pool), settings).unwrap()
    }

    /// Blocks the writer's one thread in a statement of its own, so that all batches submitted from
    /// now on wait in the queue until [`Self::release`].
    pub(crate) fn block<'a>(&mut self, writer: &'a TaskWriter) -> Call<'a> {
        self.session.lock("tasks");
        let first = submit(writer, self.tenants[0], batch(self.tenants[0], &["first"]));
        self.session.await_blocked(1);
        first.unwrap()
    }

    pub(crate) fn release(&mut self) {
        self.session.unlock();
    }

    /// Returns in how many transactions the tasks with greater ids were created.
    pub(crate) fn transactions_since(&mut self, id: i64) -> usize {
        let sql = format!("SELECT count(DISTINCT xmin::text) FROM tasks WHERE id > {id}");
        self.session.query(&sql).parse().unwrap()
    }
}

/// Puts a batch into the queue of a writer that is blocked.
///
/// # Errors
/// The outcome, if the queue refuses the batch.
pub(crate) fn submit(
    writer: &TaskWriter,
    tenant: Tenant,
    batch: TaskBatch,
) -> Result<Call<'_>, Outcome> {
    let mut call: Call<'_> = Box::pin(writer.create(tenant.id, batch));
    // The first poll puts it there.
    match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Err(outcome),
        Poll::Pending => Ok(call),
    }
}

/// Returns a batch for the tenant's case: a task for each description, all for the first user.
pub(crate) fn batch(tenant: Tenant, descriptions: &[&str]) -> TaskBatch {
    batch_with_key(tenant, descriptions, "")
}

/// Returns the same, with an idempotency key.
pub(crate) fn batch_with_key(tenant: Tenant, descriptions: &[&str], key: &str) -> TaskBatch {
    let tasks = descriptions.iter().map(|text| draft(text, &["user1@example.com"]));
    let tasks = tasks.collect::<Vec<_>>().into_iter();
    TaskBatch::parse(tenant.case_id, tasks, key.to_owned()).unwrap()
}

pub(crate) fn draft(description: &str, emails: &[&str]) -> TaskDraft {
    TaskDraft {
        description: description.to_owned(),
        assignee_emails: emails.iter().map(ToString::to_string).collect(),
    }
}
