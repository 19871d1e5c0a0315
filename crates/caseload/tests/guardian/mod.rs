//! Cleans up after a run of the chaos test, the hostile test or the bench, however the run ends:
//! kills the processes that it started, and removes its directory. For Postgres, `localdb` has a
//! guardian of its own, which shuts it down in order.

use std::{
    collections::BTreeSet,
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
};

/// Each line of input lists the ids of the running processes, or is `done`. If the input ends without
/// `done`, this process has died.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
while read -r line; do
    [ "$line" = done ] && exit
    running=$line
done
[ -z "$running" ] || kill -s KILL $running
rm -rf -- "$1"
"#;

/// A shell that kills the processes and removes the directory if this process dies.
pub(crate) struct Guardian {
    shell: Child,
    running: Mutex<(ChildStdin, BTreeSet<u32>)>,
}

impl Guardian {
    /// Starts the shell. It removes the directory only if this process dies.
    pub(crate) fn of(directory: &Path) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // In a process group of its own, so that Ctrl-C doesn't end it.
            .process_group(0)
            .spawn()
            .unwrap();
        let input = shell.stdin.take().unwrap();
        Self { shell, running: Mutex::new((input, BTreeSet::new())) }
    }

    /// Adds a process that was started.
    pub(crate) fn started(&self, pid: u32) {
        self.change(|running| running.insert(pid));
    }

    /// Removes a process that has ended. Its id may be that of another process from now on.
    pub(crate) fn ended(&self, pid: u32) {
        self.change(|running| running.remove(&pid));
    }

    fn change(&self, change: impl FnOnce(&mut BTreeSet<u32>) -> bool) {
        // A poisoned lock is accepted: programs are dropped while a panic unwinds, and a second panic
        // would abort.
        let mut state = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let (input, running) = &mut *state;
        change(running);
        let list: Vec<_> = running.iter().map(u32::to_string).collect();
        // This fails if the shell is gone, which nothing can be done about.
        let _ = writeln!(input, "{}", list.join(" "));
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        // A poisoned lock is accepted: without `done` the shell would not end, and the wait below would
        // block forever.
        let (input, _) = self.running.get_mut().unwrap_or_else(PoisonError::into_inner);
        // This fails if the shell is gone, and then the wait returns at once.
        let _ = writeln!(input, "done");
        let _ = self.shell.wait();
    }
}
