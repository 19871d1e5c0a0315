//! CSV records under a header.

use std::io::BufRead;

use super::{
    csv::{CsvError, CsvReader, CsvRecord},
    fields::Fields,
    kind::Column,
};
use crate::client::error::ClientError;

/// The header of a CSV file: the names of its columns, as they are written.
pub(super) struct Header {
    line: u64,
    names: Vec<String>,
    /// The header as the file has it.
    pub(super) raw: Vec<u8>,
}

/// The columns of a CSV file, in their order.
pub(super) struct Columns(Vec<&'static str>);

impl Header {
    /// Reads the header: the first record of a file.
    ///
    /// # Errors
    /// If the file is empty, or its first record malformed.
    pub(super) fn read<R: BufRead>(reader: &mut CsvReader<R>) -> Result<Self, ClientError> {
        let record = reader.read().map_err(unreadable)?;
        let Some(CsvRecord { line, raw, fields }) = record else {
            return Err(ClientError::BadInput(
                "the file is empty: its first line must name the columns".to_owned(),
            ));
        };
        // Its first two bytes are a mark of UTF-16, which programs on Windows write.
        if raw.starts_with(b"\xff\xfe") || raw.starts_with(b"\xfe\xff") {
            return Err(ClientError::BadInput(
                "the file is in UTF-16: save it as CSV in UTF-8".to_owned(),
            ));
        }
        let names = fields.map_err(|fault| in_line(line, &fault))?;
        let names = names.iter().map(|name| name.trim().to_owned()).collect();
        Ok(Self { line, names, raw })
    }

    /// Returns whether there is a column of this name, in any case.
    pub(super) fn has_like(&self, name: &str) -> bool {
        self.names.iter().any(|column| column.eq_ignore_ascii_case(name))
    }

    /// Returns the columns.
    ///
    /// # Errors
    /// If a column is unknown, given twice, or missing: all of them are named.
    pub(super) fn columns(&self, known: &[Column]) -> Result<Columns, ClientError> {
        let mut faults = vec![];
        let mut columns = vec![];
        for name in &self.names {
            match known.iter().find(|column| column.name == name) {
                None => faults.push(format!("the column {name:?} is unknown")),
                Some(column) if columns.contains(&column.name) => {
                    faults.push(format!("the column {name:?} is there twice"));
                }
                Some(column) => columns.push(column.name),
            }
        }
        for column in known.iter().filter(|column| column.is_required) {
            if !columns.contains(&column.name) {
                faults.push(format!("the column {:?} is missing", column.name));
            }
        }
        if faults.is_empty() {
            return Ok(Columns(columns));
        }
        let known: Vec<&str> = known.iter().map(|column| column.name).collect();
        let fault = format!("{}; there are {}", faults.join(", "), known.join(", "));
        Err(in_line(self.line, &fault))
    }
}

impl Columns {
    /// Returns the fields of a record, or what is wrong with it.
    pub(super) fn fields(&self, fields: Vec<String>) -> Result<Fields, String> {
        let Self(columns) = self;
        if fields.len() == columns.len() {
            return Ok(Fields::new(columns, fields));
        }
        let count = fields.len();
        Err(format!("it has {count} fields, and the header has {}", columns.len()))
    }
}

/// Returns the error of a file that can't be read.
pub(super) fn unreadable(error: CsvError) -> ClientError {
    match error {
        CsvError::Io(error) => ClientError::Io(format!("the file can't be read: {error}")),
        CsvError::Unbounded(line) => in_line(
            line,
            "a quote is opened, and not closed within any record's length: what follows is not read",
        ),
    }
}

fn in_line(line: u64, fault: &str) -> ClientError {
    ClientError::BadInput(format!("line {line}: {fault}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::import::{
        kind::{optional, required},
        line_reader::LineReader,
    };

    fn columns(text: &[u8]) -> Result<Vec<&'static str>, String> {
        let known = [required("description"), optional("assignee_emails")];
        let mut reader = CsvReader::new(LineReader::new(text));
        let columns = Header::read(&mut reader).and_then(|header| header.columns(&known));
        columns.map(|columns| columns.0).map_err(|error| error.to_string())
    }

    #[test]
    fn columns_are_known_by_their_names_in_any_order() {
        assert_eq!(columns(b"description\n"), Ok(vec!["description"]));
        assert_eq!(
            columns(b"\n\"assignee_emails\" , description\r\n"),
            Err("line 2: a quoted field is followed by something else than a comma".to_owned())
        );
        assert_eq!(
            columns(b"\xef\xbb\xbf\"assignee_emails\", description\r\n"),
            Ok(vec!["assignee_emails", "description"])
        );
    }

    #[test]
    fn every_fault_of_a_header_is_named() {
        for (text, fault) in [
            (
                &b"assignee_email,x\n"[..],
                "line 1: the column \"assignee_email\" is unknown, the column \"x\" is unknown, the \
                 column \"description\" is missing; there are description, assignee_emails",
            ),
            (
                b"description,description\n",
                "line 1: the column \"description\" is there twice; there are description, \
                 assignee_emails",
            ),
            (b"", "the file is empty: its first line must name the columns"),
            (b"\xff\xfed\0e\0", "the file is in UTF-16: save it as CSV in UTF-8"),
        ] {
            assert_eq!(columns(text), Err(fault.to_owned()));
        }
    }

    #[test]
    fn a_record_has_as_many_fields_as_the_header() {
        let columns = Columns(vec!["a", "b"]);
        let fields = |count| columns.fields(vec![String::new(); count]).map(|_| ());
        assert_eq!(fields(2), Ok(()));
        assert_eq!(fields(1), Err("it has 1 fields, and the header has 2".to_owned()));
    }
}
