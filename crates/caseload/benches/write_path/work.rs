//! The batches that are sent.

use std::fmt;

use bytes::{BufMut as _, Bytes, BytesMut};
use domain::ApiKey;
use prost::Message as _;
use proto::tasks::v1::{BatchCreateTasksRequest, NewTask, Task};
use serde_json::json;

pub(crate) const TENANTS: i64 = 10;
pub(crate) const USERS: i64 = 1000;
pub(crate) const CASES: i64 = 1000;

/// How many different batches are sent in turn.
const BATCHES: usize = 500;

/// The size of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// The example of the API document: 3 tasks, 3 assignees.
    Sample,
    /// 25 tasks with 2 assignees each.
    Full,
}

/// The tenants that send the batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spread {
    /// All ten.
    Tenants,
    OneTenant,
}

impl Work {
    /// Returns the number of assignees of each task.
    pub(crate) fn assignees(self) -> Vec<usize> {
        match self {
            Self::Sample => vec![1, 0, 2],
            Self::Full => vec![2; 25],
        }
    }

    pub(crate) fn tasks(self) -> u64 {
        self.assignees().len() as u64
    }

    pub(crate) fn assignments(self) -> u64 {
        self.assignees().iter().sum::<usize>() as u64
    }
}

/// Returns the description of a task of a batch.
pub(crate) fn description(task: usize) -> &'static str {
    [
        "Review security logs for suspicious activity",
        "Update incident runbook",
        "Close related tickets",
    ][task % 3]
}

/// A batch, encoded for each protocol.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) key: String,
    /// A complete gRPC message with its prefix.
    pub(crate) grpc: Bytes,
    /// A complete HTTP/1.1 request.
    pub(crate) rest: Vec<u8>,
    emails: Vec<Vec<String>>,
}

impl Batch {
    /// Returns the batches of a load, in the order in which they are sent.
    pub(crate) fn all(work: Work, spread: Spread, keys: &[ApiKey]) -> Vec<Self> {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let tenant = |random: &mut Random| match spread {
            Spread::Tenants => random.below(TENANTS),
            Spread::OneTenant => 0,
        };
        (0..BATCHES)
            .map(|_| {
                let tenant = tenant(&mut random);
                Self::one(work, tenant, keys, &mut random)
            })
            .collect()
    }

    /// Returns the sample batches of a load of one tenant, counted from 0.
    pub(crate) fn of_tenant(tenant: i64, keys: &[ApiKey]) -> Vec<Self> {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        (0..BATCHES).map(|_| Self::one(Work::Sample, tenant, keys, &mut random)).collect()
    }

    fn one(work: Work, tenant: i64, keys: &[ApiKey], random: &mut Random) -> Self {
        let case_id = tenant * CASES + 1 + random.below(CASES);
        let key = keys[usize::try_from(tenant).unwrap()].expose().to_owned();
        let emails: Vec<Vec<String>> = work
            .assignees()
            .into_iter()
            .map(|count| {
                let first = random.below(USERS);
                (0..count as i64)
                    .map(|next| format!("user{}@example.com", 1 + (first + next) % USERS))
                    .collect()
            })
            .collect();
        let grpc = grpc_message(case_id, &emails);
        let rest = rest_request(case_id, &emails, &key);
        Self { key, grpc, rest, emails }
    }

    /// Whether these tasks are those of the batch.
    pub(crate) fn matches(&self, tasks: &[Task]) -> bool {
        tasks.len() == self.emails.len()
            && tasks.iter().zip(&self.emails).enumerate().all(|(index, (task, emails))| {
                task.id > 0
                    && task.description == description(index)
                    && !task.completed
                    && task.assignees.iter().map(|assignee| &assignee.email).eq(emails)
            })
    }
}

fn grpc_message(case_id: i64, emails: &[Vec<String>]) -> Bytes {
    let tasks = emails.iter().enumerate().map(|(index, emails)| NewTask {
        description: description(index).to_owned(),
        assignee_emails: emails.clone(),
    });
    let message = BatchCreateTasksRequest { case_id, tasks: tasks.collect(), ..Default::default() };
    let mut bytes = BytesMut::new();
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(message.encoded_len()).unwrap());
    message.encode(&mut bytes).unwrap();
    bytes.freeze()
}

fn rest_request(case_id: i64, emails: &[Vec<String>], key: &str) -> Vec<u8> {
    let tasks: Vec<_> = emails
        .iter()
        .enumerate()
        .map(
            |(index, emails)| json!({"description": description(index), "assignee_emails": emails}),
        )
        .collect();
    let body = json!({"tasks": tasks}).to_string();
    format!(
        "POST /api/v2/cases/{case_id}/tasks/batch HTTP/1.1\r\nhost: localhost\r\n\
         authorization: Bearer {key}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// xorshift64: spreads batches well enough, and yields the same batches in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        i64::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sample => "sample",
            Self::Full => "full",
        })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tenants => "10-tenants",
            Self::OneTenant => "1-tenant",
        })
    }
}
