//! Authentication: which API key a call has, whom it belongs to, and whether it is accepted from there.

mod authenticator;
mod credentials;
mod key_cache;
mod key_tasks;
mod key_uses;
mod look_up_limit;
mod named_hosts;
mod single_flight;
mod tenant_hosts;
mod waiting;

pub(crate) use authenticator::Authenticator;
pub(crate) use credentials::api_key;
pub(crate) use key_cache::KeyCache;
pub(crate) use key_tasks::KeyTasks;
pub(crate) use look_up_limit::LookUpLimit;
pub(crate) use named_hosts::NamedHosts;
pub(crate) use waiting::{Arrival, WaitingCalls};
