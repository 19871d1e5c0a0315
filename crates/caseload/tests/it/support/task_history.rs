//! Histories of tasks, as the model tests expect and read them.

use proto::tasks::v1::{ListTaskEventsRequest, TaskEvent, TaskEventKind};
use tonic::Request;

use super::App;

/// Returns the events of a change of assignees, in their order: the kind of each, and whom it is about.
pub(crate) fn reassignment<T: Clone + PartialEq>(
    before: &[T],
    after: &[T],
) -> Vec<(&'static str, Vec<T>)> {
    let only_in = |one: &[T], other: &[T]| -> Vec<T> {
        one.iter().filter(|user| !other.contains(user)).cloned().collect()
    };
    let (lost, won) = (only_in(before, after), only_in(after, before));
    let mut events = Vec::new();
    // Another order is a change, too.
    let is_assigned = !won.is_empty() || lost.is_empty() && before != after;
    if !lost.is_empty() {
        events.push(("unassigned", lost));
    }
    if is_assigned {
        events.push(("assigned", won));
    }
    events
}

/// Returns the name of a kind, as REST has it.
pub(crate) fn kind_name(kind: TaskEventKind) -> String {
    kind.as_str_name().strip_prefix("TASK_EVENT_KIND_").unwrap().to_lowercase()
}

/// Reads the whole history of a task over gRPC, by pages of a few events.
pub(crate) async fn read_history(
    app: &App,
    with_key: impl Fn(ListTaskEventsRequest) -> Request<ListTaskEventsRequest>,
    (case_id, task_id): (i64, i64),
) -> Vec<TaskEvent> {
    let mut client = app.grpc_client().await;
    let (mut events, mut page_token) = (Vec::new(), String::new());
    loop {
        let page = ListTaskEventsRequest {
            case_id,
            task_id,
            page_size: 3,
            page_token,
            ..ListTaskEventsRequest::default()
        };
        let page = client.list_task_events(with_key(page)).await.unwrap().into_inner();
        events.extend(page.task_events);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return events;
        }
    }
}
