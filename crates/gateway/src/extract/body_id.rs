//! Ids in JSON.

use proto::wire::limits;
use serde::{Deserialize, Deserializer, de::Error as _};

use super::integer::Integer;

/// The id of a task in a body. Ids stay below the numbers that are not exact for everybody who reads JSON: a greater one
/// may be another one than the caller meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BodyId(pub(crate) i64);

impl BodyId {
    /// How the error begins that an id is too large.
    pub(super) const TOO_LARGE: &str = "an id is at most 9007199254740991";
}

impl<'de> Deserialize<'de> for BodyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Integer(id) = Integer::deserialize(deserializer)?;
        match id <= limits::EXACT_INTEGER {
            true => Ok(Self(id)),
            false => Err(D::Error::custom(Self::TOO_LARGE)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_at_most_the_greatest_exact_integer() {
        for (text, id) in [("1", 1), ("-1", -1), ("9007199254740991", limits::EXACT_INTEGER)] {
            assert_eq!(serde_json::from_str::<BodyId>(text).unwrap(), BodyId(id));
        }
        for text in ["9007199254740992", "9223372036854775807"] {
            let error = serde_json::from_str::<BodyId>(text).unwrap_err().to_string();
            assert!(error.starts_with(BodyId::TOO_LARGE), "{error}");
        }
        assert!(BodyId::TOO_LARGE.ends_with(&limits::EXACT_INTEGER.to_string()));
    }
}
