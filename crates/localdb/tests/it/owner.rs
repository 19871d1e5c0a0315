//! A process that owns a cluster and can be killed: this test binary, run again.

use std::{
    collections::HashMap,
    env,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::OnceLock,
};

use localdb::Cluster;

/// The variable with the directory of the child's cluster; empty for a temporary one.
const DIRECTORY: &str = "LOCALDB_TEST_DIRECTORY";

/// The child process. It exits, without running destructors, when its standard input is closed.
#[test]
#[ignore = "other tests run it in its own process"]
fn process() {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    let Some(directory) = env::var_os(DIRECTORY) else {
        return;
    };
    let cluster = match directory.is_empty() {
        true => Cluster::temporary(),
        false => Cluster::persistent(directory),
    };
    let cluster = CLUSTER.get_or_init(|| cluster.start().unwrap());
    println!("\nurl={}", cluster.url("postgres"));
    println!("data={}", cluster.data_dir().display());
    println!("bin={}", cluster.bin_dir().display());
    println!("pid={}", cluster.postmaster_pid().unwrap());
    println!("ready=");
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
    std::process::exit(0);
}

/// The child process, as the parent sees it.
pub(crate) struct Owner {
    pub(crate) child: Child,
    output: BufReader<ChildStdout>,
}

/// What the child process reports of its cluster.
pub(crate) struct Owned {
    pub(crate) url: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) bin_dir: PathBuf,
    pub(crate) postmaster: u32,
}

impl Owner {
    pub(crate) fn of_temporary() -> Self {
        Self::spawn(Path::new(""))
    }

    pub(crate) fn of_persistent(directory: &Path) -> Self {
        Self::spawn(directory)
    }

    fn spawn(directory: &Path) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "owner::process", "--ignored", "--nocapture"])
            .env(DIRECTORY, directory)
            // These must not affect the cluster.
            .envs([("PGPORT", "1"), ("PGDATA", "/nowhere"), ("PGOPTIONS", "-c nonsense=1")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    /// Blocks until the cluster runs.
    pub(crate) fn ready(&mut self) -> Owned {
        let lines = self.output.by_ref().lines().map(Result::unwrap);
        let reported: HashMap<String, String> = lines
            .take_while(|line| line != "ready=")
            .filter_map(|line| Some(line.split_once('=')?).map(|(k, v)| (k.into(), v.into())))
            .collect();
        Owned {
            url: reported["url"].clone(),
            data_dir: reported["data"].clone().into(),
            bin_dir: reported["bin"].clone().into(),
            postmaster: reported["pid"].parse().unwrap(),
        }
    }

    /// Kills the process with SIGKILL, and waits for the end of its output: no other process may hold
    /// that open.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.output.read_to_end(&mut Vec::new()).unwrap();
    }

    /// Lets the process exit, which drops no static, and so not its cluster.
    pub(crate) fn exit(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
        self.output.read_to_end(&mut Vec::new()).unwrap();
    }
}

impl Owned {
    /// Returns the socket directory, which is part of the URL.
    pub(crate) fn sockets(&self) -> PathBuf {
        self.url.split_once("?host=").unwrap().1.replace("%2F", "/").into()
    }
}
