//! What a call returns, in a form that both protocols have.

/// What a call returns.
pub(super) type Outcome = Result<Success, Failure>;

/// The response to a call that succeeded. Each call has its own parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Success {
    pub(super) cases: Vec<Case>,
    pub(super) tasks: Vec<Task>,
    pub(super) events: Vec<Event>,
    pub(super) record: Option<Record>,
    pub(super) list: Option<List>,
    /// The entity tag of the one case or task.
    pub(super) etag: Option<String>,
    /// Whether it is the response to an earlier request with the same idempotency key.
    pub(super) is_replay: bool,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// The gRPC code.
    pub(super) code: String,
    /// The reasons, each with the part of the request that it is about.
    pub(super) faults: Vec<(String, Place)>,
}

/// A part of a request, as REST names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A member of the body.
    Pointer(String),
    /// A parameter of the query string.
    Parameter(String),
    /// The path, a header, or the request as a whole.
    Whole,
}

/// When something was created and changed last, in seconds.
pub(super) type Times = (i64, i64);

/// A case. One that is only tried has no id and no times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) id: Option<i64>,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) priority: String,
    pub(super) status: String,
    pub(super) team_id: Option<i64>,
    pub(super) times: Option<Times>,
}

/// A task. One that is only tried has no id and no times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) id: Option<i64>,
    /// Only in lists over several cases.
    pub(super) case: Option<i64>,
    pub(super) description: String,
    pub(super) completed: bool,
    pub(super) assignees: Vec<User>,
    pub(super) times: Option<Times>,
}

/// A user, as tasks have them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) id: String,
    pub(super) email: String,
    pub(super) first_name: String,
    pub(super) last_name: String,
}

/// Something that was done to a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) case: i64,
    pub(super) task: i64,
    pub(super) kind: String,
    /// The name of the API key.
    pub(super) key: String,
    pub(super) created_at: i64,
    pub(super) description: Option<String>,
    pub(super) users: Option<Vec<User>>,
    pub(super) assignee_ids: Option<Vec<String>>,
}

/// What a request with an idempotency key created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) key: String,
    pub(super) case: Option<i64>,
    pub(super) tasks: Vec<i64>,
    pub(super) created_at: i64,
}

/// How much more of a list there is than the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct List {
    pub(super) count: i64,
    pub(super) has_next: bool,
}

impl Failure {
    /// Returns a failure with one reason.
    pub(super) fn new(code: &str, reason: &str, place: Place) -> Self {
        Self { code: code.to_owned(), faults: vec![(reason.to_owned(), place)] }
    }
}
