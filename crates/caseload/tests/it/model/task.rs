//! A task, as all parts of the test know it.

/// A task as responses have it. A task that is only tried, or that is yet to be created, has no id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) id: Option<i64>,
    pub(super) description: String,
    pub(super) completed: bool,
    pub(super) emails: Vec<String>,
}
