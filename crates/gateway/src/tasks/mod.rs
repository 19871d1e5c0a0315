//! The calls of the documented API: one file each, between the JSON and the gRPC contract.

mod batch_create;
pub(crate) mod convert;
pub(crate) mod dto;

pub(crate) use batch_create::batch_create;
