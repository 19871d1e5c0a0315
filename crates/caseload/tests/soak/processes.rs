//! The processes of the system, each from its start to its end.

use std::{net::SocketAddr, sync::Mutex};

/// A process that runs.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    /// As in `server 1`.
    pub(crate) name: &'static str,
    /// How many processes had this name before.
    pub(crate) life: usize,
    pub(crate) pid: u32,
    /// Where it serves metrics; `None` for Postgres.
    pub(crate) admin: Option<SocketAddr>,
}

/// All processes that run now.
#[derive(Default)]
pub(crate) struct Processes(Mutex<Vec<Process>>);

impl Processes {
    /// Adds a process, or another one in place of that with the same name.
    pub(crate) fn started(&self, name: &'static str, pid: u32, admin: Option<SocketAddr>) {
        let mut processes = self.0.lock().unwrap();
        match processes.iter_mut().find(|process| process.name == name) {
            Some(process) if process.pid == pid => {}
            Some(process) => *process = Process { life: process.life + 1, pid, ..process.clone() },
            None => processes.push(Process { name, life: 0, pid, admin }),
        }
    }

    pub(crate) fn running(&self) -> Vec<Process> {
        self.0.lock().unwrap().clone()
    }
}
