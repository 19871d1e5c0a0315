//! The calls about cases: one file each, between the JSON and the gRPC contract.

pub(crate) mod convert;
mod create;
mod delete;
pub(crate) mod dto;
mod example;
mod get;
mod list;
mod one_case;
mod update;

use crate::{
    context::Context,
    openapi::{CASES, Route},
    upstream::Transport,
};

/// Returns the routes of all calls about cases.
pub(crate) fn routes<T: Transport>() -> [Route<Context<T>>; 5] {
    [list::route(), create::route(), get::route(), update::route(), delete::route()]
        .map(|route| route.tagged(CASES))
}
