//! The batches that clients send. The descriptions of its tasks identify a batch in the database.

use proto::tasks::v1::{BatchCreateTasksRequest, NewTask, Task};
use serde_json::{Value, json};

use crate::random::Random;

pub(crate) const TENANTS: usize = 3;
pub(crate) const CASES: usize = 4;
pub(crate) const USERS: usize = 5;

/// The last of the cases that are there from the beginning. Those that clients create have greater ids.
pub(crate) const LAST_CASE: usize = TENANTS * CASES;

/// A batch, independent of the idempotency key that it is sent with.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// Unique among all batches of a run. Each description begins with it.
    pub(crate) name: String,
    pub(crate) tenant: usize,
    pub(crate) case_id: i64,
    tasks: Vec<NewTask>,
}

impl Batch {
    pub(crate) fn random(name: String, tenant: usize, random: &mut Random) -> Self {
        let case_id = i64::try_from(tenant * CASES + 1 + random.below(CASES)).unwrap();
        let count = if random.one_in(20) { 25 } else { 1 + random.below(5) };
        let tasks = (1..=count).map(|number| {
            let padding = if random.one_in(30) { 2000 } else { 1 + random.below(20) };
            let first = random.below(USERS);
            let assignees = random.below(4);
            let emails = (0..assignees).map(|next| email((first + next) % USERS));
            // The audit's query parses this form.
            let text = "x".repeat(padding);
            let description = format!("{name} {number} {count} {assignees} {text}");
            NewTask { description, assignee_emails: emails.collect() }
        });
        let tasks = tasks.collect();
        Self { name, tenant, case_id, tasks }
    }

    /// Returns a batch of one task that is assigned to one user.
    pub(crate) fn assigned(name: String, tenant: usize, random: &mut Random, email: &str) -> Self {
        let case_id = i64::try_from(tenant * CASES + 1 + random.below(CASES)).unwrap();
        let description = format!("{name} 1 1 1 x");
        let tasks = vec![NewTask { description, assignee_emails: vec![email.to_owned()] }];
        Self { name, tenant, case_id, tasks }
    }

    /// Returns the same batch for another case.
    pub(crate) fn in_case(self, case_id: i64) -> Self {
        Self { case_id, ..self }
    }

    /// Returns a different batch for the same case, to be sent with this one's idempotency key.
    pub(crate) fn different(&self) -> Self {
        let name = format!("{}~", self.name);
        let description = format!("{name} 1 1 0 x");
        let tasks = vec![NewTask { description, assignee_emails: Vec::new() }];
        Self { name, tenant: self.tenant, case_id: self.case_id, tasks }
    }

    /// Returns the batch as a gRPC message. The message's `request_id` is the idempotency key.
    pub(crate) fn message(&self, idempotency_key: String) -> BatchCreateTasksRequest {
        BatchCreateTasksRequest {
            case_id: self.case_id,
            tasks: self.tasks.clone(),
            request_id: idempotency_key,
            ..Default::default()
        }
    }

    /// Returns the batch as the body of a REST request.
    pub(crate) fn json(&self) -> Value {
        let tasks = self.tasks.iter().map(|task| {
            json!({"description": task.description, "assignee_emails": task.assignee_emails})
        });
        json!({"tasks": tasks.collect::<Vec<_>>()})
    }

    pub(crate) fn descriptions(&self) -> Vec<&str> {
        self.tasks.iter().map(|task| task.description.as_str()).collect()
    }

    /// Returns whether the created tasks are the requested ones.
    pub(crate) fn matches(&self, created: &[Task]) -> bool {
        created.len() == self.tasks.len()
            && created.iter().zip(&self.tasks).all(|(task, requested)| {
                task.id > 0
                    && task.description == requested.description
                    && !task.completed
                    && task.assignees.iter().map(|a| &a.email).eq(&requested.assignee_emails)
            })
    }
}

pub(crate) fn email(user: usize) -> String {
    format!("user{}@example.com", user + 1)
}
