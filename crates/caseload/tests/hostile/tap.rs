//! When a server sent statements to Postgres, seen from the network between them.

use std::{
    io::{Read as _, Write as _},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::{Duration, SystemTime},
};

use tempfile::TempDir;

use crate::support::TestDatabase;

/// The name of Postgres' socket in its directory.
const SOCKET: &str = ".s.PGSQL.5432";

/// How long results are held back to see whether all writers wait for theirs.
const HOLD: Duration = Duration::from_millis(50);

/// A proxy before Postgres, which notes what passes.
///
/// By the rows alone it can't be told when a statement was sent: a Postgres that stands still has it in
/// its socket, and begins the transaction later. Each connection has threads of its own, so that what
/// else the test does delays none.
#[derive(Clone)]
pub(crate) struct Tap {
    shared: Arc<Shared>,
    _directory: Arc<TempDir>,
}

struct Shared {
    /// Texts by which a statement that writes tasks is known.
    texts: &'static [&'static str],
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    connections: Vec<Connection>,
    /// Whether results are held back.
    is_held: bool,
}

/// What the server sent over a connection.
#[derive(Default)]
struct Connection {
    bytes: Vec<u8>,
    /// When the bytes up to each place came.
    times: Vec<(usize, SystemTime)>,
    /// Whether a statement with a task was sent, and its result has not come back.
    is_writing: bool,
}

/// What the text of a task is sent with: its length, as Postgres' binary format has it, and itself.
fn sent_text(text: &str) -> Vec<u8> {
    let length = i32::try_from(text.len()).unwrap().to_be_bytes();
    [&length, text.as_bytes()].concat()
}

impl Tap {
    /// Starts a proxy before a database. Statements with one of these texts count as those of writers.
    /// Returns the database as it is reached through the proxy, too.
    pub(crate) fn start(
        database: &TestDatabase,
        texts: &'static [&'static str],
    ) -> (Self, TestDatabase) {
        let url = database.url().expose();
        let (rest, host) = url.split_once("?host=").unwrap();
        let upstream = PathBuf::from(decode(host)).join(SOCKET);
        let directory = tempfile::Builder::new().prefix("tap").tempdir_in("/tmp").unwrap();
        let listener = UnixListener::bind(directory.path().join(SOCKET)).unwrap();
        let host = directory.path().to_str().unwrap().replace('/', "%2F");
        let (state, changed) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { texts, state, changed });
        let tap = Self { shared: Arc::clone(&shared), _directory: Arc::new(directory) };
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(server) = UnixStream::connect(&upstream) else { continue };
                shared.forward(client.unwrap(), server);
            }
        });
        (tap, TestDatabase::at(&format!("{rest}?host={host}")))
    }

    /// Holds all results back while so many writers wait for theirs: none of them is then between its
    /// decision to begin a batch and the statement. Waits for such a moment.
    pub(crate) fn hold_results(&self, writers: usize) {
        let mut state = self.shared.lock();
        loop {
            state.is_held = true;
            let (held, _) = self
                .shared
                .changed
                .wait_timeout_while(state, HOLD, |state| state.writing() < writers)
                .unwrap();
            state = held;
            if state.writing() >= writers {
                return;
            }
            // A writer has nothing to do.
            drop(state);
            self.release_results();
            thread::sleep(HOLD / 10);
            state = self.shared.lock();
        }
    }

    /// Lets the results pass again.
    pub(crate) fn release_results(&self) {
        self.shared.lock().is_held = false;
        self.shared.changed.notify_all();
    }

    /// Returns when the last statement with a task of this description was sent.
    pub(crate) fn sent(&self, description: &str) -> Option<SystemTime> {
        let text = sent_text(description);
        let state = self.shared.lock();
        state.connections.iter().filter_map(|connection| connection.sent(&text)).max()
    }
}

impl State {
    /// The number of writers that wait for a result.
    fn writing(&self) -> usize {
        self.connections.iter().filter(|connection| connection.is_writing).count()
    }
}

impl Connection {
    fn sent(&self, text: &[u8]) -> Option<SystemTime> {
        let begin = self.bytes.windows(text.len()).rposition(|bytes| bytes == text)?;
        let index = self.times.partition_point(|(end, _)| *end <= begin);
        self.times.get(index).map(|(_, time)| *time)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Starts to copy in both directions.
    fn forward(self: &Arc<Self>, client: UnixStream, server: UnixStream) {
        let number = {
            let mut state = self.lock();
            state.connections.push(Connection::default());
            state.connections.len() - 1
        };
        let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let shared = Arc::clone(self);
        thread::spawn(move || copy(from, to, |bytes| shared.note_sent(number, bytes)));
        let shared = Arc::clone(self);
        thread::spawn(move || copy(server, client, |_| shared.note_result(number)));
    }

    fn note_sent(&self, number: usize, bytes: &[u8]) {
        let mut state = self.lock();
        let connection = &mut state.connections[number];
        connection.bytes.extend_from_slice(bytes);
        let end = connection.bytes.len();
        connection.times.push((end, SystemTime::now()));
        let has = |text: &&str| bytes.windows(text.len()).any(|bytes| bytes == text.as_bytes());
        connection.is_writing |= self.texts.iter().any(has);
        self.changed.notify_all();
    }

    /// Waits while results are held back.
    fn note_result(&self, number: usize) {
        let mut state = self.lock();
        while state.is_held {
            state = self.changed.wait(state).unwrap();
        }
        state.connections[number].is_writing = false;
    }
}

/// Copies until either side ends.
fn copy(mut from: UnixStream, mut to: UnixStream, mut see: impl FnMut(&[u8])) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        see(&buffer[..count]);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // Both fail where that side has ended.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// Decodes a part of a URL.
fn decode(text: &str) -> String {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_at(2);
        decoded.push(char::from(u8::from_str_radix(code, 16).unwrap()));
        decoded.push_str(rest);
    }
    decoded
}
