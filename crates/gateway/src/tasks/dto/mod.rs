//! The documented JSON.
//!
//! These types are the gateway's own, since protobuf's JSON mapping writes an int64 as a string
//! and the documented API writes a number. Their comments are the descriptions of the OpenAPI
//! document.

mod request;
mod response;

pub(crate) use request::{CreateTasks, DeleteTasks, NewTask, TaskChange, UpdateTask, UpdateTasks};
pub(crate) use response::{
    ApiKey, Assignee, CheckedTask, CheckedTasks, DestroyedTask, DestroyedTasks, IdempotencyKey,
    IdempotencyRecord, OUTCOME_CREATED, OneCheckedTask, OneTask, Task, TaskEvent, TaskEventList,
    TaskList, TaskOfCase, Tasks, TasksOfUser,
};
