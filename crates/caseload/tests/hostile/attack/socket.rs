//! Connections from an address of the attacker's choice.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use tokio::net::{TcpSocket, TcpStream};

/// A receive buffer that holds nearly nothing.
const SMALL: u32 = 4096;

/// Opens a connection from an address of this machine.
pub(crate) async fn connect(from: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    open(TcpSocket::new_v4()?, from, to).await
}

/// Opens a connection on which the system takes only a few bytes that are not read.
pub(crate) async fn connect_with_small_buffer(
    from: IpAddr,
    to: SocketAddr,
) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(SMALL)?;
    open(socket, from, to).await
}

async fn open(socket: TcpSocket, from: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    socket.bind(SocketAddr::new(from, 0))?;
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
