//! What is sent: batches that can be told apart by the descriptions of their tasks.

use proto::tasks::v1::{BatchCreateTasksRequest, NewTask, Task};
use serde_json::json;

use crate::random::Random;

pub(crate) const TENANTS: usize = 3;
pub(crate) const CASES: usize = 4;
pub(crate) const USERS: usize = 5;

/// A batch, whatever id it is sent under.
#[derive(Debug)]
pub(crate) struct Batch {
    /// No other batch has it. Each description begins with it.
    pub(crate) key: String,
    pub(crate) tenant: usize,
    pub(crate) case_id: i64,
    tasks: Vec<NewTask>,
}

impl Batch {
    pub(crate) fn draw(key: String, tenant: usize, random: &mut Random) -> Self {
        let case_id = i64::try_from(tenant * CASES + 1 + random.below(CASES)).unwrap();
        let count = if random.one_in(20) { 25 } else { 1 + random.below(5) };
        let tasks = (1..=count).map(|number| {
            let padding = if random.one_in(30) { 2000 } else { 1 + random.below(20) };
            let first = random.below(USERS);
            let assignees = random.below(4);
            let emails = (0..assignees).map(|next| email((first + next) % USERS));
            // The audit knows this form.
            let text = "x".repeat(padding);
            let description = format!("{key} {number} {count} {assignees} {text}");
            NewTask { description, assignee_emails: emails.collect() }
        });
        let tasks = tasks.collect();
        Self { key, tenant, case_id, tasks }
    }

    /// Another batch, to be sent under this one's id.
    pub(crate) fn other(&self) -> Self {
        let key = format!("{}~", self.key);
        let description = format!("{key} 1 1 0 x");
        let tasks = vec![NewTask { description, assignee_emails: Vec::new() }];
        Self { key, tenant: self.tenant, case_id: self.case_id, tasks }
    }

    pub(crate) fn message(&self, request_id: String) -> BatchCreateTasksRequest {
        BatchCreateTasksRequest { case_id: self.case_id, tasks: self.tasks.clone(), request_id }
    }

    pub(crate) fn json(&self) -> String {
        let tasks = self.tasks.iter().map(|task| {
            json!({"description": task.description, "assignee_emails": task.assignee_emails})
        });
        json!({"tasks": tasks.collect::<Vec<_>>()}).to_string()
    }

    /// Whether these are the tasks that it asks for.
    pub(crate) fn is_answered_by(&self, tasks: &[Task]) -> bool {
        tasks.len() == self.tasks.len()
            && tasks.iter().zip(&self.tasks).all(|(task, asked)| {
                task.id > 0
                    && task.description == asked.description
                    && !task.completed
                    && task.assignees.iter().map(|a| &a.email).eq(&asked.assignee_emails)
            })
    }
}

fn email(user: usize) -> String {
    format!("user{}@example.com", user + 1)
}
