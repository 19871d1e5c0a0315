//! Cases.

mod admin;
mod check;
mod create;
mod delete;
mod get;
mod list;
#[cfg(test)]
mod plans;
pub(crate) mod row;
mod update;
