//! The caller of a call, and what it is allowed to do.

use crate::{Actor, Error, KeyId, Scope, Scopes, TenantId};

/// The authenticated caller: a key, its tenant and its scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The tenant that the key belongs to; the call acts within it.
    pub tenant: TenantId,
    /// The key.
    pub key: KeyId,
    /// The scopes of the key.
    pub scopes: Scopes,
}

impl Principal {
    /// Checks that the caller has one of these scopes.
    ///
    /// # Errors
    /// [`Error::MissingScope`] if it has none.
    pub fn require(&self, one_of: &'static [Scope]) -> Result<(), Error> {
        match one_of.iter().any(|scope| self.scopes.contains(*scope)) {
            true => Ok(()),
            false => Err(Error::MissingScope(one_of)),
        }
    }

    /// Returns the caller as one who makes a change in the request with this id.
    #[must_use]
    pub fn acting_in(&self, request_id: String) -> Actor {
        Actor { tenant: self.tenant, key: self.key, request_id }
    }
}
