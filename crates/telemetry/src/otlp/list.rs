//! Lists of names and values, as the variables for headers and for the resource have them.

/// Parses `name=value,name=value`, where characters may be percent-encoded. Returns `None` if it is malformed.
pub(super) fn parse(text: &str) -> Option<Vec<(String, String)>> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            let (name, value) = entry.split_once('=')?;
            let (name, value) = (decode(name.trim())?, decode(value.trim())?);
            (!name.is_empty()).then_some((name, value))
        })
        .collect()
}

/// Decodes `%41`.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let [high, low] =
                    [rest.next()?, rest.next()?].map(|digit| char::from(digit).to_digit(16));
                u8::try_from(high? * 16 + low?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_parsed_and_decoded() {
        let list = parse(" a=1, b = x%20y%2C=z ,,c=").unwrap();
        let list: Vec<_> = list.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        assert_eq!(list, [("a", "1"), ("b", "x y,=z"), ("c", "")]);
        assert_eq!(parse(""), Some(Vec::new()));
        for malformed in ["a", "=1", "a=%", "a=%4", "a=%zz", "a=%ff", "a=1,b"] {
            assert_eq!(parse(malformed), None, "{malformed}");
        }
    }
}
