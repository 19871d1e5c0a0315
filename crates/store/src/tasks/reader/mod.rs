//! Tasks by their ids, read for many callers in one statement.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use domain::{
    CaseId, Error, FieldPath, Resource, Task, TaskId, TaskIds, TaskKey, TaskUpdates, TenantId,
    Violation, Violations,
};
use tokio::sync::oneshot;
use traces::{Kind, Span};

use crate::{
    connections::presence::Presence,
    database::Database,
    error::Error as StoreError,
    queued::Queued,
    statement_spans::StatementSpans,
    tasks::get::{Found, Wanted},
    turns::{Most, Turns},
};

/// The name of the statement, and that of the span of the wait for it.
const GET: &str = "get_tasks";
const QUEUE_WAIT: &str = "read queue";

/// How many calls and tasks share a statement at most, which bounds the time that it takes.
const MOST: Most = Most { jobs: 64, rows: 256, one_tenant: false };

/// So many calls share a statement in any case. Of more, a statement takes a third: what all calls wait
/// for together is only sent, read, and answered one after the other, by one program at a time.
const FEW: usize = 8;

/// Reads tasks by their ids. The calls that wait share a statement: for one task alone, most of the time
/// goes into sending a statement, starting it, and switching threads. Cheap to clone.
///
/// A few tasks (of the async runtime) run the statements, at most on half of the connections for
/// queries. Each takes the calls that wait, in turns of their tenants, until none waits.
#[derive(Clone, Debug)]
pub struct TaskReader(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    database: Database,
    most: Most,
    /// The most calls of one tenant that wait.
    tenant_queue_length: usize,
    most_runners: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    jobs: Turns<Job>,
    /// How many runners there are.
    runners: usize,
}

/// What a caller wants.
#[derive(Debug)]
struct Call {
    tenant: TenantId,
    case: CaseId,
    tasks: Vec<i64>,
    caller: Presence,
    since: Instant,
    /// The span of the call in its trace, if that is recorded, and that of its wait, which ends with it at the latest.
    trace: Span,
    wait: Span,
}

/// A call that waits.
#[derive(Debug)]
struct Job {
    call: Call,
    result: oneshot::Sender<Result<Vec<Found>, StoreError>>,
}

impl Queued for Job {
    fn tenant(&self) -> TenantId {
        self.call.tenant
    }

    fn case(&self) -> CaseId {
        self.call.case
    }

    fn rows(&self) -> usize {
        self.call.tasks.len()
    }

    fn is_withdrawn(&self) -> bool {
        self.call.caller.is_gone()
    }

    fn may_be_repeat(&self) -> bool {
        false
    }
}

impl TaskReader {
    /// Returns a reader. If `one_tenant_per_statement`, calls of different tenants never share a
    /// statement, for databases that are sharded by tenant.
    #[must_use]
    pub fn new(database: &Database, one_tenant_per_statement: bool) -> Self {
        let settings = database.settings();
        Self(Arc::new(Shared {
            database: database.clone(),
            most: Most { one_tenant: one_tenant_per_statement, ..MOST },
            tenant_queue_length: settings.tenant_queue_length,
            most_runners: settings.readers.div_ceil(2).max(1),
            waiting: Mutex::new(Waiting { jobs: Turns::new(), runners: 0 }),
        }))
    }

    /// Returns a task of a case.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the tenant has no such case, or the case no such task;
    /// [`Error::TenantOverloaded`], [`Error::Unavailable`] and [`Error::Internal`].
    pub async fn get_task(
        &self,
        tenant: TenantId,
        TaskKey { case, task }: TaskKey,
    ) -> Result<Task, Error> {
        let found = self.find("get_task", tenant, case, vec![task.get()]).await?;
        let found = found.into_iter().next().flatten();
        found.ok_or(Error::NotFound(Resource::Task(task)))
    }

    /// Returns tasks of a case, in the order of the request: all of them or none.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the tenant has no such case, [`Error::TasksNotFound`] if the case
    /// lacks some of the tasks; [`Error::TenantOverloaded`], [`Error::Unavailable`] and
    /// [`Error::Internal`].
    pub async fn batch_get_tasks(
        &self,
        tenant: TenantId,
        TaskIds { case, tasks, .. }: TaskIds,
    ) -> Result<Vec<Task>, Error> {
        let ids = tasks.into_iter().map(TaskId::get).collect();
        let found = self.find("batch_get_tasks", tenant, case, ids).await?;
        let missing = found.iter().enumerate().filter(|(_, task)| task.is_none());
        let missing = missing.map(|(index, _)| Violation {
            path: FieldPath::at("task_ids[*]", index),
            rule: &TaskUpdates::NOT_FOUND,
        });
        match Violations::new(missing.collect()) {
            Some(violations) => Err(Error::TasksNotFound(violations)),
            None => Ok(found.into_iter().flatten().collect()),
        }
    }

    /// Returns each of these tasks that there is. A caller that drops the future before a statement has
    /// begun withdraws the call.
    async fn find(
        &self,
        name: &'static str,
        tenant: TenantId,
        case: CaseId,
        tasks: Vec<i64>,
    ) -> Result<Vec<Option<Task>>, Error> {
        // Dropped with this future, that is when nobody waits for the result any more.
        let present = Arc::new(());
        let (caller, trace) = (Presence::of(&present), traces::current());
        let wait = trace.child(Kind::Internal, QUEUE_WAIT);
        let call = Call { tenant, case, tasks, caller, since: Instant::now(), trace, wait };
        let (sender, result) = oneshot::channel();
        self.0.push(Job { call, result: sender })?;
        let found = result.await.unwrap_or_else(|lost| Err(StoreError::internal(lost)));
        let found = found.and_then(|found| {
            if let Some((false, _)) = found.first() {
                return Ok(None);
            }
            found.into_iter().map(|(_, task)| task).collect::<Result<_, _>>().map(Some)
        });
        match found {
            Ok(Some(tasks)) => Ok(tasks),
            Ok(None) => Err(Error::NotFound(Resource::Case(case))),
            Err(error) => {
                // In the caller's span, which that of the statement is not in.
                tracing::debug!(query = name, %error, "query failed");
                Err(error.in_query(name).into())
            }
        }
    }
}

impl Shared {
    /// Adds a call, and starts a runner for it if there may be one more.
    fn push(self: &Arc<Self>, job: Job) -> Result<(), Error> {
        let mut waiting = self.lock();
        if waiting.jobs.len_of(job.tenant()) >= self.tenant_queue_length {
            return Err(Error::TenantOverloaded);
        }
        waiting.jobs.push(job);
        if waiting.runners < self.most_runners {
            waiting.runners += 1;
            tokio::spawn(Runner { shared: Arc::clone(self), is_over: false }.run());
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs statements until no call waits.
struct Runner {
    shared: Arc<Shared>,
    is_over: bool,
}

impl Runner {
    async fn run(mut self) {
        let limit = self.shared.database.settings().checkout_timeout;
        while let Some(jobs) = self.take() {
            let (late, jobs): (Vec<_>, Vec<_>) =
                jobs.into_iter().partition(|job| job.call.since.elapsed() > limit);
            for job in late {
                let _ =
                    job.result.send(Err(StoreError::unavailable("no connection was free in time")));
            }
            if !jobs.is_empty() {
                self.read(jobs).await;
            }
        }
    }

    /// Returns the calls whose turn it is. If none waits, the runner is over: whoever comes next starts
    /// another one.
    fn take(&mut self) -> Option<Vec<Job>> {
        let mut waiting = self.shared.lock();
        let jobs = waiting.jobs.len().div_ceil(3).clamp(FEW, self.shared.most.jobs);
        let jobs = waiting.jobs.take(Most { jobs, ..self.shared.most });
        if jobs.is_empty() {
            waiting.runners -= 1;
            self.is_over = true;
            return None;
        }
        Some(jobs)
    }

    /// Runs a statement for these calls, but for those whose callers have gone by the time that there is
    /// a connection.
    async fn read(&self, jobs: Vec<Job>) {
        let (calls, results): (Vec<_>, Vec<_>) =
            jobs.into_iter().map(|job| (job.call, job.result)).unzip();
        let database = &self.shared.database;
        let scope = database.scope(calls.iter().map(|call| call.tenant));
        let found = database.read_scoped(scope, GET, move |connection| {
            let mut wanted = Wanted::default();
            for Call { tenant, case, tasks, caller, wait, .. } in &calls {
                wait.end();
                wanted.add(*tenant, *case, if caller.is_gone() { &[] } else { tasks });
            }
            let traces = || calls.iter().map(|call| &call.trace);
            let spans = StatementSpans::begin(GET, traces());
            let found = wanted.find(connection);
            spans.end(traces(), found.is_ok());
            found
        });
        // A caller that has gone does not take its result.
        match found.await {
            Ok(found) => {
                for (result, found) in results.into_iter().zip(found) {
                    let _ = result.send(Ok(found));
                }
            }
            Err(error) => {
                for result in results {
                    let _ = result.send(Err(error.clone()));
                }
            }
        }
    }
}

impl Drop for Runner {
    /// If the runner has panicked, another one may take its place.
    fn drop(&mut self) {
        if !self.is_over {
            self.shared.lock().runners -= 1;
        }
    }
}

#[cfg(test)]
mod tests;
