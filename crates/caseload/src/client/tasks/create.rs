//! `caseload tasks create`.

use domain::Email;
use proto::tasks::v1::{BatchCreateTasksRequest, BatchCreateTasksResponse, NewTask};

use super::{request_id, service::task_service};
use crate::{
    cli::CreateOptions,
    client::{
        connection::Client,
        error::ClientError,
        output::{Layout, Output},
        retry::Repeat,
    },
};

pub(crate) async fn create(
    client: &Client,
    options: CreateOptions,
    output: &mut Output,
) -> Result<(), ClientError> {
    let assignee_emails: Vec<String> =
        options.assignees.into_iter().map(Email::into_string).collect();
    let tasks = options
        .descriptions
        .into_iter()
        .map(|description| NewTask { description, assignee_emails: assignee_emails.clone() });
    let request = BatchCreateTasksRequest {
        case_id: options.case_id,
        tasks: tasks.collect(),
        request_id: request_id::random()?,
        validate_only: false,
    };
    let created: BatchCreateTasksResponse = client
        .call(Repeat::Idempotent, request, |channel, request| async move {
            task_service(channel).batch_create_tasks(request).await
        })
        .await?
        .message;
    output.tasks(created.tasks, Layout { with_case: false, whole: false })
}
