//! Tenants, as they are stored.

use std::time::SystemTime;

use crate::TenantId;

/// A tenant: an organisation whose data no other one sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// The tenant's id.
    pub id: TenantId,
    /// The tenant's name, unique in the installation: 1 to 200 characters.
    pub name: String,
    /// When it was created, by the database's clock.
    pub created_at: SystemTime,
}
