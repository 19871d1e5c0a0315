//! The file of refused records.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::{cli::ImportOptions, client::error::ClientError};

/// Writes refused records to a file, as they were in the imported one and under the same header, so that
/// they can be corrected and imported by themselves.
pub(super) struct Rejects {
    file: Option<BufWriter<File>>,
    /// The file under a name of its own, until the import ends; and its name then.
    paths: Option<(PathBuf, PathBuf)>,
    /// The header, until it is written.
    header: Option<Vec<u8>>,
}

impl Rejects {
    /// Creates the file that the options name, if they name one. Until the end of the import it has the
    /// suffix `.partial`.
    ///
    /// # Errors
    /// If it can't be created, or if it is the imported one.
    pub(super) fn create(
        options: &ImportOptions,
        header: Option<&[u8]>,
    ) -> Result<Self, ClientError> {
        let Some(path) = &options.rejects else {
            return Ok(Self { file: None, paths: None, header: None });
        };
        if is_same(path, &options.file) {
            return Err(ClientError::Usage(
                "--rejects is the imported file itself: name another one".to_owned(),
            ));
        }
        // What an earlier run has written may be needed still.
        let mut partial = path.clone().into_os_string();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = File::create(&partial).map_err(|error| {
            ClientError::Io(format!("{} can't be created: {error}", partial.display()))
        })?;
        let header = header.map(<[u8]>::to_vec);
        let paths = Some((partial, path.clone()));
        Ok(Self { file: Some(BufWriter::new(file)), paths, header })
    }

    /// Writes a record. One that was not read as a whole is empty.
    pub(super) fn write(&mut self, record: &[u8]) -> Result<(), ClientError> {
        let Some(file) = self.file.as_mut().filter(|_| !record.is_empty()) else { return Ok(()) };
        let parts = [self.header.take(), Some(record.to_vec())];
        for part in parts.into_iter().flatten() {
            let end = if part.ends_with(b"\n") { &b""[..] } else { b"\n" };
            file.write_all(&part).and_then(|()| file.write_all(end)).map_err(unwritable)?;
        }
        Ok(())
    }

    /// Has everything written, and gives the file its name.
    pub(super) fn finish(&mut self) -> Result<(), ClientError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.flush().map_err(unwritable)?;
        self.paths
            .take()
            .map_or(Ok(()), |(partial, path)| fs::rename(partial, path).map_err(unwritable))
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    let id = |path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
    id(one).is_some_and(|one| id(other) == Some(one))
}

fn unwritable(error: std::io::Error) -> ClientError {
    ClientError::Io(format!("the refused lines can't be written: {error}"))
}
