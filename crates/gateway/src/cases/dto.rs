//! The documented JSON of cases. The comments are the descriptions of the OpenAPI document.

use proto::wire::{FieldReason, limits};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    extract::{Integer, Object, RequestBody, null_as_default},
    openapi::schema::{
        self, CaseStatus, Id, NewCaseDescription, NewCaseName, NewTeam, Priority, Team, Time,
    },
    page::Meta,
    tasks::dto::{CheckedTask, NewTask, Task},
};

/// A case to create, possibly with tasks.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCase {
    /// The name, not counting white space at both ends, which is removed.
    // Empty if it is missing: the server rejects both alike, with the path of the field.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(value_type = NewCaseName, required)]
    pub(crate) name: String,
    /// The description, not counting white space at both ends, which is removed. Empty if it is absent.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(value_type = Option<NewCaseDescription>)]
    pub(crate) description: String,
    /// The priority; `LOW` if it is absent.
    #[serde(default)]
    #[schema(value_type = Option<Priority>)]
    pub(crate) priority: Option<String>,
    /// The status; `OPEN` if it is absent. It is a label: tasks are created, changed and completed in a
    /// closed case as in an open one.
    #[serde(default)]
    #[schema(value_type = Option<CaseStatus>)]
    pub(crate) status: Option<String>,
    /// The id of a team, which the caller knows. Teams are not stored.
    #[serde(default)]
    #[schema(value_type = Option<NewTeam>)]
    pub(crate) team_id: Option<Integer>,
    /// The tasks.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(value_type = Option<TasksOfNewCase>)]
    pub(crate) tasks: Vec<Object<NewTask>>,
}

schema::lists! {
    /// The tasks of a case to create.
    TasksOfNewCase = [NewTask; 0, Some(limits::BATCH_TASKS)] |list| {
        list.extensions(schema::reasons(&[FieldReason::TooMany]))
    };
}

impl RequestBody for NewCase {
    fn list_bytes(&self) -> usize {
        let tasks = self.tasks.iter().map(|task| task.0.list_bytes());
        self.tasks.capacity() * size_of::<NewTask>() + tasks.sum::<usize>()
    }
}

/// What to change of a case. What is absent or `null` stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateCase {
    /// The new name.
    #[serde(default)]
    #[schema(value_type = Option<NewCaseName>)]
    pub(crate) name: Option<String>,
    /// The new description. `""` clears it.
    #[serde(default)]
    #[schema(value_type = Option<NewCaseDescription>)]
    pub(crate) description: Option<String>,
    /// The new priority.
    #[serde(default)]
    #[schema(value_type = Option<Priority>)]
    pub(crate) priority: Option<String>,
    /// The new status.
    #[serde(default)]
    #[schema(value_type = Option<CaseStatus>)]
    pub(crate) status: Option<String>,
    /// The id of another team.
    #[serde(default)]
    #[schema(value_type = Option<NewTeam>)]
    pub(crate) team_id: Option<Integer>,
}

impl RequestBody for UpdateCase {
    /// It has no lists.
    fn list_bytes(&self) -> usize {
        0
    }
}

/// A case.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Case {
    /// The id of the case.
    #[schema(value_type = Id)]
    pub(crate) case_id: i64,
    /// The name.
    pub(crate) name: String,
    /// The description; empty if there is none.
    pub(crate) description: String,
    /// The priority.
    #[schema(value_type = Priority)]
    pub(crate) priority: &'static str,
    /// The status.
    #[schema(value_type = CaseStatus)]
    pub(crate) status: &'static str,
    /// The id of the team, which the caller knows.
    #[schema(value_type = Option<Team>, required)]
    pub(crate) team_id: Option<i64>,
    /// When the case was created.
    #[schema(value_type = Time)]
    pub(crate) created_at: String,
    /// When the case was changed last. Changes to its tasks don't count.
    #[schema(value_type = Time)]
    pub(crate) updated_at: String,
}

/// A case that was created, with its tasks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CreatedCase {
    #[serde(flatten)]
    pub(crate) case: Case,
    /// The tasks, in the order of the request.
    pub(crate) tasks: Vec<Task>,
}

/// A case that was only checked, as it would be.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckedCase {
    /// The name.
    pub(crate) name: String,
    /// The description; empty if there is none.
    pub(crate) description: String,
    /// The priority.
    #[schema(value_type = Priority)]
    pub(crate) priority: &'static str,
    /// The status.
    #[schema(value_type = CaseStatus)]
    pub(crate) status: &'static str,
    /// The id of the team, which the caller knows.
    #[schema(value_type = Option<Team>, required)]
    pub(crate) team_id: Option<i64>,
    /// The tasks, in the order of the request.
    pub(crate) tasks: Vec<CheckedTask>,
}

/// A page of the cases.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CaseList {
    /// The cases, in the order of their creation.
    pub(crate) cases: Vec<Case>,
    /// Where in the list the page is.
    pub(crate) meta: Meta,
}
