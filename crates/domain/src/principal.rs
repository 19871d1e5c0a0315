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
    /// Checks that the caller has the scope.
    ///
    /// # Errors
    /// [`Error::MissingScope`] if it does not.
    pub fn require(&self, scope: Scope) -> Result<(), Error> {
        if self.scopes.contains(scope) { Ok(()) } else { Err(Error::MissingScope(scope)) }
    }

    /// Returns the caller as one who makes a change in the request with this id.
    #[must_use]
    pub fn acting_in(&self, request_id: String) -> Actor {
        Actor { tenant: self.tenant, key: self.key, request_id }
    }
}
