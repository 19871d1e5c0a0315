//! Members of JSON objects that may be null.

use serde::{Deserialize, Deserializer};

/// Reads a member that may be null. In the documented API, null and a missing member are the same.
pub(crate) fn null_as_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
