//! Hexadecimal digits.

/// Returns the 32 bytes that a text of 64 hexadecimal digits stands for; `None` if it is another text.
pub(crate) fn parse(text: &str) -> Option<[u8; 32]> {
    // A sign, which is a part of a number elsewhere, is no digit.
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_64_digits_are_parsed() {
        let digits = "0fF1".repeat(16);
        assert_eq!(parse(&digits).unwrap()[..2], [0x0f, 0xf1]);
        let multibyte = format!("é{}", &digits[2..]);
        for text in ["", &digits[1..], &format!("{digits}0"), &digits.replace('1', "g"), &multibyte]
        {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&"+1".repeat(32)), None);
    }
}
