//! What the audit log has of calls: how API keys were used, and which cases and users were changed.
//!
//! Calls note uses of keys in memory, and changes in the outbox, and a task appends them. No call waits for that.

mod failure;
mod key_activities;
mod key_activity;
mod origin;
mod outbox;
mod queue;
mod refusals;
mod writer;

pub(crate) use key_activities::KeyActivities;
pub(crate) use key_activity::KeyActivity;
pub(crate) use origin::Origin;
pub(crate) use refusals::Refusal;
pub(crate) use writer::AuditLog;
