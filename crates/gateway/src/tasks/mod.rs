//! The calls of the documented API: one file each, between the JSON and the gRPC contract.

mod batch_create;
mod batch_delete;
mod batch_update;
pub(crate) mod convert;
mod create;
mod delete;
pub(crate) mod dto;
mod event_kind;
mod example;
mod get;
mod get_idempotency_record;
mod list;
mod list_events;
mod one_task;
mod update;

use crate::{
    context::Context,
    openapi::{Route, TASKS},
    upstream::Transport,
};

/// Returns the routes of all calls about tasks.
pub(crate) fn routes<T: Transport>() -> [Route<Context<T>>; 11] {
    [
        batch_create::route(),
        batch_update::route(),
        batch_delete::route(),
        list::route_of_case(),
        create::route(),
        get::route(),
        update::route(),
        delete::route(),
        list_events::route(),
        list::route_of_user(),
        get_idempotency_record::route(),
    ]
    .map(|route| route.tagged(TASKS))
}
