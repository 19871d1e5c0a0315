//! The file of refused records.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use crate::{cli::ImportOptions, client::error::ClientError};

/// Writes refused records to a file, as they were in the imported one and under the same header, so that
/// they can be corrected and imported by themselves.
pub(super) struct Rejects {
    file: Option<BufWriter<File>>,
    /// The header, until it is written.
    header: Option<Vec<u8>>,
}

impl Rejects {
    /// Creates the file that the options name, if they name one.
    ///
    /// # Errors
    /// If it can't be created, or if it is the imported one.
    pub(super) fn create(
        options: &ImportOptions,
        header: Option<&[u8]>,
    ) -> Result<Self, ClientError> {
        let Some(path) = &options.rejects else { return Ok(Self { file: None, header: None }) };
        if is_same(path, &options.file) {
            return Err(ClientError::Usage(
                "--rejects is the imported file itself: name another one".to_owned(),
            ));
        }
        let file = File::create(path).map_err(|error| {
            ClientError::Io(format!("{} can't be created: {error}", path.display()))
        })?;
        Ok(Self { file: Some(BufWriter::new(file)), header: header.map(<[u8]>::to_vec) })
    }

    /// Writes a record.
    pub(super) fn write(&mut self, record: &[u8]) -> Result<(), ClientError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let parts = [self.header.take(), Some(record.to_vec())];
        for part in parts.into_iter().flatten() {
            let end = if part.ends_with(b"\n") { &b""[..] } else { b"\n" };
            file.write_all(&part).and_then(|()| file.write_all(end)).map_err(unwritable)?;
        }
        Ok(())
    }

    /// Has everything written.
    pub(super) fn flush(&mut self) -> Result<(), ClientError> {
        self.file.as_mut().map_or(Ok(()), |file| file.flush().map_err(unwritable))
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    let id = |path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
    id(one).is_some_and(|one| id(other) == Some(one))
}

fn unwritable(error: std::io::Error) -> ClientError {
    ClientError::Io(format!("the refused lines can't be written: {error}"))
}
