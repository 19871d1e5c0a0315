//! The metrics of listeners: what their clients have open.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

/// The metrics of one listener. The default ones are shown nowhere. Clones are of the same listener.
#[derive(Clone, Debug, Default)]
pub struct ListenerMetrics {
    connections: Gauge,
    accepted: Counter,
    beyond_limit: Counter,
    beyond_share: Counter,
    handshakes: [Counter; HandshakeResult::ALL.len()],
    streams: Gauge,
    waiting_bytes: Gauge,
}

/// How a TLS handshake ended. One that the end of the program cuts off has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeResult {
    /// The connection is used.
    Completed,
    /// One side does not accept the other, or the client has closed the connection.
    Failed,
    /// The client took too long.
    TimedOut,
    /// It was not begun: too many others were not complete.
    Refused,
}

impl HandshakeResult {
    const ALL: [Self; 4] = [Self::Completed, Self::Failed, Self::TimedOut, Self::Refused];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Refused => "refused",
        }
    }
}

/// A connection that counts as open until it is dropped.
#[derive(Debug)]
pub struct OpenConnection(Gauge);

impl ListenerMetrics {
    /// Counts a connection that is served.
    #[must_use]
    pub fn accepted(&self) -> OpenConnection {
        self.accepted.inc();
        self.connections.inc();
        OpenConnection(self.connections.clone())
    }

    /// Counts a connection that is closed at once, as there are as many as there may be.
    pub fn rejected_beyond_limit(&self) {
        self.beyond_limit.inc();
    }

    /// Counts a connection that is closed at once, as its client's address has its share.
    pub fn rejected_beyond_share(&self) {
        self.beyond_share.inc();
    }

    /// Counts a TLS handshake.
    pub fn handshake_ended(&self, result: HandshakeResult) {
        let [completed, failed, timed_out, refused] = &self.handshakes;
        let counter = match result {
            HandshakeResult::Completed => completed,
            HandshakeResult::Failed => failed,
            HandshakeResult::TimedOut => timed_out,
            HandshakeResult::Refused => refused,
        };
        counter.inc();
    }

    /// Returns the number of requests that are served.
    #[must_use]
    pub fn streams(&self) -> &Gauge {
        &self.streams
    }

    /// Returns the number of bytes of responses that wait until their clients take them.
    #[must_use]
    pub fn waiting_bytes(&self) -> &Gauge {
        &self.waiting_bytes
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Listener {
    listener: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Rejection {
    listener: &'static str,
    reason: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Handshake {
    listener: &'static str,
    result: &'static str,
}

/// The metrics of all listeners of a process.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    connections: Family<Listener, Gauge>,
    accepted: Family<Listener, Counter>,
    rejected: Family<Rejection, Counter>,
    handshakes: Family<Handshake, Counter>,
    streams: Family<Listener, Gauge>,
    waiting_bytes: Family<Listener, Gauge>,
}

impl Listeners {
    pub(super) fn named(&self, listener: &'static str) -> ListenerMetrics {
        let label = &Listener { listener };
        let rejected = |reason| self.rejected.get_or_create_owned(&Rejection { listener, reason });
        let handshakes = HandshakeResult::ALL.map(|result| {
            let result = result.as_str();
            self.handshakes.get_or_create_owned(&Handshake { listener, result })
        });
        ListenerMetrics {
            connections: self.connections.get_or_create_owned(label),
            accepted: self.accepted.get_or_create_owned(label),
            beyond_limit: rejected("limit"),
            beyond_share: rejected("address_share"),
            handshakes,
            streams: self.streams.get_or_create_owned(label),
            waiting_bytes: self.waiting_bytes.get_or_create_owned(label),
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("connections", "Open connections of clients", self.connections.clone());
        registry.register(
            "connections_accepted",
            "Connections of clients that were accepted",
            self.accepted.clone(),
        );
        registry.register(
            "connections_rejected",
            "Connections of clients that were closed at once: by --max-connections (limit), or by \
             --address-share (address_share)",
            self.rejected.clone(),
        );
        registry.register(
            "tls_handshakes",
            "TLS handshakes of clients, by how they ended: completed, failed, timed_out by \
             --header-timeout, or refused, as half of --max-connections were not complete, or the share of \
             the client's address in that",
            self.handshakes.clone(),
        );
        registry.register(
            "streams",
            "Requests from their heads until the last part of their responses was produced",
            self.streams.clone(),
        );
        registry.register_with_unit(
            "waiting",
            "Parts of responses that were produced, and not yet written to their connections",
            Unit::Bytes,
            self.waiting_bytes.clone(),
        );
    }
}
