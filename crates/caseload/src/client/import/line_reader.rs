//! Reads a file by lines, of which none takes more than a limited amount of memory.

use std::io::{self, BufRead};

/// The most bytes of one record. The largest task that is valid takes less, however it is written.
pub(super) const MAX_RECORD_BYTES: usize = 256 * 1024;

/// The byte order mark, with which some programs begin files in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads lines, and counts them.
pub(super) struct LineReader<R> {
    source: R,
    lines: u64,
    bytes: u64,
}

/// How much of a line was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// All of it.
    All,
    /// Its begin: the rest was discarded.
    Begin,
}

impl<R: BufRead> LineReader<R> {
    /// Reads from the beginning of a source. A byte order mark of UTF-8 is skipped.
    pub(super) fn new(source: R) -> Self {
        Self { source, lines: 0, bytes: 0 }
    }

    /// Returns how many lines were read. It is the number of the last one.
    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    /// Returns how many bytes were read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends the next line to the buffer, with the line feed at its end, which the last line may
    /// lack. The buffer grows to [`MAX_RECORD_BYTES`] at most.
    ///
    /// Returns `None` at the end.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<Option<Kept>> {
        let mut kept = Kept::All;
        let mut is_empty = true;
        loop {
            let chunk = match self.source.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                chunk => chunk?,
            };
            if chunk.is_empty() {
                break;
            }
            if is_empty {
                is_empty = false;
                self.lines += 1;
            }
            let end = chunk.iter().position(|byte| *byte == b'\n').map(|index| index + 1);
            let line = &chunk[..end.unwrap_or(chunk.len())];
            let room = MAX_RECORD_BYTES - buffer.len().min(MAX_RECORD_BYTES);
            buffer.extend_from_slice(&line[..line.len().min(room)]);
            if line.len() > room {
                kept = Kept::Begin;
            }
            let consumed = line.len();
            self.source.consume(consumed);
            self.bytes += consumed as u64;
            if end.is_some() {
                break;
            }
        }
        if self.lines == 1 && buffer.starts_with(MARK) {
            buffer.drain(..MARK.len());
        }
        Ok((!is_empty).then_some(kept))
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn lines(text: &[u8]) -> Vec<Vec<u8>> {
        // A small buffer, so that lines end in the middle of it and are longer than it.
        let mut reader = LineReader::new(BufReader::with_capacity(2, text));
        let mut lines = vec![];
        let mut line = vec![];
        while reader.read(&mut line).unwrap().is_some() {
            lines.push(std::mem::take(&mut line));
        }
        assert_eq!(reader.lines(), lines.len() as u64);
        assert_eq!(reader.bytes(), text.len() as u64);
        lines
    }

    #[test]
    fn lines_keep_their_line_feeds() {
        assert_eq!(
            lines(b"a\n\r\nlonger than it\nlast"),
            [&b"a\n"[..], b"\r\n", b"longer than it\n", b"last"]
        );
        assert!(lines(b"").is_empty());
        assert_eq!(lines(b"\n"), [b"\n"]);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_line() {
        assert_eq!(lines(b"\xef\xbb\xbfa\n\xef\xbb\xbfb"), [&b"a\n"[..], b"\xef\xbb\xbfb"]);
        assert_eq!(lines(b"\xef\xbb\xbf"), [b""]);
    }

    #[test]
    fn a_line_without_end_takes_limited_memory() {
        let text = [vec![b'x'; 3 * MAX_RECORD_BYTES], b"\nnext".to_vec()].concat();
        let mut reader = LineReader::new(text.as_slice());
        let mut line = vec![];
        assert_eq!(reader.read(&mut line).unwrap(), Some(Kept::Begin));
        assert_eq!(line.len(), MAX_RECORD_BYTES);
        line.clear();
        assert_eq!(reader.read(&mut line).unwrap(), Some(Kept::All));
        assert_eq!((line.as_slice(), reader.lines()), (&b"next"[..], 2));
        assert_eq!(reader.read(&mut line).unwrap(), None);
    }
}
