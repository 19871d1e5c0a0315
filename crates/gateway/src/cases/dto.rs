//! The documented JSON of cases.

use serde::{Deserialize, Serialize};

use crate::{
    extract::{Object, RequestBody, null_as_default},
    page::Meta,
    tasks::dto::{NewTask, Task},
};

/// The body of a request to create a case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCase {
    /// Empty if it is missing: the server rejects both alike, with the path of the field.
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) name: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) priority: Option<String>,
    #[serde(default)]
    pub(crate) status: Option<String>,
    #[serde(default)]
    pub(crate) team_id: Option<i64>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) tasks: Vec<Object<NewTask>>,
}

impl RequestBody for NewCase {
    fn list_bytes(&self) -> usize {
        let tasks = self.tasks.iter().map(|task| task.0.list_bytes());
        self.tasks.capacity() * size_of::<NewTask>() + tasks.sum::<usize>()
    }
}

/// The body of a request to change a case. What is absent or null stays as it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateCase {
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) priority: Option<String>,
    #[serde(default)]
    pub(crate) status: Option<String>,
    #[serde(default)]
    pub(crate) team_id: Option<i64>,
}

impl RequestBody for UpdateCase {
    /// It has no lists.
    fn list_bytes(&self) -> usize {
        0
    }
}

/// A case, and the body of a response with one.
#[derive(Debug, Serialize)]
pub(crate) struct Case {
    /// Only of a case that exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) case_id: Option<i64>,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) priority: &'static str,
    pub(crate) status: &'static str,
    pub(crate) team_id: Option<i64>,
    /// Only of a case that exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created_at: Option<String>,
    /// Only of a case that exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) updated_at: Option<String>,
}

/// The body of a response to the creation of a case.
#[derive(Debug, Serialize)]
pub(crate) struct CreatedCase {
    #[serde(flatten)]
    pub(crate) case: Case,
    pub(crate) tasks: Vec<Task>,
}

/// The body of a response with a page of a list.
#[derive(Debug, Serialize)]
pub(crate) struct CaseList {
    pub(crate) cases: Vec<Case>,
    pub(crate) meta: Meta,
}
