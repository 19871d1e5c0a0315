//! Checks whether a gateway is ready, for containers without an HTTP client.

use std::{io, net::SocketAddr, time::Duration};

use runtime::address::reachable;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

const TIMEOUT: Duration = Duration::from_secs(2);
const REQUEST: &[u8] = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
const READY: &[u8] = b"HTTP/1.1 200 ";

/// Returns whether the gateway at this address is ready. The address may be the unspecified one
/// (`0.0.0.0`), which stands for this host.
///
/// # Errors
/// It can't be reached within two seconds.
pub async fn check(addr: SocketAddr) -> io::Result<bool> {
    let check = async {
        let mut stream = TcpStream::connect(reachable(addr)).await?;
        stream.write_all(REQUEST).await?;
        let mut start = [0; READY.len()];
        stream.read_exact(&mut start).await?;
        Ok(start == READY)
    };
    timeout(TIMEOUT, check).await?
}
