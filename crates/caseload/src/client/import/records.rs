//! The records of a file of either format.

use std::io::BufRead;

use super::{
    csv::{CsvError, CsvReader},
    kind::Kind,
    line_reader::LineReader,
    ndjson::NdjsonReader,
    rows::{Columns, Header, unreadable},
    window::Record,
};
use crate::{cli::Format, client::error::ClientError};

/// What is read.
pub(super) type Source = Box<dyn BufRead + Send>;

/// Reads the records of a file.
pub(super) enum Records {
    Csv(CsvReader<Source>, Columns),
    Ndjson(NdjsonReader<Source>),
}

impl Records {
    /// Returns the lines read so far.
    pub(super) fn lines(&self) -> &LineReader<Source> {
        match self {
            Self::Csv(reader, _) => reader.lines(),
            Self::Ndjson(reader) => reader.lines(),
        }
    }

    /// Returns the next record; `None` at the end.
    pub(super) fn read<K: Kind>(&mut self) -> Result<Option<Record<K::Item>>, ClientError> {
        match self {
            Self::Csv(reader, columns) => {
                let Some(record) = reader.read().map_err(unreadable)? else { return Ok(None) };
                let fields = record.fields.and_then(|fields| columns.fields(fields));
                let item = fields.and_then(|mut fields| K::read_fields(&mut fields));
                Ok(Some(Record {
                    line: record.line,
                    last_line: reader.lines().lines(),
                    raw: record.raw,
                    item,
                }))
            }
            Self::Ndjson(reader) => {
                let read = reader.read().map_err(CsvError::Io).map_err(unreadable)?;
                let Some(line) = read else { return Ok(None) };
                let item = K::read_json(&line);
                Ok(Some(Record { line: line.line, last_line: line.line, raw: line.raw, item }))
            }
        }
    }
}

/// A file whose header was read, if it has one.
pub(super) enum Opened {
    Csv(CsvReader<Source>, Header),
    Ndjson(NdjsonReader<Source>),
}

impl Opened {
    /// Begins to read a file.
    ///
    /// # Errors
    /// If it can't be read, or has no header where it needs one.
    pub(super) fn read(source: Source, format: Format) -> Result<Self, ClientError> {
        let lines = LineReader::new(source);
        match format {
            Format::Ndjson => Ok(Self::Ndjson(NdjsonReader::new(lines))),
            Format::Csv => {
                let mut reader = CsvReader::new(lines);
                let header = Header::read(&mut reader)?;
                Ok(Self::Csv(reader, header))
            }
        }
    }

    /// Returns the header, as the file has it.
    pub(super) fn header(&self) -> Option<&[u8]> {
        match self {
            Self::Csv(_, header) => Some(&header.raw),
            Self::Ndjson(_) => None,
        }
    }

    /// Returns whether the header has a column of this name, in any case; `None` without a header.
    pub(super) fn has_column_like(&self, name: &str) -> Option<bool> {
        match self {
            Self::Csv(_, header) => Some(header.has_like(name)),
            Self::Ndjson(_) => None,
        }
    }

    /// Returns the records, as those of this kind.
    ///
    /// # Errors
    /// If the header is not one of this kind.
    pub(super) fn records<K: Kind>(self) -> Result<Records, ClientError> {
        Ok(match self {
            Self::Csv(reader, header) => Records::Csv(reader, header.columns(K::COLUMNS)?),
            Self::Ndjson(reader) => Records::Ndjson(reader),
        })
    }
}
