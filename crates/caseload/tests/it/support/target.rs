//! What the calls of the table tests are about.

use domain::{ApiKey, Scope};
use proto::{
    cases::v1::{CaseUpdate, NewCase},
    directory::v1::{CaseKey, UserKey, case_key, user_key},
    tasks::v1::{NewTask, TaskUpdate},
};
use serde_json::{Value, json};

use super::{App, new_task};

/// What a call is about. Each call uses the parts that it has a place for.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) case_id: i64,
    pub(crate) task_id: i64,
    /// A user who is not assigned to anything.
    pub(crate) user_id: i64,
    pub(crate) description: &'static str,
    pub(crate) email: &'static str,
    /// The state that the task must be in; empty for any.
    pub(crate) etag: &'static str,
    /// The idempotency key whose record is read.
    pub(crate) idempotency_key: &'static str,
}

impl Target {
    /// A task that does not exist yet, of a case, in a valid request.
    pub(crate) fn of_case(case_id: i64) -> Self {
        Self {
            case_id,
            // A body can have no greater one.
            task_id: 9_007_199_254_740_991,
            user_id: i64::MAX,
            description: "a task",
            email: "user1@example.com",
            etag: "",
            idempotency_key: "the-key",
        }
    }

    pub(super) fn new_task(&self) -> NewTask {
        new_task(self.description, &[self.email])
    }

    pub(super) fn update(&self) -> TaskUpdate {
        TaskUpdate {
            id: self.task_id,
            description: Some(self.description.to_owned()),
            completed: Some(true),
            assignee_emails: vec![self.email.to_owned()],
            etag: self.etag.to_owned(),
            ..Default::default()
        }
    }

    pub(super) fn new_case(&self) -> NewCase {
        let tasks = vec![new_task("a task", &[self.email])];
        NewCase { name: self.description.to_owned(), tasks, ..Default::default() }
    }

    pub(super) fn case_update(&self) -> CaseUpdate {
        CaseUpdate {
            id: self.case_id,
            name: Some(self.description.to_owned()),
            etag: self.etag.to_owned(),
            ..Default::default()
        }
    }

    pub(super) fn user_key(&self) -> Option<UserKey> {
        Some(UserKey { key: Some(user_key::Key::Id(self.user_id.to_string())) })
    }

    pub(super) fn case_key(&self) -> Option<CaseKey> {
        Some(CaseKey { key: Some(case_key::Key::Id(self.case_id)) })
    }

    pub(super) fn update_body(&self) -> Value {
        json!({
            "description": self.description,
            "completed": true,
            "assignee_emails": [self.email],
        })
    }
}

impl App {
    /// Creates an API key that may make every call.
    pub(crate) async fn key_for_all(&self) -> ApiKey {
        self.key_with(&Scope::ALL).await
    }

    /// Creates a task and a user by SQL, the task in a case of the tenant with this id, and returns them
    /// as a target.
    pub(crate) fn target_in(&self, tenant: i64, case_id: i64) -> Target {
        let id = self.database.query(&format!(
            "INSERT INTO tasks (tenant_id, case_id, description) VALUES ({tenant}, {case_id}, 'x')
             RETURNING id"
        ));
        let user_id = self.database.query(&format!(
            "INSERT INTO users (tenant_id, email, first_name, last_name)
             VALUES ({tenant}, 'target-{id}@example.com', '', '') RETURNING id"
        ));
        let (task_id, user_id) = (id.parse().unwrap(), user_id.parse().unwrap());
        Target { task_id, user_id, ..Target::of_case(case_id) }
    }

    /// Creates a case with a task by SQL, and returns both as a target.
    pub(crate) fn target(&self) -> Target {
        self.target_of(self.tenant.get())
    }

    /// Creates a case of the tenant with this id, with a task, by SQL, and returns both as a target.
    pub(crate) fn target_of(&self, tenant: i64) -> Target {
        let case_id = self.database.query(&format!(
            "INSERT INTO cases (tenant_id, name) VALUES ({tenant}, 'x') RETURNING id"
        ));
        self.target_in(tenant, case_id.parse().unwrap())
    }

    /// Writes an idempotency key of the app's tenant by SQL.
    pub(crate) fn use_idempotency_key(&self, key: &str) {
        self.database.query(&format!(
            "INSERT INTO idempotency_keys (tenant_id, key, operation, fingerprint, task_ids)
             VALUES ({}, '{key}', 'batch_create_tasks', sha256(''), '{{7}}')",
            self.tenant
        ));
    }
}
