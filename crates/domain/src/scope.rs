//! What API keys permit.

use std::{fmt, str::FromStr};

/// A permission of an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Read tasks.
    TasksRead,
    /// Create and change tasks.
    TasksWrite,
    /// Read cases.
    CasesRead,
    /// Create, change and delete cases, with their tasks.
    CasesWrite,
    /// Administer the tenant. Does not include the other scopes.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 5] =
        [Self::TasksRead, Self::TasksWrite, Self::CasesRead, Self::CasesWrite, Self::Admin];

    /// Returns the scope's name, as it is stored and written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TasksRead => "tasks:read",
            Self::TasksWrite => "tasks:write",
            Self::CasesRead => "cases:read",
            Self::CasesWrite => "cases:write",
            Self::Admin => "admin",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that is not the name of a scope.
#[derive(Debug, thiserror::Error)]
#[error(
    "there is no scope {0:?}; the scopes are tasks:read, tasks:write, cases:read, cases:write and admin"
)]
pub struct UnknownScope(String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == name)
            .ok_or_else(|| UnknownScope(name.to_owned()))
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Returns whether the scope is in the set.
    #[must_use]
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Returns the scopes in the set, in a fixed order.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.contains(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse::<Scope>().unwrap(), scope);
        }
        assert!("tasks".parse::<Scope>().is_err());
    }

    #[test]
    fn admin_includes_nothing_else() {
        let admin = Scopes::from_iter([Scope::Admin]);
        assert!(!admin.contains(Scope::TasksWrite));
        assert_eq!(admin.iter().collect::<Vec<_>>(), [Scope::Admin]);
    }
}
