//! The calls that callers make.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::{kind::Kind, random::Random};

/// The tasks of one request. Their descriptions name it, so that it can be found in the database.
#[derive(Clone, Debug)]
pub(crate) struct NewTasks {
    /// Unique among all requests of a run.
    pub(crate) number: u64,
    /// The case of the tasks; 0 if it is created with them.
    pub(crate) case_id: i64,
    /// The number of the first assignee of each task, of the tenant's users. 0 is nobody.
    pub(crate) assignees: Vec<usize>,
}

/// Tasks that were acknowledged, and that nobody but these callers changes.
#[derive(Debug)]
pub(crate) struct Tasks {
    pub(crate) number: u64,
    pub(crate) case_id: i64,
    pub(crate) ids: Vec<i64>,
    /// Whether they were created with an idempotency key, which is derived from the number.
    pub(crate) has_key: bool,
    /// Whether they were created with their case, and go with it.
    pub(crate) is_case: bool,
    /// Whether somebody deletes them. Until then they must be there.
    is_taken: AtomicBool,
}

/// A call, with all that is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    BatchCreateTasks(NewTasks, bool),
    CreateTask(NewTasks, bool),
    GetTask(Arc<Tasks>, usize),
    BatchGetTasks(Arc<Tasks>),
    /// The tasks of a case.
    ListTasks(i64),
    /// The tasks of a user, over all cases.
    ListTasksOfUser(usize),
    ListTaskEvents(Arc<Tasks>, usize),
    /// Changes description and state of the task with this index.
    UpdateTask(Arc<Tasks>, usize, bool),
    BatchUpdateTasks(Arc<Tasks>, bool),
    DeleteTask(Arc<Tasks>),
    BatchDeleteTasks(Arc<Tasks>),
    GetIdempotencyRecord(Arc<Tasks>),
    CreateCase(NewTasks),
    GetCase(i64),
    ListCases,
    UpdateCase(Arc<Tasks>, bool),
    DeleteCase(Arc<Tasks>),
    BatchUpsertUsers(Vec<usize>),
    GetUser(usize),
    ListUsers,
    DeactivateUser(usize),
    ReactivateUser(usize),
    EraseUser(usize),
    BatchUpsertCases(Vec<usize>),
    GetFedCase(usize),
    ListFedCases,
    CloseCase(usize),
}

/// What a call was answered with, as far as callers need it.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) case_id: i64,
    /// The tasks that were created.
    pub(crate) ids: Vec<i64>,
}

impl NewTasks {
    pub(crate) fn description(&self, index: usize) -> String {
        description(self.number, index, self.assignees.len(), "Review the logs of this week")
    }

    pub(crate) fn emails(&self, index: usize) -> Vec<String> {
        let user = self.assignees[index];
        if user == 0 { Vec::new() } else { vec![email(user)] }
    }

    /// Returns the name of the case that is created with the tasks.
    pub(crate) fn case_name(&self) -> String {
        case_name(self.number)
    }

    /// Returns the tasks that were created, given the answer.
    pub(crate) fn created(&self, answer: Answer, has_key: bool) -> Tasks {
        let is_case = self.case_id == 0;
        Tasks {
            number: self.number,
            case_id: if is_case { answer.case_id } else { self.case_id },
            ids: answer.ids,
            has_key,
            is_case,
            is_taken: AtomicBool::new(false),
        }
    }
}

impl Tasks {
    /// Returns the description of a task after a change.
    pub(crate) fn changed(&self, index: usize, completed: bool) -> String {
        let text = if completed { "Reviewed" } else { "Review them again" };
        description(self.number, index, self.ids.len(), text)
    }

    pub(crate) fn case_name(&self) -> String {
        case_name(self.number)
    }

    pub(crate) fn idempotency_key(&self) -> String {
        idempotency_key(self.number)
    }

    /// Marks the tasks as those that somebody deletes, or not.
    pub(crate) fn set_taken(&self, is_taken: bool) {
        self.is_taken.store(is_taken, Ordering::Release);
    }

    pub(crate) fn is_taken(&self) -> bool {
        self.is_taken.load(Ordering::Acquire)
    }
}

impl Call {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::BatchCreateTasks(_, false) => Kind::BatchCreateTasks,
            Self::BatchCreateTasks(_, true) => Kind::BatchCreateTasksWithKey,
            Self::CreateTask(_, false) => Kind::CreateTask,
            Self::CreateTask(_, true) => Kind::CreateTaskWithKey,
            Self::GetTask(..) => Kind::GetTask,
            Self::BatchGetTasks(_) => Kind::BatchGetTasks,
            Self::ListTasks(_) => Kind::ListTasks,
            Self::ListTasksOfUser(_) => Kind::ListTasksOfUser,
            Self::ListTaskEvents(..) => Kind::ListTaskEvents,
            Self::UpdateTask(..) => Kind::UpdateTask,
            Self::BatchUpdateTasks(..) => Kind::BatchUpdateTasks,
            Self::DeleteTask(_) => Kind::DeleteTask,
            Self::BatchDeleteTasks(_) => Kind::BatchDeleteTasks,
            Self::GetIdempotencyRecord(_) => Kind::GetIdempotencyRecord,
            Self::CreateCase(_) => Kind::CreateCase,
            Self::GetCase(_) => Kind::GetCase,
            Self::ListCases => Kind::ListCases,
            Self::UpdateCase(..) => Kind::UpdateCase,
            Self::DeleteCase(_) => Kind::DeleteCase,
            Self::BatchUpsertUsers(_) => Kind::BatchUpsertUsers,
            Self::GetUser(_) => Kind::GetUser,
            Self::ListUsers => Kind::ListUsers,
            Self::DeactivateUser(_) => Kind::DeactivateUser,
            Self::ReactivateUser(_) => Kind::ReactivateUser,
            Self::EraseUser(_) => Kind::EraseUser,
            Self::BatchUpsertCases(_) => Kind::BatchUpsertCases,
            Self::GetFedCase(_) => Kind::GetFedCase,
            Self::ListFedCases => Kind::ListFedCases,
            Self::CloseCase(_) => Kind::CloseCase,
        }
    }

    /// Returns what the call creates, if it does, and whether it has an idempotency key.
    pub(crate) fn creates(&self) -> Option<(&NewTasks, bool)> {
        match self {
            Self::BatchCreateTasks(new, has_key) | Self::CreateTask(new, has_key) => {
                Some((new, *has_key))
            }
            Self::CreateCase(new) => Some((new, true)),
            _ => None,
        }
    }

    /// Returns what the call deletes, if it does.
    pub(crate) fn deletes(&self) -> Option<&Arc<Tasks>> {
        match self {
            Self::DeleteTask(tasks) | Self::BatchDeleteTasks(tasks) | Self::DeleteCase(tasks) => {
                Some(tasks)
            }
            _ => None,
        }
    }

    /// Returns the tasks that the call is about, if it neither creates nor deletes them.
    pub(crate) fn target(&self) -> Option<&Arc<Tasks>> {
        match self {
            Self::GetTask(tasks, _)
            | Self::BatchGetTasks(tasks)
            | Self::ListTaskEvents(tasks, _)
            | Self::UpdateTask(tasks, _, _)
            | Self::BatchUpdateTasks(tasks, _)
            | Self::GetIdempotencyRecord(tasks)
            | Self::UpdateCase(tasks, _) => Some(tasks),
            _ => None,
        }
    }

    /// Returns whether the call may be repeated although it may have been carried out.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.creates().is_none_or(|(_, has_key)| has_key)
    }

    /// Returns whether the call is made over REST, of calls that can be: every second one is.
    pub(crate) fn is_over_rest(&self, random: &mut Random) -> bool {
        self.kind().has_rest() && random.one_in(2)
    }
}

/// The audit's query parses this form.
fn description(number: u64, index: usize, count: usize, text: &str) -> String {
    format!("soak-{number} {index} {count} {text}")
}

fn case_name(number: u64) -> String {
    format!("soak-{number}")
}

pub(crate) fn idempotency_key(number: u64) -> String {
    format!("soak-{number}")
}

pub(crate) fn email(user: usize) -> String {
    format!("user{user}@example.com")
}
