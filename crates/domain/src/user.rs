//! Users, as they are stored.

use crate::{Email, UserId};

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
