//! Fixtures of `tests/it` that this suite uses, too.
#![expect(dead_code, reason = "the tests in tests/it use the rest")]

#[path = "../../it/support/database.rs"]
mod database;
#[path = "../../it/support/http2.rs"]
pub(crate) mod http2;
#[path = "../../it/support/polling.rs"]
pub(crate) mod polling;
#[path = "../../it/support/port.rs"]
mod port;
#[path = "../../it/support/postgres.rs"]
mod postgres;
#[path = "../../it/support/program.rs"]
mod program;
#[path = "../../it/support/session.rs"]
mod session;

pub(crate) use database::TestDatabase;
pub(crate) use port::ReservedPort;
pub(crate) use program::Program;
pub(crate) use session::Session;
