//! The scopes of API keys.

/// A permission that a key needs for a call. The server decides; the document only says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// To read tasks.
    TasksRead,
    /// To create, change and delete tasks.
    TasksWrite,
    /// To read cases.
    CasesRead,
    /// To create, change and delete cases.
    CasesWrite,
}

impl Scope {
    /// Returns the name of the scope.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::TasksRead => "tasks:read",
            Self::TasksWrite => "tasks:write",
            Self::CasesRead => "cases:read",
            Self::CasesWrite => "cases:write",
        }
    }
}
