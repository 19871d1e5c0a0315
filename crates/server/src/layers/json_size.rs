//! What a message in JSON takes once it is decoded.

use proto::wire::limits;

/// The most that a value takes, besides its text, as a part of the encoded message and of the decoded one.
const VALUE_BYTES: usize = 256;

/// There are more values in a JSON text than in any valid message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooManyValues;

/// Returns at least what a message takes once it is decoded, besides its JSON text. The text may be
/// malformed.
///
/// A value may take two bytes of the text, and hundreds in memory. So the values are counted before
/// anything is made of them.
///
/// # Errors
/// [`TooManyValues`] if there are more than a message may have items of lists.
pub(super) fn decoded_size(json: &[u8]) -> Result<usize, TooManyValues> {
    let values = values(json);
    if values > limits::LIST_ITEMS {
        return Err(TooManyValues);
    }
    // Encoded, and decoded.
    Ok(2 * json.len() + values * VALUE_BYTES)
}

/// Counts the values of a JSON text: the first one, and one after each bracket that opens and each comma.
fn values(json: &[u8]) -> usize {
    let mut values = 1;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' | b',' => values += 1,
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    values
}

/// Skips what is left of a string.
fn skip_string<'a>(bytes: &mut impl Iterator<Item = &'a u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'"' => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_least_the_values_are_counted_and_no_characters_of_strings() {
        for (json, count) in [
            ("", 1),
            ("1", 1),
            ("[]", 2),
            (r#"{"a":1,"b":[1,2,{}]}"#, 7),
            (r#"",[{""#, 1),
            (r#"["\",[{",1]"#, 3),
            (r#"["\\",1]"#, 3),
            (r#"["open,"#, 2),
            (r#"["open\"#, 2),
        ] {
            assert_eq!(values(json.as_bytes()), count, "{json}");
        }
    }

    #[test]
    fn there_is_a_limit_to_the_values() {
        let list = |items: usize| format!("[{}]", vec!["{}"; items].join(","));
        // Each of these items counts twice: as an item, and as an object that may have a member.
        assert!(decoded_size(list(limits::LIST_ITEMS / 2 - 1).as_bytes()).is_ok());
        assert_eq!(decoded_size(list(limits::LIST_ITEMS / 2).as_bytes()), Err(TooManyValues));
    }
}
