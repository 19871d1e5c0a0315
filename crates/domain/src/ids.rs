//! Identifiers: positive 64-bit integers from the database's sequences, each of its own type.

use std::fmt;

use crate::{Reason, Rule};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// Broken by a number that is not positive.
            pub const NOT_POSITIVE: Rule = Rule {
                reason: Reason::NotPositive,
                description: "an id is a positive integer",
            };

            /// Returns the id, or `None` if the number is not positive: the database assigns
            /// positive ids only.
            #[must_use]
            pub const fn new(id: i64) -> Option<Self> {
                if id > 0 { Some(Self(id)) } else { None }
            }

            /// Returns the number, as it is stored and sent.
            #[must_use]
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// Identifies a tenant.
    TenantId
}
id! {
    /// Identifies a case of a tenant.
    CaseId
}
id! {
    /// Identifies a task of a tenant.
    TaskId
}
id! {
    /// Identifies a team, by the caller's own numbers.
    TeamId
}
id! {
    /// Identifies a user of a tenant.
    UserId
}
id! {
    /// Identifies something that was done to a task, or to several at once, of a tenant.
    EventId
}
id! {
    /// Identifies an API key of a tenant. Unlike the key itself, it is not a secret.
    KeyId
}
