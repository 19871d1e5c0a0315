//! A connection to a collector.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
    rt::Executor,
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::endpoint::Protocol;

/// A connection on which requests are sent one by one. Once it is dropped, its tasks are too: a peer that reads nothing
/// would keep them, and the messages that they have, as long as it likes.
pub(super) struct Connection {
    sender: Sender,
    _tasks: DropGuard,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// Spawns the tasks of a connection.
#[derive(Clone)]
struct Tasks {
    is_dropped: CancellationToken,
}

impl<F> Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, task: F) {
        tokio::spawn(self.is_dropped.clone().run_until_cancelled_owned(task));
    }
}

impl Connection {
    /// Begins to speak HTTP: version 2 for gRPC, else 1.1.
    ///
    /// # Errors
    /// If the peer does not, or the connection is lost.
    pub(super) async fn open<S>(stream: S, protocol: Protocol) -> hyper::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let stream = TokioIo::new(stream);
        let is_dropped = CancellationToken::new();
        let tasks = Tasks { is_dropped: is_dropped.clone() };
        let guard = is_dropped.drop_guard();
        // Whoever has sent a request learns of a failure; nobody else needs to.
        let sender = match protocol {
            Protocol::HttpProtobuf => {
                let (sender, connection) = http1::handshake(stream).await?;
                tasks.execute(connection);
                Sender::Http1(sender)
            }
            Protocol::Grpc => {
                let (sender, connection) = http2::handshake(tasks.clone(), stream).await?;
                tasks.execute(connection);
                Sender::Http2(sender)
            }
        };
        Ok(Self { sender, _tasks: guard })
    }

    /// Returns the connection once it takes a request; `None` if it is closed.
    pub(super) async fn ready(mut self) -> Option<Self> {
        let is_ready = match &mut self.sender {
            Sender::Http1(sender) => sender.ready().await.is_ok(),
            Sender::Http2(sender) => sender.ready().await.is_ok(),
        };
        is_ready.then_some(self)
    }

    /// Sends a request, and returns the head of its response.
    ///
    /// # Errors
    /// If there is no response.
    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::Http1(sender) => sender.send_request(request).await,
            Sender::Http2(sender) => sender.send_request(request).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use tokio::{
        io::{AsyncReadExt as _, duplex},
        runtime::Handle,
        task::yield_now,
    };

    use super::*;

    #[tokio::test]
    async fn a_connection_whose_peer_reads_nothing_is_gone_once_it_is_dropped() {
        let tasks = || Handle::current().metrics().num_alive_tasks();
        for protocol in [Protocol::HttpProtobuf, Protocol::Grpc] {
            // Less than the message, so that a part of that stays with the connection.
            let (own, mut peer) = duplex(1024);
            let mut connection = Connection::open(own, protocol).await.unwrap();
            let message = Full::new(Bytes::from(vec![0; 1024 * 1024]));
            let request = Request::post("http://collector/").body(message).unwrap();
            {
                let mut sending = pin!(connection.send(request));
                tokio::select! {
                    biased;
                    response = &mut sending => panic!("{response:?}"),
                    first = peer.read_u8() => assert!(first.is_ok()),
                }
            }
            assert!(tasks() > 0, "{protocol}");
            drop(connection);
            // Whatever is ready runs.
            for _ in 0..100 {
                yield_now().await;
            }
            assert_eq!(tasks(), 0, "{protocol}");
            drop(peer);
        }
    }
}
