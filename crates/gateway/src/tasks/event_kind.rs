//! What is done to tasks, in the words of the documented JSON.

use proto::tasks::v1::TaskEventKind;

/// Returns the word for a kind of event.
pub(super) const fn name(kind: TaskEventKind) -> &'static str {
    match kind {
        TaskEventKind::Unspecified => "unspecified",
        TaskEventKind::Created => "created",
        TaskEventKind::Completed => "completed",
        TaskEventKind::Reopened => "reopened",
        TaskEventKind::Described => "described",
        TaskEventKind::Assigned => "assigned",
        TaskEventKind::Unassigned => "unassigned",
        TaskEventKind::Deleted => "deleted",
    }
}

/// Returns the words for all kinds that there are.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    (1..).map_while(|number| TaskEventKind::try_from(number).ok()).map(name)
}
