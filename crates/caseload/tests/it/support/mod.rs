//! Fixtures and helpers that several tests use: a Postgres, a running Caseload, clients, processes.

mod admin_shell;
mod api_call;
mod app;
mod authority;
mod bodies;
pub(crate) mod contract;
mod create_call;
mod database;
pub(crate) mod http2;
pub(crate) mod polling;
mod port;
mod postgres;
mod program;
mod programs;
pub(crate) mod raw_grpc;
pub(crate) mod raw_http;
mod reply;
mod rows;
mod session;
mod switch;
mod target;
mod task_history;
pub(crate) mod write_path;

pub(crate) use admin_shell::AdminShell;
pub(crate) use api_call::{API_CALLS, ApiCall, Kind};
pub(crate) use app::{
    App, new_key, populate, start_gateway, start_gateway_to, start_gateway_with, start_server,
};
pub(crate) use authority::{Authority, Holder, Issued};
pub(crate) use bodies::{ONE_ASSIGNED_TASK, ONE_TASK, SAMPLE};
pub(crate) use create_call::{CreateCall, code_and_reasons, create_over_grpc, new_task};
pub(crate) use database::TestDatabase;
pub(crate) use port::ReservedPort;
pub(crate) use postgres::{LONG_LOCK_TIMEOUT, open, program as postgres_program, psql, secure};
pub(crate) use program::{Exited, Program};
pub(crate) use programs::{
    CASELOAD, gateway_path, start_server_process, start_server_process_with_env,
};
pub(crate) use reply::{Reply, http_client};
pub(crate) use session::{Session, TERMINATE_BLOCKED_SESSIONS};
pub(crate) use switch::{Switch, refuse};
pub(crate) use target::Target;
pub(crate) use task_history::{kind_name, read_history, reassignment};
