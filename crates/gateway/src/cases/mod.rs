//! The calls about cases: one file each, between the JSON and the gRPC contract.

pub(crate) mod convert;
mod create;
mod delete;
pub(crate) mod dto;
mod get;
mod list;
mod one_case;
mod update;

pub(crate) use create::create;
pub(crate) use delete::delete;
pub(crate) use get::get;
pub(crate) use list::list;
pub(crate) use update::update;
