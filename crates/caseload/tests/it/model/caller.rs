//! Who makes calls.

use domain::ApiKey;

/// A caller: an API key of a tenant.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) tenant: i64,
    pub(super) key: ApiKey,
    pub(super) may_write: bool,
}
