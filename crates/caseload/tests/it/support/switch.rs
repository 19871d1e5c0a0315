//! A switch between clients and servers: it cuts connections, and says where the next ones lead.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Forwards connections to a server. It ends with the test's runtime.
pub(crate) struct Switch {
    pub(crate) port: u16,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    to: SocketAddr,
    connections: JoinSet<()>,
    /// The alerts with which the next TLS handshakes are refused.
    alerts: VecDeque<u8>,
}

impl Switch {
    /// Starts a switch before a server.
    pub(crate) async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = JoinSet::new();
        let shared = Arc::new(Mutex::new(Shared { to, connections, alerts: VecDeque::new() }));
        let switch = Self { port, shared: Arc::clone(&shared) };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut shared = shared.lock().unwrap();
                let (to, alert) = (shared.to, shared.alerts.pop_front());
                shared.connections.spawn(async move {
                    match alert {
                        Some(alert) => refuse(client, alert).await,
                        None => forward(client, to).await,
                    }
                });
            }
        });
        switch
    }

    /// Cuts all connections. The next ones lead to this server.
    pub(crate) fn redirect(&self, to: SocketAddr) {
        let mut shared = self.shared.lock().unwrap();
        shared.to = to;
        shared.connections.abort_all();
    }

    /// Cuts all connections, and has the next TLS handshakes refused with these alerts.
    pub(crate) fn refuse(&self, alerts: &[u8]) {
        let mut shared = self.shared.lock().unwrap();
        shared.alerts.extend(alerts);
        shared.connections.abort_all();
    }

    /// Returns whether all handshakes were refused that were to be.
    pub(crate) fn has_refused(&self) -> bool {
        self.shared.lock().unwrap().alerts.is_empty()
    }
}

async fn forward(mut client: TcpStream, to: SocketAddr) {
    // The server may be gone, as may be the client.
    let Ok(mut server) = TcpStream::connect(to).await else { return };
    let _ended = copy_bidirectional(&mut client, &mut server).await;
}

/// Refuses a TLS handshake with an alert, by its number (RFC 8446, 6).
pub(crate) async fn refuse(mut stream: TcpStream, alert: u8) {
    // Unread bytes would have the connection reset, and the alert with it.
    let mut head = [0; 5];
    stream.read_exact(&mut head).await.unwrap();
    let mut hello = vec![0; u16::from_be_bytes([head[3], head[4]]).into()];
    stream.read_exact(&mut hello).await.unwrap();
    // A record of the type "alert", of two bytes: it is fatal, and which one it is.
    stream.write_all(&[21, 3, 3, 0, 2, 2, alert]).await.unwrap();
}
