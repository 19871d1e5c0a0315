//! Texts of others on a terminal.

/// Returns the text without characters that would act on a terminal or reorder its line: line breaks
/// and tabs become spaces, other control characters and bidirectional ones become `�`.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
            c if c.is_control() || is_bidirectional(c) => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// Whether a character changes the direction of those that follow.
fn is_bidirectional(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn nothing_that_acts_on_a_terminal_is_left() {
        assert_eq!(printable("a\u{1b}[31mb\u{7}\u{9b}c"), "a\u{fffd}[31mb\u{fffd}\u{fffd}c");
        assert_eq!(printable("two\r\nlines\tand a tab"), "two  lines and a tab");
        assert_eq!(printable("user\u{202e}gpj.exe\u{2066}"), "user\u{fffd}gpj.exe\u{fffd}");
        assert_eq!(printable("Prüfung 検査 ✓"), "Prüfung 検査 ✓");
    }
}
