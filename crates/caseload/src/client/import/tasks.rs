//! `caseload tasks import`.

use std::sync::Arc;

use proto::{
    tasks::v1::{
        BatchCreateTasksRequest, BatchCreateTasksResponse, GetIdempotencyRecordRequest,
        GetIdempotencyRecordResponse, NewTask,
    },
    wire::Reason,
};

use super::{
    checked::{self, Check},
    divide,
    engine::{self, Frame},
    exactly_once::{self, Answer, Creator},
    faults,
    input::Input,
    key::ImportKey,
    kind::Kind as _,
    new_tasks::NewTasks,
    outcome::{Counts, Outcome, Stop},
    reader::Windows,
    rejects::Rejects,
    sink::Sink,
    window::Window,
};
use crate::{
    cli::TaskImportOptions,
    client::{
        connection::{Client, Reply},
        error::{CallError, ClientError},
        output::Output,
        retry::Repeat,
        tasks::service::task_service,
    },
};

/// Creates a task for each line of a file. Returns the exit code.
pub(crate) async fn import(
    client: Client,
    options: TaskImportOptions,
    output: Output,
) -> Result<u8, ClientError> {
    let TaskImportOptions { import, case_id, concurrency, import_id } = options;
    let input = Input::open(&import)?;
    let (size, name) = (input.size, import_id.or(input.name.clone()));
    if name.is_none() && !import.dry_run {
        return Err(ClientError::Usage(
            "standard input and pipes have no name by which an import is known when it is run \
             again: give --import-id TEXT"
                .to_owned(),
        ));
    }
    let opened = input.read()?;
    let rejects = Rejects::create(&import, opened.header())?;
    let keeps_raw = import.rejects.is_some();
    let windows = Windows::start::<NewTasks>(opened.records::<NewTasks>()?, keeps_raw)
        .map_err(|error| ClientError::Io(error.to_string()))?;
    let grace = client.timeout();
    let client = client.wait_while_throttled();
    let calls = Calls { client, case_id, validate_only: import.dry_run };
    let frame = Frame { concurrency, size, dry_run: import.dry_run, rejects, output, grace };
    if import.dry_run {
        return engine::run(frame, Checks(calls), windows).await;
    }
    let key = ImportKey::new(case_id, &name.unwrap_or_default());
    let sink = Arc::new(TaskSink { calls, key });
    let windows = checked::start(windows, Arc::clone(&sink), NewTasks::BATCH, concurrency);
    engine::run(frame, sink, windows).await
}

/// Creates the tasks of windows.
struct TaskSink {
    calls: Calls,
    key: ImportKey,
}

/// Checks whether tasks could be created.
struct Checks(Calls);

/// Makes calls that create tasks in a case, or check whether they could be created.
struct Calls {
    client: Client,
    case_id: i64,
    validate_only: bool,
}

impl Sink<NewTask> for Arc<TaskSink> {
    async fn submit(&self, window: &Window<NewTask>) -> Result<Outcome, Stop> {
        exactly_once::create(&self.calls, &self.key, window).await
    }
}

impl Check<NewTask> for TaskSink {
    async fn is_begun(&self, window: &Window<NewTask>) -> Result<bool, Stop> {
        exactly_once::check(&self.calls, &self.key, window, NewTasks::BATCH).await
    }
}

impl Sink<NewTask> for Checks {
    async fn submit(&self, window: &Window<NewTask>) -> Result<Outcome, Stop> {
        divide::submit(window, async |tasks| {
            let count = tasks.len() as u64;
            match self.0.call(&tasks, String::new()).await {
                Ok(_) => Ok(divide::Answer::Done(Counts { created: count, ..Counts::default() })),
                Err(error) => Ok(divide::Answer::Refused(faults::of::<NewTasks>(error, &tasks)?)),
            }
        })
        .await
    }
}

impl Calls {
    async fn call(
        &self,
        tasks: &[(usize, &NewTask)],
        request_id: String,
    ) -> Result<Reply<BatchCreateTasksResponse>, CallError> {
        let request = BatchCreateTasksRequest {
            case_id: self.case_id,
            tasks: tasks.iter().map(|(_, task)| (*task).clone()).collect(),
            request_id,
            validate_only: self.validate_only,
        };
        let repeat = if self.validate_only { Repeat::Read } else { Repeat::Idempotent };
        self.client
            .call(repeat, request, |channel, request| async move {
                task_service(channel).batch_create_tasks(request).await
            })
            .await
    }
}

impl Creator for Calls {
    async fn is_used(&self, request_id: String) -> Result<bool, CallError> {
        let request = GetIdempotencyRecordRequest { request_id };
        let reply: Result<Reply<GetIdempotencyRecordResponse>, CallError> = self
            .client
            .call(Repeat::Read, request, |channel, request| async move {
                task_service(channel).get_idempotency_record(request).await
            })
            .await;
        match reply {
            Ok(_) => Ok(true),
            Err(CallError::Refused(refusal))
                if refusal.reason == Some(Reason::IdempotencyKeyUnknown) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn create(&self, tasks: &[(usize, &NewTask)], key: String) -> Result<Answer, CallError> {
        match self.call(tasks, key).await {
            Ok(reply) if reply.is_replay => Ok(Answer::Replayed { was_lost: reply.was_lost }),
            Ok(_) => Ok(Answer::Created),
            Err(CallError::Refused(refusal))
                if refusal.reason == Some(Reason::IdempotencyKeyReused) =>
            {
                Ok(Answer::KeyUsed)
            }
            Err(error) => Ok(Answer::Refused(faults::of::<NewTasks>(error, tasks)?)),
        }
    }
}
