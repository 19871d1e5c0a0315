//! Identifiers: positive 64-bit integers from the database's sequences, each of its own type.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// The id, where `id` is positive; ids that are not name nothing.
            #[must_use]
            pub const fn new(id: i64) -> Option<Self> {
                if id > 0 { Some(Self(id)) } else { None }
            }

            /// The id as it is stored and sent.
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
    /// Names a tenant: whose data it is.
    TenantId
}
id! {
    /// Names a case of a tenant.
    CaseId
}
id! {
    /// Names a task of a tenant.
    TaskId
}
id! {
    /// Names a user of a tenant.
    UserId
}
id! {
    /// Names an API key of a tenant. Not a secret, unlike the key itself.
    KeyId
}
