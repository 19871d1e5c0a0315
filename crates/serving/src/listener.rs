//! Accepts TCP connections.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    time::Duration,
};

use telemetry::Throttle;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::{Instant, sleep},
};

use crate::protocol::Protocol;

/// The pause after a failed accept, for instance because no more files may be opened.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(250);

/// The shortest interval between two log lines about failed accepts.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// How many connections may wait to be accepted. The system may allow fewer (on Linux,
/// `net.core.somaxconn`, which is 4096 too). Beyond that it drops attempts, and the clients try again only
/// after a second: a thousand clients that all come at once, as after a failover, must not cost others that.
const BACKLOG: u32 = 4096;

/// Listens for TCP connections on an address.
///
/// # Errors
/// If the address can't be bound.
pub fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // A server that is restarted binds its address again, although connections of its past linger.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Accepts TCP connections and sets their socket options.
pub(crate) struct Listener {
    listener: TcpListener,
    protocol: Protocol,
    failures: Throttle,
}

impl Listener {
    pub(crate) fn new(listener: TcpListener, protocol: Protocol) -> Self {
        Self { listener, protocol, failures: Throttle::new(LOG_INTERVAL) }
    }

    /// Waits for the next connection. Failures are logged, and accepting goes on.
    pub(crate) async fn accept(&self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    if let Err(error) = self.set_options(&stream) {
                        tracing::debug!(%error, %peer, "failed to set socket options");
                    }
                    return (stream, peer);
                }
                Err(error) if was_closed_by_client(error.kind()) => {}
                Err(error) => {
                    if let Some(suppressed) = self.failures.allow(Instant::now().into_std()) {
                        tracing::error!(%error, suppressed, "failed to accept a connection");
                    }
                    sleep(PAUSE_AFTER_FAILURE).await;
                }
            }
        }
    }

    fn set_options(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        // Unacknowledged data delays pings, so they can't detect a peer that is gone or no longer
        // reads.
        #[cfg(target_os = "linux")]
        {
            let Protocol { ping_interval, ping_timeout, .. } = self.protocol;
            let millis = (ping_interval + ping_timeout).as_millis();
            let millis = u32::try_from(millis).unwrap_or(u32::MAX);
            rustix::net::sockopt::set_tcp_user_timeout(stream, millis)?;
        }
        Ok(())
    }
}

/// Whether accepting failed because the client closed the connection first.
fn was_closed_by_client(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset
    )
}

// Other systems allow fewer: macOS 128, unless its administrator says otherwise.
#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{fs, net::TcpStream as Client};

    use super::*;

    /// More than the 1024 that tokio and others choose.
    const CLIENTS: usize = 1500;

    #[tokio::test]
    async fn a_thousand_connections_can_wait_to_be_accepted() {
        let allowed = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
        if allowed.trim().parse::<usize>().unwrap() < CLIENTS {
            println!("skipped, as net.core.somaxconn is {allowed}");
            return;
        }
        runtime::open_files::raise_limit();
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let addr = listener.local_addr().unwrap();
        // Nothing accepts them, so one beyond the backlog would never be connected.
        let connect = |_| Client::connect_timeout(&addr, Duration::from_secs(10)).unwrap();
        let waiting: Vec<_> = (0..CLIENTS).map(connect).collect();
        assert_eq!(waiting.len(), CLIENTS);
    }
}
