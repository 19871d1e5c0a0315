//! Who is at the other end of a connection with mutual TLS.

use std::sync::Arc;

use http::Extensions;

use crate::cut::cut;

/// Whom the certificate of a connection's client is for. Every request on the connection has it as an
/// extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIdentity(Arc<str>);

impl PeerIdentity {
    /// Returns an identity with this name, which is cut as other texts of callers in logs are.
    #[must_use]
    pub fn new(name: impl AsRef<str>) -> Self {
        Self(cut(name.as_ref()).into())
    }

    /// Returns the name in a request with these extensions, if its client has a certificate.
    pub(crate) fn of(extensions: &Extensions) -> Option<&str> {
        extensions.get().map(|Self(name)| &**name)
    }
}
