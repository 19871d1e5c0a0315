//! Tasks, outside the write path that creates them.

mod change;
mod check;
mod delete;
mod get;
mod list;
#[cfg(test)]
mod plans;
mod row;
mod update;
