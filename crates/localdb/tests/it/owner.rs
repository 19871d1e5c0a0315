//! A process that owns a cluster and can be killed: this test binary, run once more.

use std::{
    collections::HashMap,
    env,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::OnceLock,
};

use localdb::Cluster;

/// Tells the child where its cluster is to be: a path, or nothing for a temporary one.
const PLACE: &str = "LOCALDB_TEST_PLACE";

/// The child's side. It ends, without running destructors, when its standard input does.
#[test]
#[ignore = "other tests run it as a process of its own"]
fn process() {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    let Some(place) = env::var_os(PLACE) else {
        return;
    };
    let cluster = match place.is_empty() {
        true => Cluster::temporary(),
        false => Cluster::persistent(place),
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

/// The parent's side.
pub(crate) struct Owner {
    pub(crate) child: Child,
    output: BufReader<ChildStdout>,
}

/// What the child tells of its cluster.
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

    pub(crate) fn of_persistent(place: &Path) -> Self {
        Self::spawn(place)
    }

    fn spawn(place: &Path) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "owner::process", "--ignored", "--nocapture"])
            .env(PLACE, place)
            // The like of these must make no difference to a cluster.
            .envs([("PGPORT", "1"), ("PGDATA", "/nowhere"), ("PGOPTIONS", "-c nonsense=1")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    /// Waits until the cluster runs.
    pub(crate) fn ready(&mut self) -> Owned {
        let lines = self.output.by_ref().lines().map(Result::unwrap);
        let told: HashMap<String, String> = lines
            .take_while(|line| line != "ready=")
            .filter_map(|line| Some(line.split_once('=')?).map(|(k, v)| (k.into(), v.into())))
            .collect();
        Owned {
            url: told["url"].clone(),
            data_dir: told["data"].clone().into(),
            bin_dir: told["bin"].clone().into(),
            postmaster: told["pid"].parse().unwrap(),
        }
    }

    /// Kills it with SIGKILL, and waits for the end of its output: nothing else may hold that open.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.output.read_to_end(&mut Vec::new()).unwrap();
    }

    /// Lets it exit, its cluster being in a static.
    pub(crate) fn exit(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
        self.output.read_to_end(&mut Vec::new()).unwrap();
    }
}

impl Owned {
    /// The socket directory, as the URL names it.
    pub(crate) fn sockets(&self) -> PathBuf {
        self.url.split_once("?host=").unwrap().1.replace("%2F", "/").into()
    }
}
