//! Limits on the connections of one endpoint.

use std::time::Duration;

/// Limits the number of connections, and how long each may last.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The maximum number of connections. Further ones are closed as soon as they are accepted.
    pub max_connections: u32,
    /// How long a client may take to send the head of a request over HTTP/1.1, or its connection
    /// preface and first SETTINGS frame over HTTP/2. The TLS handshake is part of that.
    pub header_timeout: Duration,
    /// How long a connection may be idle over HTTP/2: no request on it is being processed.
    pub idle_timeout: Duration,
    /// The same over HTTP/1.1. An idle connection is not closed at its maximum age there, as no response
    /// could say so: it is this that ends it.
    pub http1_idle_timeout: Duration,
    /// How long a client may leave a part of a response untaken before the response is reset, over
    /// HTTP/1.1 the connection closed.
    pub send_timeout: Duration,
    /// When a connection is closed although it is in use.
    pub max_age: MaxAge,
}

/// The age at which a connection is closed, so that clients reconnect and spread over servers that
/// were added.
#[derive(Clone, Copy, Debug)]
pub struct MaxAge {
    /// The age, give or take a tenth: connections that were opened at the same time are not all
    /// closed at the same time (gRPC proposal A9).
    pub age: Duration,
    /// How long requests may still run once the client has been asked to reconnect.
    pub grace: Duration,
}

impl Limits {
    /// Returns the shortest of the header timeout and the idle timeouts.
    pub(crate) fn shortest_timeout(&self) -> Duration {
        self.header_timeout.min(self.idle_timeout).min(self.http1_idle_timeout)
    }
}
