//! Outages: a database or a server that is unavailable, crashes, hangs or fails over.

mod database;
mod failover;
mod frozen_server;
mod key_lookups;
mod pooler;
mod recovery;
mod stalled_commits;
mod upstream;

pub(crate) mod probes;
