//! What the audit log has of calls: how API keys were used, and what was fed.
//!
//! Calls note it in memory, and a task appends it. No call waits for that.

mod key_activities;
mod key_activity;
mod origin;
mod queue;
mod refusals;
mod writer;

pub(crate) use key_activities::KeyActivities;
pub(crate) use key_activity::KeyActivity;
pub(crate) use origin::Origin;
pub(crate) use refusals::Refusal;
pub(crate) use writer::AuditLog;
