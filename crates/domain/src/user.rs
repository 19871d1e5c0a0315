//! Users, as they are stored.

use std::time::SystemTime;

use crate::{Email, ExternalId, UserId};

/// A user of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user's id.
    pub id: UserId,
    /// The user's email, unique in the tenant.
    pub email: Email,
    /// The user's first name. May be empty.
    pub first_name: String,
    /// The user's last name. May be empty.
    pub last_name: String,
}

/// A user of a tenant, as its directory knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryUser {
    /// The user's id; `None` of one who was not created.
    pub id: Option<UserId>,
    /// The caller's own id of the user.
    pub external_id: Option<ExternalId>,
    /// The user's email, unique in the tenant.
    pub email: Email,
    /// The user's first name. May be empty.
    pub first_name: String,
    /// The user's last name. May be empty.
    pub last_name: String,
    /// Since when no task is newly assigned to the user; `None` of one who is active.
    pub deactivated_at: Option<SystemTime>,
    /// When name, email and external id were erased; `None` if they were not.
    pub erased_at: Option<SystemTime>,
}

/// What an upsert did, or would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It creates.
    Created,
    /// It changes what exists.
    Updated,
    /// It does nothing: all is as it should be.
    Unchanged,
}
