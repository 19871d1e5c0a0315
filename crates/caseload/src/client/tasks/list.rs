//! `caseload tasks list`.

use proto::tasks::v1::{ListTasksRequest, ListTasksResponse, Task};

use super::service::task_service;
use crate::{
    cli::ListOptions,
    client::{
        connection::Client,
        error::ClientError,
        output::{Layout, Output},
        retry::Repeat,
    },
};

/// The most tasks that the server returns in one page.
const PAGE: u64 = 50;

/// The tasks of one table. Columns are as wide as their widest cell, so a table is kept until it is
/// complete.
const TABLE_ROWS: usize = 1000;

pub(crate) async fn list(
    client: &Client,
    options: ListOptions,
    output: &mut Output,
) -> Result<(), ClientError> {
    let layout = Layout { with_case: options.case_id.is_none(), whole: false };
    let limit = options.limit.unwrap_or(u64::MAX);
    let mut request = first_request(options);
    let mut rows: Vec<Task> = Vec::new();
    let mut left = limit;
    loop {
        request.page_size = i32::try_from(left.min(PAGE)).unwrap_or_default();
        let page: ListTasksResponse = client
            .call(Repeat::Read, request.clone(), |channel, request| async move {
                task_service(channel).list_tasks(request).await
            })
            .await?
            .message;
        left = left.saturating_sub(page.tasks.len() as u64);
        rows.extend(page.tasks);
        let is_last = page.next_page_token.is_empty() || left == 0;
        if is_last || output.is_json() || rows.len() >= TABLE_ROWS {
            output.tasks(std::mem::take(&mut rows), layout)?;
        }
        if is_last {
            return Ok(());
        }
        request.page_token = page.next_page_token;
    }
}

fn first_request(options: ListOptions) -> ListTasksRequest {
    let email = options.user.or(options.assignee);
    ListTasksRequest {
        case_id: options.case_id.unwrap_or_default(),
        completed: options.completed,
        assignee_email: email.map(domain::Email::into_string).unwrap_or_default(),
        updated_after: options.updated_after,
        ..ListTasksRequest::default()
    }
}
