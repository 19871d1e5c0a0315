//! Comma-separated values (RFC 4180).
//!
//! It is stricter than the crate `csv`, which reads whatever it is given, and it takes limited memory: a
//! quote that is not closed must neither swallow the rest of a file nor be taken for data.

use std::io::{self, BufRead};

use super::line_reader::{Kept, LineReader, MAX_RECORD_BYTES};

/// Reads the records of a file.
pub(super) struct CsvReader<R> {
    lines: LineReader<R>,
}

/// A record: usually a line, or several, where a quoted field has line breaks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CsvRecord {
    /// The number of its first line, from 1.
    pub(super) line: u64,
    /// The record as the file has it.
    pub(super) raw: Vec<u8>,
    /// The fields, or what is wrong with the record.
    pub(super) fields: Result<Vec<String>, String>,
}

/// Why the records of a file can't be read.
#[derive(Debug)]
pub(super) enum CsvError {
    /// The file can't be read.
    Io(io::Error),
    /// The quoted field in the record that begins on this line is too long. Where the next record
    /// begins is unknown.
    Unbounded(u64),
}

impl<R: BufRead> CsvReader<R> {
    pub(super) fn new(lines: LineReader<R>) -> Self {
        Self { lines }
    }

    pub(super) fn lines(&self) -> &LineReader<R> {
        &self.lines
    }

    /// Returns the next record; `None` at the end. Empty lines are no records. The record after one
    /// that is malformed begins on the next line.
    pub(super) fn read(&mut self) -> Result<Option<CsvRecord>, CsvError> {
        let mut raw = Vec::new();
        let mut kept = loop {
            raw.clear();
            match self.lines.read(&mut raw).map_err(CsvError::Io)? {
                None => return Ok(None),
                Some(_) if without_line_break(&raw).is_empty() => {}
                Some(kept) => break kept,
            }
        };
        let line = self.lines.lines();
        let mut parser = Parser::default();
        let mut begin = 0;
        loop {
            parser.read_line(&raw[begin..]);
            let is_open = parser.state == State::Quoted;
            if kept == Kept::Begin && is_open {
                return Err(CsvError::Unbounded(line));
            }
            if kept == Kept::Begin {
                return Ok(Some(CsvRecord { line, fields: Err(too_long()), raw: vec![] }));
            }
            if !is_open {
                return Ok(Some(CsvRecord { line, fields: parser.finish(), raw }));
            }
            begin = raw.len();
            match self.lines.read(&mut raw).map_err(CsvError::Io)? {
                Some(next) => kept = next,
                None => {
                    let fields = Err("a quote is opened and not closed before the end".to_owned());
                    return Ok(Some(CsvRecord { line, fields, raw }));
                }
            }
        }
    }
}

/// Returns what is wrong with a record that is too long.
pub(super) fn too_long() -> String {
    format!("it has more than {MAX_RECORD_BYTES} bytes, and is not in the file of refused lines")
}

/// Returns a line without the line break at its end.
pub(super) fn without_line_break(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Parses the lines of one record.
#[derive(Default)]
struct Parser {
    state: State,
    fields: Vec<Vec<u8>>,
    field: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Begin,
    Unquoted,
    Quoted,
    /// After a quote within a quoted field: it ends the field, or is the first one of two.
    AfterQuote,
    /// After a text that follows a quoted field.
    Malformed,
}

impl Parser {
    fn read_line(&mut self, line: &[u8]) {
        let content = without_line_break(line);
        for &byte in content {
            self.read_byte(byte);
        }
        if self.state == State::Quoted {
            self.field.extend_from_slice(&line[content.len()..]);
        }
    }

    fn read_byte(&mut self, byte: u8) {
        use State::{AfterQuote, Begin, Malformed, Quoted, Unquoted};
        self.state = match (self.state, byte) {
            (Malformed, _) => Malformed,
            (Begin, b'"') => Quoted,
            (Quoted, b'"') => AfterQuote,
            (Begin | Unquoted | AfterQuote, b',') => {
                self.fields.push(std::mem::take(&mut self.field));
                Begin
            }
            (AfterQuote, byte) if byte != b'"' => Malformed,
            (state, byte) => {
                self.field.push(byte);
                if matches!(state, Quoted | AfterQuote) { Quoted } else { Unquoted }
            }
        };
    }

    fn finish(mut self) -> Result<Vec<String>, String> {
        if self.state == State::Malformed {
            return Err("a quoted field is followed by something else than a comma".to_owned());
        }
        self.fields.push(self.field);
        let fields = self.fields.into_iter().enumerate().map(|(index, field)| {
            String::from_utf8(field)
                .map_err(|_| format!("field {} is not valid UTF-8", index.saturating_add(1)))
        });
        fields.collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns the records of a file: their lines, and their fields or what is wrong with them.
    fn records(text: &[u8]) -> Vec<(u64, Result<Vec<String>, String>)> {
        let mut reader = CsvReader::new(LineReader::new(text));
        let mut records = vec![];
        while let Some(record) = reader.read().unwrap() {
            records.push((record.line, record.fields));
        }
        records
    }

    fn good(line: u64, fields: &[&str]) -> (u64, Result<Vec<String>, String>) {
        (line, Ok(fields.iter().map(|field| (*field).to_owned()).collect()))
    }

    #[test]
    fn records_are_read_with_the_numbers_of_their_lines() {
        let text = "a,b\r\n\r\n\n1,\"two\r\nlines, \"\"quoted\"\"\"\n\"\",\n x , y\nlast,";
        assert_eq!(
            records(text.as_bytes()),
            [
                good(1, &["a", "b"]),
                good(4, &["1", "two\r\nlines, \"quoted\""]),
                good(6, &["", ""]),
                good(7, &[" x ", " y"]),
                good(8, &["last", ""]),
            ]
        );
    }

    #[test]
    fn a_quote_within_an_unquoted_field_is_a_character_as_others() {
        assert_eq!(records(b"a 5\" pipe,b\"\n"), [good(1, &["a 5\" pipe", "b\""])]);
    }

    #[test]
    fn a_malformed_record_ends_at_the_end_of_its_line() {
        let after = "a quoted field is followed by something else than a comma";
        for text in ["\"a\"b,c\nd\n", "\"a\" ,c\nd\n", "\"a\nb\"c\nd\n"] {
            let found = records(text.as_bytes());
            assert_eq!(found[0], (1, Err(after.to_owned())), "{text:?}");
            assert_eq!(found[1].1, Ok(vec!["d".to_owned()]), "{text:?}");
        }
        let invalid = records(b"a,\xff\xfe\nb,c\n");
        assert_eq!(invalid[0], (1, Err("field 2 is not valid UTF-8".to_owned())));
        assert_eq!(invalid[1], good(2, &["b", "c"]));
        let open = records(b"a\n\"b\nc\n");
        assert_eq!(open[1], (2, Err("a quote is opened and not closed before the end".to_owned())));
        assert_eq!(open.len(), 2);
    }

    #[test]
    fn a_record_that_is_too_long_is_refused_or_ends_the_file() {
        let long = "x".repeat(MAX_RECORD_BYTES);
        let found = records(format!("{long}y\nz\n").as_bytes());
        assert_eq!(found[0].1, Err(too_long()));
        assert_eq!(found[1], good(2, &["z"]));

        let lines = format!("a\n\"{}", "line\n".repeat(MAX_RECORD_BYTES));
        let mut reader = CsvReader::new(LineReader::new(lines.as_bytes()));
        assert!(reader.read().unwrap().is_some());
        assert!(matches!(reader.read(), Err(CsvError::Unbounded(2))));
    }

    proptest! {
        /// Whatever a program writes as CSV is read as the same fields, on the right lines.
        #[test]
        fn what_a_csv_library_writes_is_read_again(
            rows in prop::collection::vec(prop::collection::vec("[a\"\r\n, é🙂]{0,6}", 1..4), 0..8),
            crlf: bool,
        ) {
            let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
            let mut writer = csv::WriterBuilder::new()
                .flexible(true)
                .terminator(terminator)
                .from_writer(vec![]);
            let mut expected = vec![];
            let mut line = 1;
            for row in &rows {
                writer.write_record(row).unwrap();
                expected.push((line, Ok(row.clone())));
                line += 1 + row.concat().matches('\n').count() as u64;
            }
            prop_assert_eq!(records(&writer.into_inner().unwrap()), expected);
        }

        /// No input breaks the reader, and none of its bytes is lost: a line is in one record, or is
        /// empty.
        #[test]
        fn every_byte_is_in_one_record(text in prop::collection::vec(
            prop::sample::select(b"ab\",\r\n\xff".as_slice()), 0..60)) {
            let mut reader = CsvReader::new(LineReader::new(text.as_slice()));
            let mut all = vec![];
            let mut last_line = 0;
            while let Some(record) = reader.read().unwrap() {
                prop_assert!(record.line > last_line);
                last_line = record.line;
                all.extend(record.raw);
            }
            let count = |text: &[u8]| text.iter().filter(|byte| !b"\r\n".contains(byte)).count();
            prop_assert_eq!(count(&all), count(&text));
        }
    }
}
