//! Who makes calls.

use domain::ApiKey;
use tonic::Request;

/// A caller: an API key of a tenant.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) tenant: i64,
    pub(super) key: ApiKey,
    /// The key's name, by which the history of a task knows the caller.
    pub(super) name: String,
    pub(super) may_write: bool,
}

impl Caller {
    /// Returns a gRPC request with the caller's key.
    pub(super) fn with_key<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let value = format!("Bearer {}", self.key.expose()).parse().unwrap();
        request.metadata_mut().insert("authorization", value);
        request
    }
}
