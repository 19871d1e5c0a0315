//! The users and cases of a tenant, as the service that feeds them sees them.
//!
//! All of these queries run on the connections for the directory, of which a tenant has one at a time.

mod case_row;
mod cases;
mod contention;
mod erasure;
mod list_changed;
#[cfg(test)]
mod plans;
pub(crate) mod row;
mod scrubbing;
mod upsert_cases;
mod upsert_users;
mod users;

pub use erasure::PendingErasure;
pub use scrubbing::ScrubStep;
