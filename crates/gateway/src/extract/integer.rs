//! Integers in JSON.

use std::{fmt, ops::RangeInclusive};

use proto::wire::limits;
use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected, Visitor},
};

/// An integer in a body. JSON has one kind of numbers, and some clients write all of them with decimals or
/// exponents: `1.0` and `1e0` are the integer 1, as JSON Schema has it (Validation, 6.1.1), and with it the
/// OpenAPI document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Integer(pub(crate) i64);

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_i64(IntegerVisitor)
    }
}

struct IntegerVisitor;

impl Visitor<'_> for IntegerVisitor {
    type Value = Integer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Integer, E> {
        Ok(Integer(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Integer, E> {
        let integer = i64::try_from(number).map(Integer);
        integer.map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    /// A number beyond those that are exact may be another one than the caller wrote.
    fn visit_f64<E: Error>(self, number: f64) -> Result<Integer, E> {
        const EXACT: RangeInclusive<i64> = -limits::EXACT_INTEGER..=limits::EXACT_INTEGER;
        // A number that is out of the range of the type becomes the nearest one in it.
        let integer = number as i64;
        if number.fract() == 0.0 && EXACT.contains(&integer) {
            return Ok(Integer(integer));
        }
        Err(E::invalid_value(Unexpected::Float(number), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_without_a_fraction_is_an_integer_however_it_is_written() {
        let table = [
            ("1", 1),
            ("-1", -1),
            ("0", 0),
            ("-0", 0),
            ("1.0", 1),
            ("1e0", 1),
            ("2.5e1", 25),
            ("-3.00", -3),
            ("9007199254740991.0", 9_007_199_254_740_991),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ];
        for (text, integer) in table {
            let Integer(read) = serde_json::from_str(text).unwrap();
            assert_eq!(read, integer, "{text}");
        }
    }

    #[test]
    fn a_number_that_is_none_or_may_be_another_one_is_rejected() {
        for text in [
            "1.5",
            "1e-1",
            "9007199254740992.0",
            "1e300",
            "9223372036854775808",
            "\"1\"",
            "true",
            "[1]",
        ] {
            let error = serde_json::from_str::<Integer>(text).unwrap_err().to_string();
            assert!(error.contains("expected an integer"), "{text}: {error}");
        }
    }
}
