//! Integers in JSON.

use proto::wire::limits;
use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected},
};
use serde_json::value::RawValue;

/// An integer in a body. JSON has one kind of numbers, and some clients write all of them with decimals or
/// exponents: `1.0` and `1e0` are the integer 1, as JSON Schema has it (Validation, 6.1.1), and with it the
/// OpenAPI document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Integer(pub(crate) i64);

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As it is written: a floating-point number of it may be rounded to an integer that it is not.
        let text = <&RawValue>::deserialize(deserializer)?.get();
        let integer = parse(text).map(Self);
        integer.ok_or_else(|| D::Error::invalid_type(Unexpected::Other("value"), &"an integer"))
    }
}

/// Returns the integer that a JSON text is; `None` if it is another value.
fn parse(text: &str) -> Option<i64> {
    match text.parse() {
        // JSON has no sign before positive numbers, and `-0` is 0.
        Ok(integer) => Some(integer),
        Err(_) => parse_decimal(text),
    }
}

/// Returns the integer that a JSON number with a fraction or an exponent is. One beyond those that are exact for
/// everybody who reads JSON may be another one than the caller meant: it is none.
fn parse_decimal(text: &str) -> Option<i64> {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    // How many zeros follow the significant digits. An exponent that is out of range is far too large, or small.
    let zeros = digits.len() - significant.len();
    let exponent = exponent.parse::<i32>().ok()?;
    let zeros = i64::from(exponent) + i64::try_from(zeros).ok()?;
    let zeros = u32::try_from(zeros - i64::try_from(fraction.len()).ok()?).ok()?;
    let integer = significant.parse::<i64>().ok()?.checked_mul(10_i64.checked_pow(zeros)?)?;
    (integer <= limits::EXACT_INTEGER).then_some(sign * integer)
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
            ("1E+2", 100),
            ("2.5e1", 25),
            ("-3.00", -3),
            ("100e-2", 1),
            ("0.001e3", 1),
            ("0.0e-99999999999999999999", 0),
            ("-0.0", 0),
            ("9007199254740991.0", 9_007_199_254_740_991),
            ("-9007199254740991.0", -9_007_199_254_740_991),
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
            // Rounded, these are integers.
            "0.99999999999999999",
            "1.0000000000000000001",
            "1000000000000000000001e-21",
            "1e-400",
            "9007199254740992.0",
            "9007199254740990.9999",
            "1e300",
            "1e400",
            "1e99999999999999999999",
            "1e2147483647",
            "0.1e2147483647",
            "9223372036854775808",
            "\"1\"",
            "\"\"",
            "true",
            "[1]",
            "{}",
        ] {
            let error = serde_json::from_str::<Integer>(text).unwrap_err().to_string();
            assert!(error.contains("expected an integer"), "{text}: {error}");
        }
        for text in ["+1", "01", "1.", ".5", "1e", "-", "0x1"] {
            assert!(serde_json::from_str::<Integer>(text).is_err(), "{text}");
        }
    }
}
