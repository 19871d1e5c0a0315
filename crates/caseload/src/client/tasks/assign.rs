//! `caseload tasks assign`.

use std::collections::HashSet;

use domain::Email;
use proto::{
    FieldMask,
    tasks::v1::{
        GetTaskRequest, GetTaskResponse, Task, TaskUpdate, UpdateTaskRequest, UpdateTaskResponse,
    },
    wire::Reason,
};

use super::service::task_service;
use crate::{
    cli::AssignOptions,
    client::{
        connection::Client,
        error::{CallError, ClientError},
        output::{Layout, Output},
        retry::Repeat,
    },
};

/// How often a task is read again because somebody else has changed it in between.
const READS: usize = 10;

pub(crate) async fn assign(
    client: &Client,
    options: AssignOptions,
    output: &mut Output,
) -> Result<(), ClientError> {
    let AssignOptions { case_id, task_id, emails, add, remove, nobody: _ } = options;
    let task = if add.is_empty() && remove.is_empty() {
        let emails = emails.into_iter().map(Email::into_string).collect();
        set(client, case_id, task_id, emails, String::new()).await?
    } else {
        change(client, case_id, task_id, &add, &remove).await?
    };
    output.tasks(vec![task], Layout { with_case: false, whole: false })
}

/// Adds and removes assignees. The task is changed only if it is still as it was read, which its entity
/// tag tells.
async fn change(
    client: &Client,
    case_id: i64,
    task_id: i64,
    add: &[Email],
    remove: &[Email],
) -> Result<Task, CallError> {
    let mut reads = 0;
    loop {
        let task = get(client, case_id, task_id).await?;
        reads += 1;
        let emails = task.assignees.iter().map(|assignee| assignee.email.as_str());
        let emails = changed(emails, add, remove);
        match set(client, case_id, task_id, emails, task.etag).await {
            Err(CallError::Refused(refusal))
                if refusal.reason == Some(Reason::EtagMismatch) && reads < READS => {}
            outcome => return outcome,
        }
    }
}

/// Returns the emails that are left, followed by those that are new.
fn changed<'a>(
    emails: impl Iterator<Item = &'a str>,
    add: &'a [Email],
    remove: &[Email],
) -> Vec<String> {
    let removed: HashSet<&str> = remove.iter().map(Email::as_str).collect();
    let mut seen = HashSet::new();
    emails
        .chain(add.iter().map(Email::as_str))
        .filter(|email| !removed.contains(email) && seen.insert(email.to_string()))
        .map(str::to_owned)
        .collect()
}

async fn get(client: &Client, case_id: i64, task_id: i64) -> Result<Task, CallError> {
    let request = GetTaskRequest { case_id, task_id };
    let reply = client.call(Repeat::Read, request, |channel, request| async move {
        task_service(channel).get_task(request).await
    });
    let response: GetTaskResponse = reply.await?.message;
    Ok(response.task.unwrap_or_default())
}

/// Assigns a task to these users instead of those before.
async fn set(
    client: &Client,
    case_id: i64,
    task_id: i64,
    assignee_emails: Vec<String>,
    etag: String,
) -> Result<Task, CallError> {
    let update_mask = Some(FieldMask { paths: vec!["assignee_emails".to_owned()] });
    let task = TaskUpdate { id: task_id, assignee_emails, update_mask, etag, ..Default::default() };
    let request = UpdateTaskRequest { case_id, task: Some(task), validate_only: false };
    let reply = client.call(Repeat::Idempotent, request, |channel, request| async move {
        task_service(channel).update_task(request).await
    });
    let response: UpdateTaskResponse = reply.await?.message;
    Ok(response.task.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignees_keep_their_order_and_new_ones_come_last() {
        let email = |text: &str| Email::parse(text.to_owned()).unwrap();
        let changed = |before: &[&str], add: &[&str], remove: &[&str]| {
            let [add, remove] = [add, remove].map(|emails| emails.iter().map(|text| email(text)));
            let [add, remove]: [Vec<Email>; 2] = [add.collect(), remove.collect()];
            changed(before.iter().copied(), &add, &remove)
        };
        assert_eq!(changed(&["a@x", "b@x"], &["c@x"], &["a@x"]), ["b@x", "c@x"]);
        assert_eq!(changed(&["a@x", "b@x"], &["A@x", "c@x", "c@x"], &[]), ["a@x", "b@x", "c@x"]);
        assert_eq!(changed(&[], &["a@x"], &["a@x"]), [""; 0]);
        assert_eq!(changed(&["a@x"], &[], &["b@x"]), ["a@x"]);
    }
}
