//! The tasks of a case, and what was done to a task.

use proto::tasks::v1::{
    ApiKey, Assignee, ListTaskEventsRequest, ListTasksRequest, Task, TaskEvent, TaskEventKind,
    task_service_client::TaskServiceClient,
};
use serde_json::Value;
use tonic::Status;

use super::lists::{Caller, List};
use crate::response::Response;

/// All tasks of a case.
pub(crate) struct TaskList {
    pub(crate) case_id: i64,
}

/// The events of a task.
pub(crate) struct EventList {
    pub(crate) case_id: i64,
    pub(crate) task_id: i64,
}

impl List for TaskList {
    /// A task in the form that [`Response`] has it.
    type Item = Task;

    const SIZES: (usize, usize) = (2, 50);

    async fn call(
        &self,
        caller: Caller<'_>,
        page_size: i32,
        page_token: String,
    ) -> Result<(Vec<Task>, String), Status> {
        let case_id = self.case_id;
        let message = ListTasksRequest { case_id, page_size, page_token, ..Default::default() };
        let mut client = TaskServiceClient::new(caller.channel());
        let page = client.list_tasks(caller.message(message)).await?.into_inner();
        Ok((Response::from_grpc(page.tasks, false).tasks, page.next_page_token))
    }

    fn path(&self) -> Option<(String, String)> {
        Some((format!("cases/{}/tasks", self.case_id), String::new()))
    }

    fn items(body: &[u8]) -> Option<Vec<Task>> {
        Response::from_rest(body, false).ok().map(|response| response.tasks)
    }
}

impl List for EventList {
    type Item = TaskEvent;

    const SIZES: (usize, usize) = (2, 50);

    async fn call(
        &self,
        caller: Caller<'_>,
        page_size: i32,
        page_token: String,
    ) -> Result<(Vec<TaskEvent>, String), Status> {
        let Self { case_id, task_id } = *self;
        let message =
            ListTaskEventsRequest { case_id, task_id, page_size, page_token, ..Default::default() };
        let mut client = TaskServiceClient::new(caller.channel());
        let page = client.list_task_events(caller.message(message)).await?.into_inner();
        Ok((page.task_events, page.next_page_token))
    }

    fn path(&self) -> Option<(String, String)> {
        let Self { case_id, task_id } = self;
        Some((format!("cases/{case_id}/tasks/{task_id}/events"), String::new()))
    }

    fn items(body: &[u8]) -> Option<Vec<TaskEvent>> {
        let body: Value = serde_json::from_slice(body).ok()?;
        body["task_events"].as_array()?.iter().map(event).collect()
    }
}

/// Returns an event as gRPC has it; `None` if it is none.
fn event(event: &Value) -> Option<TaskEvent> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let members = |name: &str| event[name].as_array().into_iter().flatten();
    let kind = format!("TASK_EVENT_KIND_{}", text(&event["kind"]).to_uppercase());
    let users = members("users").map(|user| Assignee {
        id: text(&user["id"]),
        email: text(&user["email"]),
        first_name: text(&user["first_name"]),
        last_name: text(&user["last_name"]),
    });
    Some(TaskEvent {
        id: event["id"].as_i64()?,
        case_id: event["case_id"].as_i64()?,
        task_id: event["task_id"].as_i64()?,
        kind: TaskEventKind::from_str_name(&kind)?.into(),
        api_key: Some(ApiKey {
            id: event["api_key"]["id"].as_i64()?,
            name: text(&event["api_key"]["name"]),
        }),
        request_id: text(&event["request_id"]),
        created_at: text(&event["created_at"]).parse().ok(),
        description: text(&event["description"]),
        users: users.collect(),
        assignee_ids: members("assignee_ids").map(text).collect(),
    })
}
