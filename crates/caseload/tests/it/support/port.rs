//! A port that is known before a server listens on it.

use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// A free local port that is kept for one test. A server of that test can bind to it, since both
/// sockets set `SO_REUSEADDR` and this one does not listen.
pub(crate) struct ReservedPort(TcpSocket);

impl ReservedPort {
    /// Reserves a port.
    pub(crate) fn reserve() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self(socket)
    }

    /// Returns the address.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }
}
