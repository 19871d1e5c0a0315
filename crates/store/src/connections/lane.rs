//! Which connections a query may use.

use super::threads::Length;

/// Which connections a query may use.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lane {
    /// Those for all other queries.
    Queries,
    /// The same, but for one that is left to other queries: a list may take long.
    Lists,
    /// Those for changes. A commit may take long, while a standby is away; reads go on then.
    Changes,
    /// Those for changes to rows that another transaction has locked: they wait.
    Contended,
    /// Those for the directory: the calls that feed users and cases, of which one may have hundreds.
    Directory,
    /// The same, for what is to be appended to the audit log: that waits for no call of the tenant.
    Audit,
    /// The one for checks whether the database works, which is free whatever callers do.
    Checks,
}

impl Lane {
    /// The lanes with threads of their own. Lists run on those of other queries, and audits
    /// on those for the directory.
    pub(super) const OF_THREADS: [Self; 5] =
        [Self::Queries, Self::Changes, Self::Contended, Self::Directory, Self::Checks];

    /// Returns the name in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Queries => "queries",
            Self::Lists => "lists",
            Self::Changes => "changes",
            Self::Contended => "contended",
            Self::Directory => "directory",
            Self::Audit => "audit",
            Self::Checks => "checks",
        }
    }

    /// Returns how long its queries may take.
    pub(super) fn length(self) -> Length {
        match self {
            Self::Lists => Length::Long,
            Self::Queries
            | Self::Changes
            | Self::Contended
            | Self::Directory
            | Self::Audit
            | Self::Checks => Length::Brief,
        }
    }
}
