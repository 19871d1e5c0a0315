//! The file that is imported.

use std::{
    fs::File,
    io::{self, BufReader},
    path::Path,
};

use super::records::{Opened, Source};
use crate::{
    cli::{Format, ImportOptions},
    client::error::ClientError,
};

/// The bytes that are read from a file at once.
const BUFFER_BYTES: usize = 128 * 1024;

/// An open file.
pub(super) struct Input {
    source: Source,
    format: Format,
    /// The size in bytes, of a regular file.
    pub(super) size: Option<u64>,
    /// The name without directories, of a regular file: pipes have none.
    pub(super) name: Option<String>,
}

impl Input {
    /// Opens the file that the options name.
    ///
    /// # Errors
    /// If it can't be opened, or if its format is unknown.
    pub(super) fn open(options: &ImportOptions) -> Result<Self, ClientError> {
        let path = &options.file;
        let is_stdin = path.as_os_str() == "-";
        let format = options.format.or_else(|| format_of(path)).ok_or_else(|| {
            let name = path.display();
            ClientError::Usage(format!(
                "the format of {name} is unknown: give --format csv or --format ndjson"
            ))
        })?;
        if is_stdin {
            let source = BufReader::with_capacity(BUFFER_BYTES, io::stdin());
            return Ok(Self { source: Box::new(source), format, size: None, name: None });
        }
        let unreadable =
            |error| ClientError::NoInput(format!("{} can't be opened: {error}", path.display()));
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(unreadable(io::ErrorKind::IsADirectory.into()));
        }
        Ok(Self {
            source: Box::new(BufReader::with_capacity(BUFFER_BYTES, file)),
            format,
            size: metadata.is_file().then_some(metadata.len()),
            name: path
                .file_name()
                .filter(|_| metadata.is_file())
                .map(|name| name.to_string_lossy().into_owned()),
        })
    }

    /// Begins to read the file.
    ///
    /// # Errors
    /// If it can't be read, or has no header where it needs one.
    pub(super) fn read(self) -> Result<Opened, ClientError> {
        Opened::read(self.source, self.format)
    }
}

fn format_of(path: &Path) -> Option<Format> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    match extension.as_str() {
        "csv" => Some(Format::Csv),
        "ndjson" | "jsonl" => Some(Format::Ndjson),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_tells_the_format() {
        for (path, format) in [
            ("tasks.csv", Some(Format::Csv)),
            ("/tmp/TASKS.CSV", Some(Format::Csv)),
            ("tasks.ndjson", Some(Format::Ndjson)),
            ("tasks.jsonl", Some(Format::Ndjson)),
            ("tasks.json", None),
            ("tasks", None),
            ("-", None),
            ("csv", None),
        ] {
            assert_eq!(format_of(Path::new(path)), format, "{path}");
        }
    }
}
