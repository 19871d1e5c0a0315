//! What all requests have.

use std::time::Duration;

use domain::ApiKey;
use tonic::Request;

/// How long a call may take. A client says so in its request.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);

/// How long a client waits for a response: so much longer that the service's own answer comes first.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

/// Returns a gRPC request with this key.
pub(crate) fn request<T>(message: T, key: &ApiKey) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = format!("Bearer {}", key.expose());
    request.metadata_mut().insert("authorization", bearer.parse().unwrap());
    request.set_timeout(TIMEOUT);
    request
}
