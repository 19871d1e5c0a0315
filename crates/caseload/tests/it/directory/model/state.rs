//! What the service knows, as all parts of the test know it.

/// What a call returned, or is to return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Users, each with what became of them if they were fed.
    Users(Vec<(Option<&'static str>, User)>),
    /// Cases, each with what became of it if it was fed.
    Cases(Vec<(Option<&'static str>, Case)>),
    /// A case that was created with tasks.
    CreatedCase(Case, Vec<Task>),
    Tasks(Vec<Task>),
    /// The tasks that a request with a key has created.
    Record(Vec<i64>),
    Deleted,
    /// The code and the reasons.
    Error(String),
}

/// The id of something that is yet to be created: it may be any.
pub(super) const NEW: i64 = -1;

/// A user as responses of the directory have them. One who is only tried has no id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct User {
    pub(super) id: Option<i64>,
    pub(super) external_id: String,
    pub(super) email: String,
    pub(super) first_name: String,
    pub(super) last_name: String,
    pub(super) is_active: bool,
    pub(super) is_erased: bool,
}

/// A case as responses have it. One that is only tried has no id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) id: Option<i64>,
    /// Only the directory tells it.
    pub(super) external_id: Option<String>,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) priority: String,
    pub(super) status: String,
    pub(super) team_id: i64,
    /// Not predicted: `World` compares them with what is stored.
    pub(super) times: Option<Times>,
}

/// A task as responses have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) id: i64,
    pub(super) description: String,
    pub(super) assignees: Vec<Person>,
    /// Not predicted: `World` compares them with what is stored.
    pub(super) times: Option<Times>,
}

/// When something was created and changed last, in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
    /// The part of the time that is told, in microseconds: REST tells seconds.
    pub(super) unit: i64,
}

/// A user as tasks have them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) id: i64,
    pub(super) email: String,
    pub(super) first_name: String,
    pub(super) last_name: String,
}

impl Outcome {
    /// Whether what was predicted is what came out.
    pub(super) fn matches(&self, actual: &Self) -> bool {
        match (self, actual) {
            (Self::Users(predicted), Self::Users(actual)) => {
                all(predicted, actual, |(change, user), (actual_change, actual)| {
                    let id = or_any(user.id, actual.id);
                    change == actual_change && User { id, ..user.clone() } == *actual
                })
            }
            (Self::Cases(predicted), Self::Cases(actual)) => {
                all(predicted, actual, |(change, case), (actual_change, actual)| {
                    change == actual_change && case.matches(actual)
                })
            }
            (Self::CreatedCase(case, tasks), Self::CreatedCase(actual, actual_tasks)) => {
                case.matches(actual) && all(tasks, actual_tasks, Task::matches)
            }
            (Self::Tasks(predicted), Self::Tasks(actual)) => all(predicted, actual, Task::matches),
            _ => self == actual,
        }
    }
}

fn all<T>(predicted: &[T], actual: &[T], matches: impl Fn(&T, &T) -> bool) -> bool {
    predicted.len() == actual.len() && predicted.iter().zip(actual).all(|(p, a)| matches(p, a))
}

/// Returns the id that is predicted: whatever came out, if it is to be a new one.
fn or_any(predicted: Option<i64>, actual: Option<i64>) -> Option<i64> {
    if predicted == Some(NEW) { actual.filter(|id| *id > 0) } else { predicted }
}

impl Case {
    fn matches(&self, actual: &Self) -> bool {
        let (id, times) = (or_any(self.id, actual.id), actual.times);
        Self { id, times, ..self.clone() } == *actual
    }
}

impl Task {
    fn matches(&self, actual: &Self) -> bool {
        let id = if self.id == NEW { actual.id } else { self.id };
        id > 0 && Self { id, times: actual.times, ..self.clone() } == *actual
    }
}

impl Times {
    /// Returns the times of a response over REST.
    pub(super) const fn in_seconds(created_at: i64, updated_at: i64) -> Self {
        const SECOND: i64 = 1_000_000;
        Self { created_at: created_at * SECOND, updated_at: updated_at * SECOND, unit: SECOND }
    }

    /// Whether these are the stored times, as far as they are told.
    pub(super) const fn tell(self, created_at: i64, updated_at: i64) -> bool {
        self.created_at == created_at - created_at % self.unit
            && self.updated_at == updated_at - updated_at % self.unit
    }
}

impl User {
    /// Returns the user as tasks have them.
    pub(super) fn person(&self) -> Person {
        Person {
            id: self.id.unwrap(),
            email: self.email.clone(),
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
        }
    }
}
