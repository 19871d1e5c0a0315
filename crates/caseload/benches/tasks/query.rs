//! What is asked for: as a script for pgbench, and as requests to Caseload.

use std::fmt;

use bytes::{BufMut as _, Bytes, BytesMut};
use prost::Message;
use proto::tasks::v1::{
    GetTaskRequest, GetTaskResponse, ListTasksRequest, ListTasksResponse, Task, TaskUpdate,
    UpdateTaskRequest, UpdateTaskResponse,
};
use serde_json::Value;

use crate::{
    load::pgbench::without_comments,
    random::Random,
    world::{ASSIGNEES, CASES, TASKS, TENANTS},
};

/// The tasks of a page.
const PAGE: i32 = 20;

/// All tasks of a case, as in the store's list.rs.
const TASKS_OF_CASE: &str = "tasks AS t WHERE t.tenant_id = $1 AND t.case_id = $2";

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Query {
    /// One task.
    Get,
    /// The first page of a case.
    List,
    /// The same, with the number of all tasks of the case, which every page over REST has.
    CountedList,
    /// A new description for a task.
    Update,
}

/// A random thing to ask about.
pub(crate) struct Target {
    /// From 1.
    pub(crate) tenant: i64,
    pub(crate) case: i64,
    pub(crate) task: i64,
    description: String,
}

impl Target {
    pub(crate) fn random(random: &mut Random) -> Self {
        let tenant = random.up_to(TENANTS);
        let case = (tenant - 1) * CASES + random.up_to(CASES);
        let task = (case - 1) * TASKS + random.up_to(TASKS);
        let description = format!("Task {}", random.up_to(1_000_000));
        Self { tenant, case, task, description }
    }
}

impl Query {
    /// Returns the gRPC method.
    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::Get => "GetTask",
            Self::List | Self::CountedList => "ListTasks",
            Self::Update => "UpdateTask",
        }
    }

    /// Returns the gRPC message, with its prefix.
    pub(crate) fn message(self, target: &Target) -> Bytes {
        let (case_id, task_id) = (target.case, target.task);
        match self {
            Self::Get => frame(&GetTaskRequest { case_id, task_id }),
            Self::List | Self::CountedList => frame(&ListTasksRequest {
                case_id,
                page_size: PAGE,
                count_total: self == Self::CountedList,
                ..Default::default()
            }),
            Self::Update => {
                let description = Some(target.description.clone());
                let task = TaskUpdate { id: task_id, description, ..Default::default() };
                frame(&UpdateTaskRequest { case_id, task: Some(task), validate_only: false })
            }
        }
    }

    /// Returns the HTTP/1.1 request.
    pub(crate) fn request(self, target: &Target, key: &str) -> String {
        let (case, task) = (target.case, target.task);
        let head = format!("HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n");
        let tasks = format!("/api/v2/cases/{case}/tasks");
        match self {
            Self::Get => format!("GET {tasks}/{task} {head}\r\n"),
            Self::List | Self::CountedList => format!("GET {tasks}?per_page={PAGE} {head}\r\n"),
            Self::Update => {
                let body = format!(r#"{{"description":"{}"}}"#, target.description);
                let length = body.len();
                format!(
                    "PUT {tasks}/{task} {head}content-type: application/json\r\n\
                     content-length: {length}\r\n\r\n{body}"
                )
            }
        }
    }

    /// Checks a gRPC response.
    pub(crate) fn check_message(self, target: &Target, message: &[u8]) {
        let tasks = match self {
            Self::Get => vec![GetTaskResponse::decode(message).unwrap().task.unwrap()],
            Self::List | Self::CountedList => ListTasksResponse::decode(message).unwrap().tasks,
            Self::Update => vec![UpdateTaskResponse::decode(message).unwrap().task.unwrap()],
        };
        self.check(target, tasks.len(), |index| {
            let Task { id, case_id, assignees, .. } = &tasks[index];
            (*id, *case_id, assignees.len())
        });
    }

    /// Checks the body of an HTTP response.
    pub(crate) fn check_body(self, target: &Target, body: &[u8]) {
        let body: Value = serde_json::from_slice(body).unwrap();
        let tasks = match self {
            Self::Get | Self::Update => vec![body["task"].clone()],
            Self::List | Self::CountedList => body["tasks"].as_array().unwrap().clone(),
        };
        self.check(target, tasks.len(), |index| {
            let task = &tasks[index];
            // The case is that of the path, and only named in lists over several cases.
            (task["id"].as_i64().unwrap(), target.case, task["assignees"].as_array().unwrap().len())
        });
    }

    /// Checks that these are the tasks asked for, given the id, the case and the number of assignees
    /// of each.
    fn check(self, target: &Target, count: usize, task: impl Fn(usize) -> (i64, i64, usize)) {
        let first = match self {
            Self::Get | Self::Update => target.task,
            Self::List | Self::CountedList => (target.case - 1) * TASKS + 1,
        };
        let expected = match self {
            Self::Get | Self::Update => 1,
            Self::List | Self::CountedList => PAGE as usize,
        };
        assert_eq!(count, expected, "another number of tasks");
        for (id, index) in (first..).zip(0..count) {
            assert_eq!(task(index), (id, target.case, ASSIGNEES), "not the task asked for");
        }
    }

    /// Returns the prepared statement that Caseload runs for one call alone, with random values for
    /// its parameters.
    pub(crate) fn script(self) -> String {
        let text = match self {
            Self::Get => include_str!("../../../store/src/tasks/get.sql").to_owned(),
            Self::List | Self::CountedList => include_str!("../../../store/src/tasks/list.sql")
                .replace("{source}", TASKS_OF_CASE)
                .replace("{counted}", TASKS_OF_CASE)
                .replace("{id}", "t.id"),
            Self::Update => include_str!("../../../store/src/tasks/update.sql").to_owned(),
        };
        let counts = (self == Self::CountedList).to_string();
        let limit = (PAGE + 1).to_string();
        let parameters: &[&str] = match self {
            Self::Get => &["ARRAY[:tenant]", "ARRAY[:case]", "ARRAY[:task]"],
            Self::List | Self::CountedList => {
                &[":tenant", ":case", "NULL", "NULL", "NULL", "0", "0", &limit, &counts]
            }
            Self::Update => &[
                ":tenant",
                ":case",
                "ARRAY[:task]",
                "ARRAY['Task ' || :number]",
                "'{null}'",
                "'{false}'",
                "'{}'",
                "'{}'",
                "'{}'",
                "'{}'",
                "'{}'",
                "false",
                "1",
                "'a-request'",
            ],
        };
        let mut statement = without_comments(&text);
        // From the last, as $1 is the beginning of $10.
        for (index, parameter) in parameters.iter().enumerate().rev() {
            statement = statement.replace(&format!("${}", index + 1), parameter);
        }
        format!(
            "\\set tenant random(1, {TENANTS})\n\
             \\set case (:tenant - 1) * {CASES} + random(1, {CASES})\n\
             \\set task (:case - 1) * {TASKS} + random(1, {TASKS})\n\
             \\set number random(1, 1000000)\n\
             {statement};\n"
        )
    }
}

fn frame(message: &impl Message) -> Bytes {
    let mut bytes = BytesMut::with_capacity(5 + message.encoded_len());
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(message.encoded_len()).unwrap());
    message.encode(&mut bytes).unwrap();
    bytes.freeze()
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Get => "get",
            Self::List => "list",
            Self::CountedList => "counted-list",
            Self::Update => "update",
        })
    }
}
