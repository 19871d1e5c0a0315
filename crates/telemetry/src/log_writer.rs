//! Writes log lines on a thread of its own, so that nobody else waits for whoever reads the log.
//!
//! A pipe that nobody reads fills up, and writing to it blocks. Lines wait in a buffer of limited
//! size, those that do not fit are dropped and counted, and the number is reported as soon as lines
//! are written again.
//!
//! `tracing-appender` has such a writer, too. Its buffer is limited by lines rather than bytes, it
//! reports no number, it does not count lines whose write failed, and where it can't flush at exit
//! it prints to standard output, which then blocks.

use std::{
    cell::Cell,
    io::{self, ErrorKind, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// How long to wait before writing again to a pipe that somebody else set to non-blocking, and that
/// is full.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// The memory that is kept for the next lines, in bytes.
const KEPT: usize = 64 * 1024;

thread_local! {
    /// Whether this is the thread that writes. Its own lines, the reports, are never dropped.
    static IS_WRITER: Cell<bool> = const { Cell::new(false) };
}

/// Takes log lines, and never blocks. Clones share their buffer.
#[derive(Clone, Debug)]
pub(crate) struct LogWriter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// The most bytes that wait. As many again are being written.
    capacity: usize,
    buffer: Mutex<Buffer>,
    not_empty: Condvar,
    all_written: Condvar,
}

#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    lines: u64,
    dropped: u64,
    is_writing: bool,
}

impl LogWriter {
    /// Starts the thread that writes to `sink`. It calls `report` with the number of lines that were
    /// dropped once lines can be written again; `report` may log.
    ///
    /// # Errors
    /// If the system can't start another thread.
    pub(crate) fn start(
        sink: impl Write + Send + 'static,
        capacity: usize,
        report: impl Fn(u64) + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            capacity,
            buffer: Mutex::default(),
            not_empty: Condvar::new(),
            all_written: Condvar::new(),
        });
        let writer = Self(Arc::clone(&shared));
        thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || write_forever(&shared, sink, report))?;
        Ok(writer)
    }

    /// Blocks until all lines are written, at most for `timeout`.
    pub(crate) fn flush(&self, timeout: Duration) {
        let buffer = self.0.lock();
        let is_unwritten = |buffer: &mut Buffer| buffer.is_writing || !buffer.bytes.is_empty();
        let waited = self.0.all_written.wait_timeout_while(buffer, timeout, is_unwritten);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line to the buffer, or drops it.
    fn push(&self, line: &[u8]) {
        let mut buffer = self.lock();
        if buffer.bytes.len() + line.len() > self.capacity && !IS_WRITER.get() {
            buffer.dropped = buffer.dropped.saturating_add(1);
            return;
        }
        buffer.bytes.extend_from_slice(line);
        buffer.lines += 1;
        self.not_empty.notify_one();
    }

    /// Blocks until there are lines, and moves them to `chunk`, which must be empty. Returns their
    /// number.
    fn take(&self, chunk: &mut Vec<u8>) -> u64 {
        let mut buffer = self.lock();
        buffer.is_writing = false;
        if buffer.bytes.is_empty() {
            self.all_written.notify_all();
        }
        while buffer.bytes.is_empty() {
            buffer = self.not_empty.wait(buffer).unwrap_or_else(PoisonError::into_inner);
        }
        buffer.is_writing = true;
        mem::swap(&mut buffer.bytes, chunk);
        mem::take(&mut buffer.lines)
    }
}

fn write_forever(shared: &Shared, mut sink: impl Write, report: impl Fn(u64)) {
    IS_WRITER.set(true);
    let mut chunk = Vec::new();
    loop {
        let lines = shared.take(&mut chunk);
        let written = write_all(&mut sink, &chunk);
        chunk.clear();
        chunk.shrink_to(KEPT);
        let mut buffer = shared.lock();
        if written.is_err() {
            // Some of them may have been written.
            buffer.dropped = buffer.dropped.saturating_add(lines);
            continue;
        }
        let dropped = mem::take(&mut buffer.dropped);
        drop(buffer);
        if dropped > 0 {
            report(dropped);
        }
    }
}

/// Writes all bytes, also to a pipe that is non-blocking.
fn write_all(sink: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match sink.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY_INTERVAL),
            Err(error) => return Err(error),
        }
    }
    sink.flush()
}

/// Takes one line, which must be written at once.
#[derive(Debug)]
pub(crate) struct Line<'a>(&'a Shared);

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    /// What a sink does with a write. Without an answer the write blocks.
    type Answers = Receiver<io::Result<()>>;

    /// Sends what it is asked to write, and waits for the answer.
    struct Sink(Sender<String>, Answers);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(String::from_utf8(bytes.to_vec()).unwrap()).unwrap();
            self.1.recv().unwrap_or(Ok(())).map(|()| bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Starts a writer whose buffer has room for three lines of two bytes. Returns it, what it
    /// writes, and the answers that it waits for.
    fn start() -> (LogWriter, Receiver<String>, Sender<io::Result<()>>) {
        let (writes, written) = channel();
        let (answers, awaited) = channel();
        let slot: Arc<Mutex<Option<LogWriter>>> = Arc::default();
        let own = Arc::clone(&slot);
        let report = move |dropped| {
            let writer = own.lock().unwrap().clone().unwrap();
            writer.make_writer().write_all(format!("dropped {dropped}\n").as_bytes()).unwrap();
        };
        let writer = LogWriter::start(Sink(writes, awaited), 6, report).unwrap();
        *slot.lock().unwrap() = Some(writer.clone());
        (writer, written, answers)
    }

    fn write(writer: &LogWriter, lines: &[&str]) {
        for line in lines {
            writer.make_writer().write_all(line.as_bytes()).unwrap();
        }
    }

    #[test]
    fn lines_that_do_not_fit_are_dropped_and_counted_where_they_are_missing() {
        let (writer, written, answers) = start();
        write(&writer, &["0\n"]);
        assert_eq!(written.recv_timeout(LONG).unwrap(), "0\n");
        // The write blocks. Three more lines fit, two do not.
        write(&writer, &["1\n", "2\n", "3\n", "4\n", "5\n"]);
        writer.flush(Duration::from_millis(1));
        answers.send(Ok(())).unwrap();
        assert_eq!(written.recv_timeout(LONG).unwrap(), "1\n2\n3\ndropped 2\n");
        // It is reported once.
        answers.send(Ok(())).unwrap();
        write(&writer, &["6\n"]);
        assert_eq!(written.recv_timeout(LONG).unwrap(), "6\n");
        answers.send(Ok(())).unwrap();
        writer.flush(LONG);
        assert!(written.try_recv().is_err());
    }

    #[test]
    fn lines_whose_write_failed_are_counted_too() {
        let (writer, written, answers) = start();
        write(&writer, &["0\n"]);
        assert_eq!(written.recv_timeout(LONG).unwrap(), "0\n");
        write(&writer, &["1\n", "2\n"]);
        answers.send(Err(ErrorKind::BrokenPipe.into())).unwrap();
        assert_eq!(written.recv_timeout(LONG).unwrap(), "1\n2\n");
        answers.send(Err(ErrorKind::WouldBlock.into())).unwrap();
        assert_eq!(written.recv_timeout(LONG).unwrap(), "1\n2\n", "tried again");
        answers.send(Ok(())).unwrap();
        assert_eq!(written.recv_timeout(LONG).unwrap(), "dropped 1\n");
    }

    #[test]
    fn flush_waits_until_all_lines_are_written() {
        let (writer, written, answers) = start();
        drop(answers);
        write(&writer, &["0\n", "1\n", "2\n"]);
        writer.flush(LONG);
        assert_eq!(written.try_iter().collect::<String>(), "0\n1\n2\n");
    }
}
