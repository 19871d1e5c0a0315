//! What a failed call's status stands for: an error of the server's, or one that tonic made of a
//! transport error.

use std::error::Error;

use h2::Reason;
use telemetry::cut;
use tonic::Status;

use super::{
    channel::Unreachable,
    details,
    failure::Failure,
    intermediary::{self, IntermediaryResponse},
};

impl From<Status> for Failure {
    /// Tells the server's errors from an intermediary's, and from what tonic made of a transport
    /// error.
    fn from(status: Status) -> Self {
        let mut source = Error::source(&status);
        if source.is_none() && details::is_of_origin(&status) {
            return Self::Status(status);
        }
        while let Some(error) = source {
            if let Some(response) = error.downcast_ref::<IntermediaryResponse>() {
                return intermediary::failure(response);
            }
            if error.is::<Unreachable>() || was_not_begun(error) {
                return Self::Unreached;
            }
            source = error.source();
        }
        let error = cut(status.message());
        tracing::warn!(code = %status.code(), %error, "lost a call to the server");
        Self::Lost
    }
}

/// Returns whether an error proves that the server has not begun with the call.
fn was_not_begun(error: &(dyn Error + 'static)) -> bool {
    // The connection ended before the call was sent on it. hyper says so of no other call.
    if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled) {
        return true;
    }
    // The server refused the stream (RFC 9113, 8.7), or sent a GOAWAY that leaves this stream out
    // of those that it will finish (6.8). A stream that it accepted and then dropped ends in
    // another way: with another reset, or with a broken pipe.
    error.downcast_ref::<h2::Error>().is_some_and(|error| {
        error.is_remote() && (error.reason() == Some(Reason::REFUSED_STREAM) || error.is_go_away())
    })
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, io};

    use bytes::Bytes;
    use h2::server::{Connection, SendResponse};
    use http::Request;
    use proto::tasks::v1::{BatchCreateTasksRequest, task_service_client::TaskServiceClient};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };

    use super::*;
    use crate::upstream::channel::Channel;

    type Call = (Request<h2::RecvStream>, SendResponse<Bytes>);

    /// Returns how a call fails whose server responds as `respond` does.
    async fn failure<F>(respond: impl FnOnce(Connection<TcpStream, Bytes>, Call) -> F) -> Failure
    where
        F: Future<Output = ()>,
    {
        failure_at(async |stream| {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            let call = connection.accept().await.unwrap().unwrap();
            respond(connection, call).await;
        })
        .await
    }

    /// Returns how a call fails on a connection that is served by `serve`.
    async fn failure_at(serve: impl AsyncFnOnce(TcpStream)) -> Failure {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = async { serve(listener.accept().await.unwrap().0).await };
        tokio::join!(call(format!("http://{addr}")), server).0
    }

    async fn call(uri: String) -> Failure {
        let mut client = TaskServiceClient::new(Channel::new(uri.parse().unwrap(), None));
        client.batch_create_tasks(BatchCreateTasksRequest::default()).await.unwrap_err().into()
    }

    /// Serves the connection until the client closes it.
    async fn finish(mut connection: Connection<TcpStream, Bytes>) {
        let _gone = poll_fn(|cx| connection.poll_closed(cx)).await;
    }

    #[tokio::test]
    async fn a_refused_stream_was_not_begun() {
        let failure = failure(async |connection, (_request, mut response)| {
            response.send_reset(Reason::REFUSED_STREAM);
            finish(connection).await;
        });
        assert!(matches!(failure.await, Failure::Unreached));
    }

    #[tokio::test]
    async fn a_stream_that_is_reset_in_another_way_may_have_been_begun() {
        for reason in [Reason::CANCEL, Reason::INTERNAL_ERROR, Reason::NO_ERROR] {
            let failure = failure(async move |connection, (_request, mut response)| {
                response.send_reset(reason);
                finish(connection).await;
            });
            assert!(matches!(failure.await, Failure::Lost), "{reason:?}");
        }
    }

    #[tokio::test]
    async fn a_goaway_that_covers_the_stream_proves_nothing() {
        for reason in [Reason::NO_ERROR, Reason::INTERNAL_ERROR] {
            let failure = failure(async move |mut connection, call| {
                // It names this stream as the last one that the server accepted.
                connection.abrupt_shutdown(reason);
                finish(connection).await;
                drop(call);
            });
            assert!(matches!(failure.await, Failure::Lost), "{reason:?}");
        }
    }

    #[tokio::test]
    async fn a_connection_that_breaks_proves_nothing() {
        let failure = failure(async |connection, call| drop((connection, call)));
        assert!(matches!(failure.await, Failure::Lost));
    }

    #[tokio::test]
    async fn without_a_listener_no_call_was_begun() {
        assert!(matches!(call("http://127.0.0.1:1".to_owned()).await, Failure::Unreached));
    }

    /// h2's own server covers every stream with its GOAWAY, so this test writes frames.
    #[tokio::test]
    async fn a_goaway_that_leaves_the_stream_out_proves_that_it_was_not_begun() {
        const PREFACE_BYTES: usize = 24;
        const HEADERS: u8 = 1;
        const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        // Type 7, 8 bytes: no stream was accepted, and there is no error.
        const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let failure = failure_at(async |mut stream| {
            stream.write_all(&SETTINGS).await.unwrap();
            stream.read_exact(&mut [0; PREFACE_BYTES]).await.unwrap();
            while frame_type(&mut stream).await.unwrap() != HEADERS {}
            stream.write_all(&GOAWAY).await.unwrap();
            let _end = stream.read_to_end(&mut Vec::new()).await;
        });
        assert!(matches!(failure.await, Failure::Unreached));
    }

    /// Reads a whole frame and returns its type.
    async fn frame_type(stream: &mut TcpStream) -> io::Result<u8> {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        stream.read_exact(&mut vec![0; length as usize]).await?;
        Ok(head[3])
    }
}
