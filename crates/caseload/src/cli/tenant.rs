//! The option that names a tenant.

use clap::Args;

#[derive(Args)]
pub(crate) struct TenantOption {
    /// The tenant's name
    #[arg(long, env = "CASELOAD_TENANT", value_name = "NAME")]
    pub(crate) tenant: String,
}
