//! Why a call has no answer to pass on, as told by the transport or by a proxy.

use std::error::Error;

use h2::Reason;
use http::{HeaderValue, StatusCode, header::RETRY_AFTER};
use tonic::{Code, ConnectError, Status, TimeoutExpired};
use tonic_types::StatusExt as _;

use super::foreign::{self, ForeignAnswer};

/// Why a call has no answer to pass on.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server refused it.
    Answered(Status),
    /// The server was not reached: nothing was done.
    Unreached,
    /// A proxy before the server refused it: nothing was done, and nothing will be if it is sent
    /// again at once.
    Refused(Refusal),
    /// The time was over.
    TimedOut,
    /// The server's answer was lost, if there was any.
    Lost,
}

/// For what a proxy refused a call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It wants to know the caller, and doesn't.
    Unauthenticated,
    /// The caller, or this gateway, may not make it.
    Forbidden,
    /// The body is too large for it.
    BodyTooLarge,
    /// The headers are too large for it.
    HeadersTooLarge,
    /// There are too many such calls. When there may be another one, where it says so.
    RateLimited(Option<HeaderValue>),
    /// It takes no calls at present. When it may, where it says so.
    Unavailable(Option<HeaderValue>),
}

impl Failure {
    /// What the call has come to if an earlier attempt at it was lost: that one may have been done,
    /// unless the server has looked the request up since and found that it is none to be done.
    pub(super) fn after(self, was_lost: bool) -> Self {
        match self {
            Self::Answered(status)
                if matches!(status.code(), Code::InvalidArgument | Code::NotFound) =>
            {
                Self::Answered(status)
            }
            Self::Answered(_) | Self::Unreached | Self::Refused(_) if was_lost => Self::Lost,
            failure => failure,
        }
    }
}

impl From<Status> for Failure {
    /// Tells what the server said from what others did, and what the transport made up on this
    /// side.
    fn from(status: Status) -> Self {
        let mut source = Error::source(&status);
        if source.is_none() && foreign::is_own(&status) {
            return Self::Answered(status);
        }
        while let Some(error) = source {
            if let Some(answer) = error.downcast_ref::<ForeignAnswer>() {
                return from_foreign(answer);
            }
            if error.is::<TimeoutExpired>() {
                return Self::TimedOut;
            }
            if error.is::<ConnectError>() || was_not_taken(error) {
                return Self::Unreached;
            }
            source = error.source();
        }
        tracing::warn!(code = %status.code(), error = status.message(), "a call was lost");
        Self::Lost
    }
}

fn from_foreign(answer: &ForeignAnswer) -> Failure {
    let failure = judge(answer);
    // Where callers are told to come back later, there are many.
    if matches!(failure, Failure::Refused(Refusal::RateLimited(_) | Refusal::Unavailable(_))) {
        tracing::debug!(%answer, ?failure, "a proxy answered");
    } else {
        tracing::warn!(%answer, ?failure, "a proxy answered");
    }
    failure
}

/// What a proxy's answer is proof of. A proxy that refuses a call has not passed it on. One that
/// failed with a call may have, and the server may have done it: so each answer that is not
/// certain to be a refusal counts as a loss. The texts that tell more ("no healthy upstream") are
/// for people: they can be configured, and differ between versions and after the proxy's retries.
fn judge(answer: &ForeignAnswer) -> Failure {
    let retry_after = || answer.headers.get(RETRY_AFTER).cloned();
    // Envoy's words for calls that it dropped. The code that comes with them, 14, tells nothing.
    if answer.headers.contains_key("x-envoy-ratelimited") {
        return Failure::Refused(Refusal::RateLimited(retry_after()));
    }
    if answer.headers.contains_key("x-envoy-overloaded") {
        return Failure::Refused(Refusal::Unavailable(retry_after()));
    }
    match (answer.code, answer.status) {
        (Some(Code::Unauthenticated), _) | (None, StatusCode::UNAUTHORIZED) => {
            Failure::Refused(Refusal::Unauthenticated)
        }
        (Some(Code::PermissionDenied), _) | (None, StatusCode::FORBIDDEN) => {
            Failure::Refused(Refusal::Forbidden)
        }
        (None, StatusCode::TOO_MANY_REQUESTS) => {
            Failure::Refused(Refusal::RateLimited(retry_after()))
        }
        (Some(Code::ResourceExhausted), _) if is_of_a_rate_limit(answer) => {
            Failure::Refused(Refusal::RateLimited(retry_after()))
        }
        (None, StatusCode::PAYLOAD_TOO_LARGE) => Failure::Refused(Refusal::BodyTooLarge),
        (None, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE) => {
            Failure::Refused(Refusal::HeadersTooLarge)
        }
        // It is overloaded or under maintenance (RFC 9110, 15.6.4). Without a time it may be the
        // word for a connection to the server that broke.
        (None, StatusCode::SERVICE_UNAVAILABLE) if answer.headers.contains_key(RETRY_AFTER) => {
            Failure::Refused(Refusal::Unavailable(retry_after()))
        }
        // Nobody there knows the service: calls don't lead to the server.
        (Some(Code::Unimplemented), _)
        | (
            None,
            StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::MISDIRECTED_REQUEST,
        ) => Failure::Unreached,
        _ => Failure::Lost,
    }
}

/// Whether RESOURCE_EXHAUSTED is a rate limit's word. gRPC libraries make it up as well, where an
/// answer is larger than they take: a proxy's does so when the server has done the call.
fn is_of_a_rate_limit(answer: &ForeignAnswer) -> bool {
    answer.status == StatusCode::TOO_MANY_REQUESTS
        || answer.headers.contains_key(RETRY_AFTER)
        || answer.headers.contains_key("grpc-retry-pushback-ms")
        || foreign::status(&answer.headers)
            .is_some_and(|status| status.get_details_retry_info().is_some())
}

/// Whether an error is certain proof that the server has not begun with the call.
fn was_not_taken(error: &(dyn Error + 'static)) -> bool {
    // The connection ended before the call was put on it. hyper says so of no other call.
    if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled) {
        return true;
    }
    // The server refused the stream (RFC 9113, 8.7), or said goodbye and left this stream out of
    // those that it will finish (6.8). One that it has taken and then dropped is told otherwise:
    // as another reset, or as a broken pipe.
    error.downcast_ref::<h2::Error>().is_some_and(|error| {
        error.is_remote() && (error.reason() == Some(Reason::REFUSED_STREAM) || error.is_go_away())
    })
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, io, time::Duration};

    use bytes::Bytes;
    use h2::server::{Connection, SendResponse};
    use http::{HeaderName, Request};
    use proto::tasks::v1::{BatchCreateTasksRequest, task_service_client::TaskServiceClient};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };
    use tonic::transport::Endpoint;
    use tonic_types::ErrorDetails;

    use super::*;

    type Call = (Request<h2::RecvStream>, SendResponse<Bytes>);

    #[test]
    fn a_refusal_after_a_loss_leaves_it_open_unless_the_request_was_looked_up() {
        for code in [Code::Unavailable, Code::ResourceExhausted, Code::Unauthenticated] {
            let refused = || Failure::Answered(Status::new(code, ""));
            assert!(matches!(refused().after(true), Failure::Lost), "{code}");
            assert!(matches!(refused().after(false), Failure::Answered(_)), "{code}");
        }
        assert!(matches!(Failure::Unreached.after(true), Failure::Lost));
        assert!(matches!(Failure::Unreached.after(false), Failure::Unreached));
        for code in [Code::InvalidArgument, Code::NotFound] {
            let refused = Failure::Answered(Status::new(code, ""));
            assert!(matches!(refused.after(true), Failure::Answered(_)), "{code}");
        }
    }

    #[test]
    fn a_proxys_refusal_after_a_loss_leaves_it_open() {
        let refused = || Failure::Refused(Refusal::RateLimited(None));
        assert!(matches!(refused().after(true), Failure::Lost));
        assert!(matches!(refused().after(false), Failure::Refused(_)));
    }

    /// What is made of a proxy's answer: its code (none: plain HTTP), its status, its headers.
    fn judged(code: Option<Code>, status: u16, headers: &[&'static str]) -> String {
        let value = HeaderValue::from_static("7");
        let headers = headers.iter().map(|name| (HeaderName::from_static(name), value.clone()));
        let status = StatusCode::from_u16(status).unwrap();
        let answer = ForeignAnswer { status, code, headers: headers.collect() };
        told(judge(&answer))
    }

    fn told(failure: Failure) -> String {
        match failure {
            Failure::Refused(refusal) => format!("{refusal:?}"),
            failure => format!("{failure:?}"),
        }
    }

    #[test]
    fn of_plain_http_only_what_refuses_is_proof() {
        for (status, failure) in [
            (401, "Unauthenticated"),
            (403, "Forbidden"),
            (404, "Unreached"),
            (405, "Unreached"),
            (413, "BodyTooLarge"),
            (421, "Unreached"),
            (429, "RateLimited(None)"),
            (431, "HeadersTooLarge"),
        ] {
            assert_eq!(judged(None, status, &[]), failure, "{status}");
        }
        for status in [200, 204, 301, 400, 408, 409, 499, 500, 501, 502, 503, 504, 520] {
            assert_eq!(judged(None, status, &[]), "Lost", "{status}");
        }
        assert_eq!(judged(None, 429, &["retry-after"]), r#"RateLimited(Some("7"))"#);
        assert_eq!(judged(None, 503, &["retry-after"]), r#"Unavailable(Some("7"))"#);
        assert_eq!(judged(None, 502, &["retry-after"]), "Lost");
    }

    #[test]
    fn of_statuses_that_are_not_the_servers_only_three_are_proof() {
        for number in 0..=17 {
            let code = Code::from_i32(number);
            let failure = match code {
                Code::PermissionDenied => "Forbidden",
                Code::Unauthenticated => "Unauthenticated",
                Code::Unimplemented => "Unreached",
                _ => "Lost",
            };
            // The status of HTTP that comes with it means nothing.
            for status in [200, 404, 503] {
                assert_eq!(judged(Some(code), status, &[]), failure, "{code:?}");
            }
        }
        assert_eq!(judged(Some(Code::Unavailable), 200, &["retry-after"]), "Lost");
    }

    /// Without a mark it may be a library's word for an answer that it would not take.
    #[test]
    fn resource_exhausted_is_proof_where_it_bears_the_mark_of_a_rate_limit() {
        let code = Some(Code::ResourceExhausted);
        assert_eq!(judged(code, 200, &[]), "Lost");
        assert_eq!(judged(code, 200, &["grpc-message"]), "Lost");
        assert_eq!(judged(code, 429, &[]), "RateLimited(None)");
        assert_eq!(judged(code, 200, &["retry-after"]), r#"RateLimited(Some("7"))"#);
        assert_eq!(judged(code, 200, &["grpc-retry-pushback-ms"]), "RateLimited(None)");
        assert_eq!(judged(code, 200, &["x-envoy-ratelimited"]), "RateLimited(None)");

        for (details, failure) in [
            (ErrorDetails::with_retry_info(Some(Duration::from_secs(1))), "RateLimited(None)"),
            (ErrorDetails::with_debug_info(vec![], "received message larger than max"), "Lost"),
        ] {
            let status = Status::with_error_details(Code::ResourceExhausted, "", details);
            let headers = status.into_http::<()>().into_parts().0.headers;
            let answer = ForeignAnswer { status: StatusCode::OK, code, headers };
            assert_eq!(told(judge(&answer)), failure);
        }
    }

    #[test]
    fn envoy_marks_what_it_dropped() {
        let code = Some(Code::Unavailable);
        assert_eq!(judged(code, 200, &["x-envoy-ratelimited"]), "RateLimited(None)");
        assert_eq!(judged(code, 200, &["x-envoy-overloaded"]), "Unavailable(None)");
    }

    /// What becomes of a call to a server that answers as `answer` does.
    async fn failure<F>(answer: impl FnOnce(Connection<TcpStream, Bytes>, Call) -> F) -> Failure
    where
        F: Future<Output = ()>,
    {
        failure_at(async |stream| {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            let call = connection.accept().await.unwrap().unwrap();
            answer(connection, call).await;
        })
        .await
    }

    /// What becomes of a call on a connection that is served by `serve`.
    async fn failure_at(serve: impl AsyncFnOnce(TcpStream)) -> Failure {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = async { serve(listener.accept().await.unwrap().0).await };
        tokio::join!(call(format!("http://{addr}")), server).0
    }

    async fn call(uri: String) -> Failure {
        let endpoint = Endpoint::from_shared(uri).unwrap();
        let mut client = TaskServiceClient::new(endpoint.connect_lazy());
        client.batch_create_tasks(BatchCreateTasksRequest::default()).await.unwrap_err().into()
    }

    /// Sends what is to be sent, until the client has gone.
    async fn finish(mut connection: Connection<TcpStream, Bytes>) {
        let _gone = poll_fn(|cx| connection.poll_closed(cx)).await;
    }

    #[tokio::test]
    async fn a_refused_stream_was_not_taken() {
        let failure = failure(async |connection, (_request, mut response)| {
            response.send_reset(Reason::REFUSED_STREAM);
            finish(connection).await;
        });
        assert!(matches!(failure.await, Failure::Unreached));
    }

    #[tokio::test]
    async fn a_stream_that_is_reset_in_another_way_may_have_been_taken() {
        for reason in [Reason::CANCEL, Reason::INTERNAL_ERROR, Reason::NO_ERROR] {
            let failure = failure(async move |connection, (_request, mut response)| {
                response.send_reset(reason);
                finish(connection).await;
            });
            assert!(matches!(failure.await, Failure::Lost), "{reason:?}");
        }
    }

    #[tokio::test]
    async fn a_goodbye_that_takes_the_stream_along_is_no_proof() {
        for reason in [Reason::NO_ERROR, Reason::INTERNAL_ERROR] {
            let failure = failure(async move |mut connection, call| {
                // It names the last stream that was taken: this one.
                connection.abrupt_shutdown(reason);
                finish(connection).await;
                drop(call);
            });
            assert!(matches!(failure.await, Failure::Lost), "{reason:?}");
        }
    }

    #[tokio::test]
    async fn a_connection_that_breaks_is_no_proof() {
        let failure = failure(async |connection, call| drop((connection, call)));
        assert!(matches!(failure.await, Failure::Lost));
    }

    #[tokio::test]
    async fn where_nobody_listens_nothing_was_taken() {
        assert!(matches!(call("http://127.0.0.1:1".to_owned()).await, Failure::Unreached));
    }

    /// h2's own server takes every stream along, so this one is made of frames.
    #[tokio::test]
    async fn a_goodbye_that_leaves_the_stream_out_proves_that_it_was_not_taken() {
        const PREFACE_BYTES: usize = 24;
        const HEADERS: u8 = 1;
        const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        // Type 7, 8 bytes: the last stream was none, and there is no error.
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

    /// Reads a whole frame.
    async fn frame_type(stream: &mut TcpStream) -> io::Result<u8> {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        stream.read_exact(&mut vec![0; length as usize]).await?;
        Ok(head[3])
    }
}
