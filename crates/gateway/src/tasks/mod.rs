//! The calls of the documented API: one file each, between the JSON and the gRPC contract.

mod batch_create;
mod batch_delete;
mod batch_update;
pub(crate) mod convert;
mod create;
mod delete;
pub(crate) mod dto;
mod get;
mod get_idempotency_record;
mod list;
mod list_events;
mod one_task;
mod update;

pub(crate) use batch_create::batch_create;
pub(crate) use batch_delete::batch_delete;
pub(crate) use batch_update::batch_update;
pub(crate) use create::create;
pub(crate) use delete::delete;
pub(crate) use get::get;
pub(crate) use get_idempotency_record::get_idempotency_record;
pub(crate) use list::{list_of_case, list_of_user};
pub(crate) use list_events::list_events;
pub(crate) use update::update;
