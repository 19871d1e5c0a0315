//! Examples, which keep the order of their members.

use serde_json::{Deserializer, Value};

/// Begins a text that stands for an example. No other text begins so.
const MARK: char = '\u{1}';

/// How a text that stands for an example begins in JSON.
const QUOTED_MARK: &str = r#""\u0001"#;

/// Returns a text that stands for an example until [`fill`]: a [`Value`] forgets the order of its
/// members.
pub(super) fn placeholder(json: &str) -> Value {
    Value::String(format!("{MARK}{}", json.replace('\n', "")))
}

/// Returns a document in which the examples take the place of what stands for them.
pub(super) fn fill(document: &str) -> String {
    let mut filled = String::with_capacity(document.len());
    let mut rest = document;
    while let Some((start, _)) = rest.match_indices(QUOTED_MARK).next() {
        let (before, marked) = rest.split_at(start);
        filled.push_str(before);
        let mut texts = Deserializer::from_str(marked).into_iter::<String>();
        let Some(Ok(text)) = texts.next() else { break };
        filled.push_str(text.trim_start_matches(MARK));
        rest = &marked[texts.byte_offset()..];
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn examples_are_filled_in_as_they_are_written() {
        let example = r#"{"z": "a \"quoted\" text", "a": [1]}"#;
        let document =
            json!({"first": placeholder(example), "text": "\\u0001", "w": placeholder("2")});
        let filled = fill(&document.to_string());
        assert_eq!(filled, format!(r#"{{"first":{example},"text":"\\u0001","w":2}}"#));
    }
}
