//! Tables for people, JSON for programs.

use domain::ApiKey;
use serde_json::Value;

use super::record::{KeyRecord, Record};
use crate::{failure::Failure, printable::printable};

/// Prints results.
#[derive(Clone, Copy)]
pub(super) struct Output {
    /// Whether as JSON; otherwise as a table.
    pub(super) json: bool,
}

impl Output {
    /// Prints one record: a table of one row, or an object.
    pub(super) fn one<R: Record>(self, record: impl Into<R>) -> Result<(), Failure> {
        self.record(&record.into())
    }

    /// Prints records: a table, or an array.
    pub(super) fn all<R: Record>(self, records: Vec<impl Into<R>>) -> Result<(), Failure> {
        let records: Vec<R> = records.into_iter().map(Into::into).collect();
        if self.json {
            println!("{}", serde_json::to_string_pretty(&records)?);
        } else {
            print!("{}", table(&records)?);
        }
        Ok(())
    }

    /// Prints a key that was just created, with its secret: alone on standard output, or as the
    /// member `key` of the object.
    pub(super) fn key(self, stored: store::ApiKeyRecord, key: &ApiKey) -> Result<(), Failure> {
        let mut record = KeyRecord::from(stored);
        if self.json {
            record.key = Some(key.expose().to_owned());
            return self.record(&record);
        }
        eprint!("{}", table(&[record])?);
        eprintln!("The key, shown this once:");
        println!("{}", key.expose());
        Ok(())
    }

    fn record(self, record: &impl Record) -> Result<(), Failure> {
        if self.json {
            println!("{}", serde_json::to_string_pretty(record)?);
        } else {
            print!("{}", table(std::slice::from_ref(record))?);
        }
        Ok(())
    }
}

/// Returns a table with a head, each column as wide as its widest cell.
fn table<R: Record>(records: &[R]) -> Result<String, Failure> {
    let head = R::COLUMNS.iter().map(|column| column.to_uppercase()).collect();
    let mut rows: Vec<Vec<String>> = vec![head];
    for record in records {
        let record = serde_json::to_value(record)?;
        rows.push(R::COLUMNS.iter().map(|column| cell(&record[*column])).collect());
    }
    let widths: Vec<usize> = (0..R::COLUMNS.len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    Ok(text)
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::String(text) => printable(text),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
