//! How the connections of an endpoint are served.

use telemetry::metrics::ListenerMetrics;
use tls::ListenerTls;

use crate::{clients::ClientRules, limits::Limits, protocol::Protocol};

/// How the connections of an endpoint are served.
#[derive(Clone, Debug)]
pub struct Endpoint<F> {
    /// The protocols.
    pub protocol: Protocol,
    /// The limits on connections.
    pub limits: Limits,
    /// How clients are told apart.
    pub clients: ClientRules,
    /// TLS; `None` for plaintext.
    pub tls: Option<ListenerTls>,
    /// Returns whether the endpoint is short of what responses hold (see
    /// [`hold_until_sent`](crate::hold_until_sent)). It is called for each response, and must be
    /// cheap.
    pub is_scarce: F,
    /// Where connections, requests and waiting responses are counted.
    pub metrics: ListenerMetrics,
}
