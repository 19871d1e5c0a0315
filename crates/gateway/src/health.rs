//! Checks whether a gateway is ready, for containers without an HTTP client.

use std::{io, net::SocketAddr, time::Duration};

use runtime::address::reachable;
use tls::Probe;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

const TIMEOUT: Duration = Duration::from_secs(2);
const REQUEST: &[u8] = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
const READY: &[u8] = b"HTTP/1.1 200 ";

/// Returns whether the gateway at this address is ready. The address may be the unspecified one
/// (`0.0.0.0`), which stands for this host. With a probe, it asks over TLS.
///
/// # Errors
/// It can't be reached within two seconds.
pub async fn check(addr: SocketAddr, probe: Option<&Probe>) -> io::Result<bool> {
    let addr = reachable(addr);
    let check = async {
        match probe {
            Some(probe) => ask(probe.connect(addr).await?).await,
            None => ask(TcpStream::connect(addr).await?).await,
        }
    };
    match (timeout(TIMEOUT, check).await?, probe) {
        (Err(_), Some(probe)) if probe.is_refused(addr).await => Ok(true),
        (result, _) => result,
    }
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<bool> {
    stream.write_all(REQUEST).await?;
    let mut start = [0; READY.len()];
    stream.read_exact(&mut start).await?;
    Ok(start == READY)
}
