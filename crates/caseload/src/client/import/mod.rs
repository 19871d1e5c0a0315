//! Imports: a task, a user or a case for each line of a file.

mod cases;
mod checked;
mod csv;
mod directory;
mod directory_service;
mod divide;
mod engine;
mod exactly_once;
mod faults;
mod fields;
mod input;
mod interrupt;
mod key;
mod kind;
mod line_reader;
mod ndjson;
mod new_tasks;
mod outcome;
mod progress;
mod reader;
mod records;
mod rejects;
mod rows;
mod sink;
mod summary;
mod tasks;
mod upsert;
mod users;
mod window;

pub(super) use directory::import as directory;
pub(super) use tasks::import as tasks;
