//! What all requests have.

use std::time::Duration;

use domain::ApiKey;
use tonic::Request;

/// How long a client waits for a response. It says so in its request.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Returns a gRPC request with this key.
pub(crate) fn request<T>(message: T, key: &ApiKey) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = format!("Bearer {}", key.expose());
    request.metadata_mut().insert("authorization", bearer.parse().unwrap());
    request.set_timeout(PATIENCE);
    request
}
