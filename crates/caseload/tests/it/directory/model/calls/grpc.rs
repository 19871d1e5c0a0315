//! Calls about cases and tasks, over gRPC.

use proto::{
    FieldMask,
    cases::v1::{
        CaseUpdate, CreateCaseRequest, DeleteCaseRequest, GetCaseRequest, ListCasesRequest,
        NewCase, UpdateCaseRequest, case_service_client::CaseServiceClient,
    },
    tasks::v1::{
        BatchCreateTasksRequest, GetIdempotencyRecordRequest, GetTaskRequest, ListTasksRequest,
        NewTask as NewTaskMessage, TaskUpdate, UpdateTaskRequest,
    },
};
use tonic::Status;

use super::convert::{case, status, tasks};
use crate::{
    directory::model::{
        caller::Caller,
        operation::{Action, NewTask, Request},
        state::Outcome,
    },
    support::App,
};

pub(super) async fn send(app: &App, caller: &Caller, request: &Request) -> Result<Outcome, Status> {
    let mut of_cases = CaseServiceClient::new(app.channel().await);
    let mut of_tasks = app.grpc_client().await;
    let (case_id, task_id) = (request.case, request.task);
    let outcome = match &request.operation.action {
        Action::CreateCase { name, tasks: new } => {
            let (name, new) = ((*name).to_owned(), to_messages(request, new));
            let new = Some(NewCase { name, tasks: new, ..NewCase::default() });
            let message = CreateCaseRequest { case: new, ..CreateCaseRequest::default() };
            let created = of_cases.create_case(caller.request(message)).await?.into_inner();
            Outcome::CreatedCase(case(created.case.unwrap(), None), tasks(created.tasks))
        }
        Action::GetCase => {
            let message = caller.request(GetCaseRequest { case_id });
            let found = of_cases.get_case(message).await?.into_inner().case;
            Outcome::Cases(vec![(None, case(found.unwrap(), None))])
        }
        Action::ListAllCases { status: of_status } => {
            let (mut cases, mut page_token) = (Vec::new(), String::new());
            loop {
                let page = caller.request(ListCasesRequest {
                    page_size: 2,
                    page_token,
                    status: status(*of_status),
                    ..ListCasesRequest::default()
                });
                let page = of_cases.list_cases(page).await?.into_inner();
                cases.extend(page.cases.into_iter().map(|message| (None, case(message, None))));
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break Outcome::Cases(cases);
                }
            }
        }
        Action::UpdateCase { name, status: new_status } => {
            let update = CaseUpdate {
                id: case_id,
                name: name.map(str::to_owned),
                status: status(*new_status),
                ..CaseUpdate::default()
            };
            let message = UpdateCaseRequest { case: Some(update), validate_only: false };
            let changed = of_cases.update_case(caller.request(message)).await?.into_inner().case;
            Outcome::Cases(vec![(None, case(changed.unwrap(), None))])
        }
        Action::DeleteCase => {
            let message = DeleteCaseRequest { case_id, etag: String::new() };
            of_cases.delete_case(caller.request(message)).await?;
            Outcome::Deleted
        }
        Action::CreateTasks { tasks: new, key } => {
            let message = BatchCreateTasksRequest {
                case_id,
                tasks: to_messages(request, new),
                request_id: key.map_or_else(String::new, |key| key.to_string()),
                validate_only: false,
            };
            let created = of_tasks.batch_create_tasks(caller.request(message)).await?;
            Outcome::Tasks(tasks(created.into_inner().tasks))
        }
        Action::GetRecord(key) => {
            let message = GetIdempotencyRecordRequest { request_id: key.to_string() };
            let record = of_tasks.get_idempotency_record(caller.request(message)).await?;
            Outcome::Record(record.into_inner().record.unwrap().task_ids)
        }
        Action::GetTask => {
            let message = caller.request(GetTaskRequest { case_id, task_id });
            Outcome::Tasks(tasks(of_tasks.get_task(message).await?.into_inner().task))
        }
        Action::Assign(emails) => {
            let task = Some(TaskUpdate {
                id: task_id,
                assignee_emails: request.emails(emails),
                update_mask: Some(FieldMask { paths: vec!["assignee_emails".to_owned()] }),
                ..TaskUpdate::default()
            });
            let message = UpdateTaskRequest { case_id, task, validate_only: false };
            let changed = of_tasks.update_task(caller.request(message)).await?;
            Outcome::Tasks(tasks(changed.into_inner().task))
        }
        Action::ListTasks(email) => {
            let (assignee_email, page_size) = (request.email(*email), 50);
            let message =
                ListTasksRequest { assignee_email, page_size, ..ListTasksRequest::default() };
            let page = of_tasks.list_tasks(caller.request(message)).await?.into_inner();
            Outcome::Tasks(tasks(page.tasks))
        }
        action => unreachable!("{action:?} is of the directory"),
    };
    Ok(outcome)
}

fn to_messages(request: &Request, tasks: &[NewTask]) -> Vec<NewTaskMessage> {
    let tasks = tasks.iter().map(|task| NewTaskMessage {
        description: task.description.to_owned(),
        assignee_emails: request.emails(&task.emails),
    });
    tasks.collect()
}
