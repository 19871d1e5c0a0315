//! A pseudo-terminal.

use std::{
    fs::File,
    io::Read as _,
    os::fd::OwnedFd,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use rustix::{
    fs::{Mode, OFlags, open},
    io::{FdFlags, fcntl_setfd},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};

/// A terminal that keeps what programs write to it.
pub(super) struct Terminal {
    path: String,
    /// The side of the programs. It is held open: the terminal ends once nobody has it open.
    programs: OwnedFd,
    written: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Terminal {
    pub(super) fn open() -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        // Not every system can open it so.
        fcntl_setfd(&terminal, FdFlags::CLOEXEC).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let path = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let programs = open(&*path, flags, Mode::empty()).unwrap();
        let written = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&written);
        let reader = thread::spawn(move || {
            let (mut terminal, mut bytes) = (File::from(terminal), [0; 4096]);
            // Linux reports the end as an error.
            while let Ok(count @ 1..) = terminal.read(&mut bytes) {
                shared.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Self { path, programs, written, reader }
    }

    /// Returns the path at which programs open it.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Returns what was written so far.
    pub(super) fn written(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().unwrap()).into_owned()
    }

    /// Returns everything that was written, once all programs have ended.
    pub(super) fn end(self) -> String {
        drop(self.programs);
        self.reader.join().unwrap();
        String::from_utf8_lossy(&self.written.lock().unwrap()).into_owned()
    }
}
