//! A port that is known before anybody serves there.

use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// An address that nobody serves and no other test is given. A server may still be bound to it,
/// since that and this one allow it (`SO_REUSEADDR`) and this one doesn't listen.
pub(crate) struct ReservedPort(TcpSocket);

impl ReservedPort {
    pub(crate) fn reserve() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self(socket)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }
}
