//! Serves HTTP connections within limits: how many there may be, how much each may hold, how long
//! each may be idle, and how old it may become.
//!
//! It knows HTTP and tower services, but none of the services that Caseload offers.

mod activity;
mod body;
mod connection;
mod deadline;
mod lifetime;
mod limits;
mod listener;
mod options;
mod preface;
mod protocol;
mod server;
mod stream;

pub use limits::{Limits, MaxAge};
pub use options::ConnectionOptions;
pub use protocol::Protocol;
pub use server::serve;
