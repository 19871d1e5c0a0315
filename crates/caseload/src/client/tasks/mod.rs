//! Calls about single tasks and lists.

mod assign;
mod complete;
mod create;
mod delete;
mod get;
mod list;
mod request_id;
pub(super) mod service;

pub(super) use assign::assign;
pub(super) use complete::complete;
pub(super) use create::create;
pub(super) use delete::delete;
pub(super) use get::get;
pub(super) use list::list;
