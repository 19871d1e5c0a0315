//! How the connections of an endpoint are served.

use crate::{limits::Limits, protocol::Protocol};

/// How the connections of an endpoint are served.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint<F> {
    /// The protocols.
    pub protocol: Protocol,
    /// The limits on connections.
    pub limits: Limits,
    /// Returns whether the endpoint is short of what responses hold (see
    /// [`hold_until_sent`](crate::hold_until_sent)). It is called for each response, and must be
    /// cheap.
    pub is_scarce: F,
}
