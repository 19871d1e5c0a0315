//! A JSON object on each line.

use std::io::{self, BufRead};

use serde::de::DeserializeOwned;

use super::{
    csv::{too_long, without_line_break},
    line_reader::{Kept, LineReader},
};

/// Reads the objects of a file.
pub(super) struct NdjsonReader<R> {
    lines: LineReader<R>,
}

/// A line with an object.
pub(super) struct JsonLine {
    /// The number of the line, from 1.
    pub(super) line: u64,
    /// The line as the file has it.
    pub(super) raw: Vec<u8>,
    /// Whether the line is too long to be read.
    is_too_long: bool,
}

impl<R: BufRead> NdjsonReader<R> {
    pub(super) fn new(lines: LineReader<R>) -> Self {
        Self { lines }
    }

    pub(super) fn lines(&self) -> &LineReader<R> {
        &self.lines
    }

    /// Returns the next line that is not blank; `None` at the end.
    pub(super) fn read(&mut self) -> io::Result<Option<JsonLine>> {
        let mut raw = Vec::new();
        loop {
            let Some(kept) = self.lines.read(&mut raw)? else { return Ok(None) };
            if !raw.trim_ascii().is_empty() {
                let is_too_long = kept == Kept::Begin;
                if is_too_long {
                    raw.clear();
                }
                return Ok(Some(JsonLine { line: self.lines.lines(), raw, is_too_long }));
            }
            raw.clear();
        }
    }
}

impl JsonLine {
    /// Parses the object, or returns what is wrong with it.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, String> {
        if self.is_too_long {
            return Err(too_long());
        }
        let text = std::str::from_utf8(without_line_break(&self.raw))
            .map_err(|_| "it is not valid UTF-8".to_owned())?;
        // serde would read the members of an array in their order.
        if !text.trim_start().starts_with('{') {
            return Err("it is not a JSON object".to_owned());
        }
        serde_json::from_str(text).map_err(|error| {
            let message = error.to_string();
            let (message, _) = message.rsplit_once(" at line ").unwrap_or((&message, ""));
            format!("{message} at character {}", error.column())
        })
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Item {
        a: u8,
    }

    #[test]
    fn each_line_is_an_object_or_says_what_is_wrong() {
        let text = b"{\"a\":1}\r\n\n  \n [1]\n{\"a\":2,\"b\":3}\n{\"a\":\xff}\nnull\n{\"a\":1,\"a\":1}\n{\"a\"";
        let mut reader = NdjsonReader::new(LineReader::new(&text[..]));
        let mut found = vec![];
        while let Some(line) = reader.read().unwrap() {
            found.push((line.line, line.parse::<Item>()));
        }
        let error = |line, message: &str| (line, Err(message.to_owned()));
        assert_eq!(
            found,
            [
                (1, Ok(Item { a: 1 })),
                error(4, "it is not a JSON object"),
                error(5, "unknown field `b`, expected `a` at character 10"),
                error(6, "it is not valid UTF-8"),
                error(7, "it is not a JSON object"),
                error(8, "duplicate field `a` at character 10"),
                error(9, "EOF while parsing an object at character 4"),
            ]
        );
    }
}
