//! Who makes a change, as the statements bind it that write to the outbox.

use domain::CallAgent;

/// Who makes a change.
#[derive(Clone, Debug)]
pub(crate) struct BoundAgent {
    /// The API key.
    pub(crate) key: i64,
    /// The address of the client, as far as it is known.
    pub(crate) address: Option<String>,
    /// The request.
    pub(crate) request_id: String,
}

impl From<&CallAgent> for BoundAgent {
    fn from(CallAgent { key, address, request_id }: &CallAgent) -> Self {
        let address = address.map(|address| address.to_string());
        Self { key: key.get(), address, request_id: request_id.clone() }
    }
}
