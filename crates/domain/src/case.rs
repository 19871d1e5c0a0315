//! Cases, as they are stored.

use std::time::SystemTime;

use crate::CaseId;

/// A case of a tenant: what tasks belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The case's id.
    pub id: CaseId,
    /// The case's name: 1 to 200 characters.
    pub name: String,
    /// When it was created, by the database's clock.
    pub created_at: SystemTime,
}
