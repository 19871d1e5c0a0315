//! Who makes a change.

use crate::{KeyId, TenantId};

/// Who makes a change, and in which request. The history of what is changed says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The tenant whose data is changed.
    pub tenant: TenantId,
    /// The API key that the request was made with.
    pub key: KeyId,
    /// The id of the request, as logs have it: at most 128 bytes.
    pub request_id: String,
}
