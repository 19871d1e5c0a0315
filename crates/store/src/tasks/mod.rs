//! Tasks, outside the write path that creates them.

mod change;
mod check;
mod delete;
mod event_sweep;
mod events;
pub(crate) mod get;
mod list;
#[cfg(test)]
mod plans;
mod reader;
mod row;
mod update;

pub use reader::TaskReader;
