//! Requests over gRPC.

use proto::{
    Timestamp,
    cases::v1::{
        self, CreateCaseRequest, DeleteCaseRequest, GetCaseRequest, ListCasesRequest,
        UpdateCaseRequest, case_service_client::CaseServiceClient,
    },
    tasks::v1::{
        self as tasks, BatchCreateTasksRequest, BatchDeleteTasksRequest, BatchUpdateTasksRequest,
        CreateTaskRequest, DeleteTaskRequest, GetIdempotencyRecordRequest, GetTaskRequest,
        ListTaskEventsRequest, ListTasksRequest, UpdateTaskRequest,
        task_service_client::TaskServiceClient,
    },
};
use tonic::{
    Response, Status,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt as _;

use super::{
    convert::{
        case, case_update, event, id, new_case, new_task, priority, status, task, task_update,
    },
    operation::Call,
    outcome::{Failure, List, Outcome, Place, Record, Success, Task},
    tenant::Request,
};
use crate::support::{App, code_and_reasons};

/// The most metadata of a status that the client takes: it lists all field violations then.
const STATUS_BYTES: u32 = 1024 * 1024;

/// A client of both services.
#[derive(Clone)]
pub(super) struct Client {
    cases: CaseServiceClient<Channel>,
    tasks: TaskServiceClient<Channel>,
}

impl Client {
    pub(super) async fn connect(app: &App) -> Self {
        let endpoint = Endpoint::try_from(format!("http://{}", app.grpc_addr)).unwrap();
        let endpoint = endpoint.http2_max_header_list_size(STATUS_BYTES);
        let channel = endpoint.connect().await.unwrap();
        Self {
            cases: CaseServiceClient::new(channel.clone()),
            tasks: TaskServiceClient::new(channel),
        }
    }

    /// Makes a request over gRPC.
    pub(super) async fn send(&self, request: &Request<'_>) -> Outcome {
        let mut client = self.clone();
        let result = match &request.operation.call {
            Call::CreateCase { .. }
            | Call::GetCase
            | Call::ListCases { .. }
            | Call::UpdateCase { .. }
            | Call::DeleteCase { .. } => client.send_about_case(request).await,
            _ => client.send_about_task(request).await,
        };
        result.map_err(|status| failure(&request.operation.call, &status))
    }

    async fn send_about_case(&mut self, request: &Request<'_>) -> Result<Success, Status> {
        let case_id = request.case;
        let client = &mut self.cases;
        match &request.operation.call {
            Call::CreateCase { fields, tasks, key, is_trial } => {
                let message = CreateCaseRequest {
                    case: Some(new_case(fields, tasks)),
                    request_id: key.clone().unwrap_or_default(),
                    validate_only: *is_trial,
                };
                let (created, success) =
                    open(client.create_case(with_key(request, message)).await?);
                let tasks = created.tasks.into_iter().map(task).collect();
                Ok(Success { tasks, ..of_case(created.case, success) })
            }
            Call::GetCase => {
                let message = GetCaseRequest { case_id };
                let (found, success) = open(client.get_case(with_key(request, message)).await?);
                Ok(of_case(found.case, success))
            }
            Call::ListCases { filter, page } => {
                let message = ListCasesRequest {
                    page_size: page.size.try_into().unwrap(),
                    skip: page.skip(),
                    priority: priority(filter.priority),
                    status: status(filter.status),
                    team_id: filter.team_id,
                    count_total: true,
                    ..ListCasesRequest::default()
                };
                let (list, success) = open(client.list_cases(with_key(request, message)).await?);
                let cases = list.cases.into_iter().map(case).collect();
                let list = to_list(list.total_size, &list.next_page_token);
                Ok(Success { cases, list, ..success })
            }
            Call::UpdateCase { fields, is_trial, .. } => {
                let case = Some(case_update(case_id, fields, &request.etags[0]));
                let message = UpdateCaseRequest { case, validate_only: *is_trial };
                let (changed, success) =
                    open(client.update_case(with_key(request, message)).await?);
                Ok(of_case(changed.case, success))
            }
            Call::DeleteCase { .. } => {
                let message = DeleteCaseRequest { case_id, etag: request.etags[0].clone() };
                Ok(open(client.delete_case(with_key(request, message)).await?).1)
            }
            call => unreachable!("{call:?} is not about a case"),
        }
    }

    async fn send_about_task(&mut self, request: &Request<'_>) -> Result<Success, Status> {
        let (case_id, task_ids) = (request.case, request.tasks.clone());
        let client = &mut self.tasks;
        match &request.operation.call {
            Call::CreateTask { task, key, is_trial } => {
                let (task, request_id) = (Some(new_task(task)), key.clone().unwrap_or_default());
                let validate_only = *is_trial;
                let message = CreateTaskRequest { case_id, task, request_id, validate_only };
                let (created, success) =
                    open(client.create_task(with_key(request, message)).await?);
                Ok(of_task(created.task, success))
            }
            Call::CreateTasks { tasks, key, is_trial } => {
                let message = BatchCreateTasksRequest {
                    case_id,
                    tasks: tasks.iter().map(new_task).collect(),
                    request_id: key.clone().unwrap_or_default(),
                    validate_only: *is_trial,
                };
                let created = client.batch_create_tasks(with_key(request, message)).await?;
                let (created, success) = open(created);
                Ok(of_tasks(created.tasks, success))
            }
            Call::GetTask { .. } => {
                let message = GetTaskRequest { case_id, task_id: task_ids[0] };
                let (found, success) = open(client.get_task(with_key(request, message)).await?);
                Ok(of_task(found.task, success))
            }
            Call::ListTasks { is_of_case, filter, page } => {
                let time = filter.updated_after.map(|time| time.parse::<Timestamp>().unwrap());
                let message = ListTasksRequest {
                    case_id: if *is_of_case { case_id } else { 0 },
                    page_size: page.size.try_into().unwrap(),
                    skip: page.skip(),
                    completed: filter.completed,
                    assignee_email: filter.email.clone().unwrap_or_default(),
                    updated_after: time,
                    count_total: true,
                    ..ListTasksRequest::default()
                };
                let (page, success) = open(client.list_tasks(with_key(request, message)).await?);
                let list = to_list(page.total_size, &page.next_page_token);
                let with_case = |message: tasks::Task| {
                    // Over REST, only lists over several cases have it.
                    let case = (!is_of_case).then_some(message.case_id);
                    Task { case, ..task(message) }
                };
                let tasks = page.tasks.into_iter().map(with_case).collect();
                Ok(Success { tasks, list, ..success })
            }
            Call::ListEvents { page, .. } => {
                let message = ListTaskEventsRequest {
                    case_id,
                    task_id: task_ids[0],
                    page_size: page.size.try_into().unwrap(),
                    skip: page.skip(),
                    count_total: true,
                    ..ListTaskEventsRequest::default()
                };
                let page = client.list_task_events(with_key(request, message)).await?;
                let (page, success) = open(page);
                let list = to_list(page.total_size, &page.next_page_token);
                let events = page.task_events.into_iter().map(event).collect();
                Ok(Success { events, list, ..success })
            }
            Call::UpdateTask { change, is_trial } => {
                let task = Some(task_update(task_ids[0], change, &request.etags[0]));
                let message = UpdateTaskRequest { case_id, task, validate_only: *is_trial };
                let (changed, success) =
                    open(client.update_task(with_key(request, message)).await?);
                Ok(of_task(changed.task, success))
            }
            Call::UpdateTasks { changes, is_trial } => {
                let named = changes.iter().zip(task_ids).zip(&request.etags);
                let tasks = named.map(|((change, id), etag)| task_update(id, change, etag));
                let (tasks, validate_only) = (tasks.collect(), *is_trial);
                let message = BatchUpdateTasksRequest { case_id, tasks, validate_only };
                let changed = client.batch_update_tasks(with_key(request, message)).await?;
                let (changed, success) = open(changed);
                Ok(of_tasks(changed.tasks, success))
            }
            Call::DeleteTask { .. } => {
                let (task_id, etag) = (task_ids[0], request.etags[0].clone());
                let message = DeleteTaskRequest { case_id, task_id, etag };
                Ok(open(client.delete_task(with_key(request, message)).await?).1)
            }
            Call::DeleteTasks { .. } => {
                let message = BatchDeleteTasksRequest { case_id, task_ids };
                Ok(open(client.batch_delete_tasks(with_key(request, message)).await?).1)
            }
            Call::GetRecord { key } => {
                let message = GetIdempotencyRecordRequest { request_id: key.clone() };
                let found = client.get_idempotency_record(with_key(request, message)).await?;
                let (found, success) = open(found);
                let record = found.record.unwrap();
                let record = Record {
                    key: record.request_id,
                    case: id(record.case_id),
                    tasks: record.task_ids,
                    created_at: record.created_at.unwrap().seconds,
                };
                Ok(Success { record: Some(record), ..success })
            }
            call => unreachable!("{call:?} is not about tasks"),
        }
    }
}

fn with_key<T>(request: &Request<'_>, message: T) -> tonic::Request<T> {
    let mut with_key = tonic::Request::new(message);
    let metadata = with_key.metadata_mut();
    let value = format!("Bearer {}", request.key.expose()).parse().unwrap();
    metadata.insert("authorization", value);
    metadata.insert("caseload-max-status-bytes", STATUS_BYTES.into());
    with_key
}

/// Returns the message of a response, and what its metadata says.
fn open<T>(response: Response<T>) -> (T, Success) {
    let replayed = response.metadata().get("idempotency-replayed");
    let is_replay = replayed.is_some_and(|value| value == "true");
    (response.into_inner(), Success { is_replay, ..Success::default() })
}

fn of_case(message: Option<v1::Case>, success: Success) -> Success {
    let message = message.unwrap();
    let etag = Some(message.etag.clone()).filter(|etag| !etag.is_empty());
    Success { etag, cases: vec![case(message)], ..success }
}

fn of_task(message: Option<tasks::Task>, success: Success) -> Success {
    let message = message.unwrap();
    let etag = Some(message.etag.clone()).filter(|etag| !etag.is_empty());
    Success { etag, tasks: vec![task(message)], ..success }
}

/// Over REST, tasks in lists have no entity tags.
fn of_tasks(messages: Vec<tasks::Task>, success: Success) -> Success {
    Success { tasks: messages.into_iter().map(task).collect(), ..success }
}

fn to_list(count: i64, next_page_token: &str) -> Option<List> {
    Some(List { count, has_next: !next_page_token.is_empty() })
}

fn failure(call: &Call, status: &Status) -> Failure {
    let joined = code_and_reasons(status);
    let mut words = joined.split(' ').map(str::to_owned);
    let code = words.next().unwrap();
    let violations = status.get_details_bad_request().map_or(Vec::new(), |b| b.field_violations);
    let places = violations.iter().map(|violation| place(call, &violation.field));
    // A reason without a field is about the whole.
    let places = places.chain([Place::Whole]);
    Failure { code, faults: words.zip(places).collect() }
}

/// Returns the part of the REST request that a field is from, as docs/API.md has it.
fn place(call: &Call, field: &str) -> Place {
    let is_list = matches!(call, Call::ListCases { .. } | Call::ListTasks { .. });
    match field {
        "case_id" | "case.id" | "case.etag" | "task_id" | "task.id" | "task.etag" | "etag"
        | "request_id" => Place::Whole,
        _ if is_list => Place::Parameter(field.to_owned()),
        _ => {
            let of_one = field.strip_prefix("task.").or_else(|| field.strip_prefix("case."));
            let pointer = of_one.unwrap_or(field).replace(['.', '['], "/");
            Place::Pointer(format!("/{}", pointer.replace(']', "")))
        }
    }
}
