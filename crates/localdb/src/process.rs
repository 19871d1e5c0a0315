//! Lists other processes, and sends signals to them.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// How long to wait between two polls.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A process, as the kernel lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    parent: u32,
    state: char,
}

impl Process {
    /// Returns all processes of this machine.
    ///
    /// # Errors
    /// Those of the operating system.
    pub(crate) fn list() -> io::Result<Vec<Self>> {
        if Path::new("/proc/self/stat").exists() { Self::list_proc() } else { Self::list_ps() }
    }

    fn list_proc() -> io::Result<Vec<Self>> {
        let mut processes = Vec::new();
        for entry in fs::read_dir("/proc")? {
            // A process that has just ended is left out.
            if let Ok(stat) = fs::read_to_string(entry?.path().join("stat")) {
                processes.extend(Self::parse_stat(&stat));
            }
        }
        Ok(processes)
    }

    /// Parses `pid (program) state parent …`; the name of the program may contain any characters.
    fn parse_stat(stat: &str) -> Option<Self> {
        let (pid, rest) = stat.split_once(" (")?;
        let mut fields = rest.rsplit_once(") ")?.1.split(' ');
        let state = fields.next()?.chars().next()?;
        Some(Self { pid: pid.parse().ok()?, parent: fields.next()?.parse().ok()?, state })
    }

    /// Lists processes on systems without `/proc`, such as macOS.
    fn list_ps() -> io::Result<Vec<Self>> {
        let output = Command::new("ps").args(["-A", "-o", "pid=,ppid=,stat="]).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(Self::parse_ps).collect())
    }

    fn parse_ps(line: &str) -> Option<Self> {
        let mut fields = line.split_whitespace();
        let pid = fields.next()?.parse().ok()?;
        let parent = fields.next()?.parse().ok()?;
        Some(Self { pid, parent, state: fields.next()?.chars().next()? })
    }

    /// Whether the process has not ended.
    pub(crate) fn is_alive(self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }

    /// Whether the process is paused by a signal.
    pub(crate) fn is_stopped(self) -> bool {
        self.state == 'T'
    }
}

/// Returns the running children of a process.
///
/// # Errors
/// Those of the operating system.
pub(crate) fn children_of(pid: u32) -> io::Result<Vec<u32>> {
    let all = Process::list()?.into_iter();
    let children = all.filter(|process| process.parent == pid && process.is_alive());
    Ok(children.map(|process| process.pid).collect())
}

/// Whether each of the processes `pids` has ended or fulfils a condition.
pub(crate) fn all_ended_or(pids: &[u32], condition: fn(Process) -> bool) -> bool {
    Process::list().is_ok_and(|all| {
        let mut named = all.into_iter().filter(|process| pids.contains(&process.pid));
        named.all(|process| !process.is_alive() || condition(process))
    })
}

/// Sends a signal; does nothing if the process has ended.
///
/// # Errors
/// Those of the operating system.
pub(crate) fn send(pid: u32, signal: Signal) -> io::Result<()> {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    };
    match kill_process(pid, signal) {
        Err(rustix::io::Errno::SRCH) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether `pid` is a running Postgres on this data directory.
pub(crate) fn is_postgres(pid: u32, data_dir: &Path) -> bool {
    if !Path::new("/proc/self/stat").exists() {
        return is_postgres_by_command_line(pid, data_dir);
    }
    // Postgres' working directory is its data directory. A zombie has none.
    let process = Path::new("/proc").join(pid.to_string());
    let is_named = fs::read_to_string(process.join("comm")).is_ok_and(|name| name == "postgres\n");
    let inode = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    let cwd = inode(&process.join("cwd"));
    is_named && cwd.is_some() && cwd == inode(data_dir)
}

fn is_postgres_by_command_line(pid: u32, data_dir: &Path) -> bool {
    let Some(data_dir) = data_dir.to_str() else {
        return false;
    };
    let output = Command::new("ps").args(["-o", "args=", "-p", &pid.to_string()]).output();
    output.is_ok_and(|output| {
        let command_line = String::from_utf8_lossy(&output.stdout);
        command_line.contains("postgres") && command_line.contains(data_dir)
    })
}

/// Polls until `done`, for at most `limit`. Returns whether it was done in time.
pub(crate) fn wait_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if done() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(POLL_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_program_may_contain_any_characters() {
        let process = Process::parse_stat("42 (a) S 1 (b) T 7 42 42 0 -1").unwrap();
        assert_eq!(process, Process { pid: 42, parent: 7, state: 'T' });
        assert_eq!(Process::parse_stat(""), None);
    }

    #[test]
    fn children_are_found_with_proc_and_with_ps() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let me = std::process::id();
        assert!(children_of(me).unwrap().contains(&child.id()));
        let by_ps = Process::list_ps().unwrap();
        assert!(by_ps.iter().any(|process| process.pid == child.id() && process.parent == me));

        send(child.id(), Signal::KILL).unwrap();
        let limit = Duration::from_secs(10);
        assert!(wait_until(limit, || all_ended_or(&[child.id()], Process::is_stopped)));
        child.wait().unwrap();
        send(child.id(), Signal::KILL).unwrap();
    }

    #[test]
    fn other_programs_are_not_postgres() {
        let here = std::env::current_dir().unwrap();
        assert!(!is_postgres(std::process::id(), &here));
        assert!(!is_postgres_by_command_line(std::process::id(), Path::new("/data")));
    }
}
