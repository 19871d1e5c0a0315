//! The commands of `caseload admin tenant host`.

use clap::{Args, Subcommand, ValueEnum};
use domain::HostName;

use super::{audit::OptionalTenant, tenant::TenantOption};

#[derive(Subcommand)]
pub(crate) enum HostCommand {
    /// Bind hosts to a tenant; servers know them within a second, or within their --key-ttl if they are not told
    Add(TenantHosts),
    /// List the hosts of a tenant, or of all
    List(OptionalTenant),
    /// Take hosts from a tenant
    Remove(TenantHosts),
    /// Set whether a tenant's keys are accepted on its own hosts only, or also on those of nobody
    Exclusive {
        #[command(flatten)]
        tenant: TenantOption,
        /// Whether they are
        #[arg(value_name = "on|off", hide_possible_values = true)]
        exclusive: Switch,
    },
}

/// Hosts of a tenant.
#[derive(Args)]
pub(crate) struct TenantHosts {
    #[command(flatten)]
    pub(crate) tenant: TenantOption,
    /// The names, as in tasks.example.com: without a scheme and a port, with A-labels (xn--…) outside of ASCII
    #[arg(required = true, value_name = "HOST")]
    pub(crate) hosts: Vec<HostName>,
}

/// Whether something is so.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// It is
    On,
    /// It is not
    Off,
}
