//! Sees to it that nothing outlives a run of the chaos test or the bench, however that ends. Postgres
//! has a guardian of its own, `localdb`'s, which ends it with more care.

use std::{
    collections::BTreeSet,
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
};

/// Each line is the list of what runs. The input's end without `done` is the death of the run.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
while read -r line; do
    [ "$line" = done ] && exit
    running=$line
done
[ -z "$running" ] || kill -s KILL $running
rm -rf -- "$1"
"#;

/// A shell that kills the programs and removes the directory if this process can't.
pub(crate) struct Guardian {
    shell: Child,
    running: Mutex<(ChildStdin, BTreeSet<u32>)>,
}

impl Guardian {
    pub(crate) fn of(directory: &Path) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C is for the others.
            .process_group(0)
            .spawn()
            .unwrap();
        let input = shell.stdin.take().unwrap();
        Self { shell, running: Mutex::new((input, BTreeSet::new())) }
    }

    pub(crate) fn started(&self, pid: u32) {
        self.change(|running| running.insert(pid));
    }

    pub(crate) fn ended(&self, pid: u32) {
        self.change(|running| running.remove(&pid));
    }

    fn change(&self, change: impl FnOnce(&mut BTreeSet<u32>) -> bool) {
        // Also after a panic: programs are dropped while it unwinds, and one more would abort.
        let mut state = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let (input, running) = &mut *state;
        change(running);
        let list: Vec<_> = running.iter().map(u32::to_string).collect();
        // Where it is gone there is nobody to tell.
        let _ = writeln!(input, "{}", list.join(" "));
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        // Also after a panic: it waits for this word, and would be waited for without end.
        let (input, _) = self.running.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Where it is gone there is nobody to tell.
        let _ = writeln!(input, "done");
        let _ = self.shell.wait();
    }
}
