//! A server whose limits are reached as long as it runs.

use std::time::Duration;

use proto::wire::{ERROR_DOMAIN, Reason};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};

/// A server that knows no idempotency key, and refuses all other calls: the tenant has made too many.
pub(super) struct FullServer {
    url: String,
    refusals: watch::Receiver<usize>,
}

impl FullServer {
    /// Starts it; it ends with the test's runtime.
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, refusals) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, sender.clone()));
            }
        });
        Self { url, refusals }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Waits until it has refused this many calls more.
    pub(super) async fn await_refusals(&self, count: usize) {
        let mut refusals = self.refusals.clone();
        let before = *refusals.borrow();
        refusals.wait_for(|refusals| *refusals >= before + count).await.unwrap();
    }
}

async fn serve(stream: TcpStream, refusals: watch::Sender<usize>) {
    let mut connection = h2::server::handshake(stream).await.unwrap();
    // A client that is gone is an error.
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let is_look_up = request.uri().path().ends_with("/GetIdempotencyRecord");
        let reason = if is_look_up { Reason::IdempotencyKeyUnknown } else { Reason::RateLimited };
        let mut details = ErrorDetails::with_error_info(reason.as_str(), ERROR_DOMAIN, []);
        if !is_look_up {
            details.set_retry_info(Some(Duration::from_millis(20)));
            refusals.send_modify(|refusals| *refusals += 1);
        }
        let status = Status::with_error_details(reason.code(), "", details);
        let _gone = respond.send_response(status.into_http::<()>(), true);
    }
}
