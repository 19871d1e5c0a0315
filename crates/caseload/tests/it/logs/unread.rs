//! A log that nobody reads: a pipe that fills up.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStderr, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
};

use serde_json::Value;
use tokio::time::timeout;

use crate::support::{
    App, CASELOAD, CreateCall, ReservedPort, gateway_path,
    polling::{TEST_TIMEOUT, eventually, wait_until},
};

/// How many calls over REST and over gRPC are made while nobody reads the log. Together with those
/// of the libraries, a call has some dozens of lines at the level `trace`.
const CALLS: usize = 400;

/// A program whose log nobody reads, until the test does.
struct Unread {
    child: Child,
    log: Option<ChildStderr>,
}

impl Unread {
    fn start(path: &str, args: &[&str], database_url: Option<&str>) -> Self {
        let mut command = Command::new(path);
        command.args(args).args(["--log-level", "trace"]).stdin(Stdio::null());
        if let Some(url) = database_url {
            command.env("CASELOAD_DATABASE_URL", url);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = child.stderr.take();
        Self { child, log }
    }

    /// Begins to read the log. Returns its lines.
    fn read(&mut self) -> Receiver<Value> {
        let log = BufReader::new(self.log.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        lines
    }

    fn terminate(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        // Both fail where it has exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts both programs, and makes calls until their logs have no room left.
async fn start_and_fill() -> (App, [Unread; 2], [ReservedPort; 2]) {
    let mut app = App::start().await;
    let ports = [ReservedPort::reserve(), ReservedPort::reserve()];
    (app.grpc_addr, app.http_addr) = (ports[0].addr(), ports[1].addr());
    let (grpc, http) = (app.grpc_addr.to_string(), app.http_addr.to_string());
    let url = app.database.url().expose();
    let server =
        Unread::start(CASELOAD, &["serve", "--grpc-addr", &grpc, "--writers", "2"], Some(url));
    let upstream = format!("http://{grpc}");
    let args = ["--http-addr", &http, "--upstream", &upstream];
    let gateway = Unread::start(&gateway_path(), &args, None);
    eventually("readiness", async || {
        let request = app.request(reqwest::Method::GET, "/readyz");
        request.send().await.is_ok_and(|response| response.status() == 200).then_some(())
    })
    .await;
    let valid = CreateCall::new(&app).key(&app.key);
    for _ in 0..CALLS {
        let result = timeout(TEST_TIMEOUT, valid.result_over_rest(&app)).await;
        assert_eq!(result.expect("a response"), "OK");
    }
    (app, [server, gateway], ports)
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_serve_while_nobody_reads_their_logs_and_say_later_how_many_lines_are_missing() {
    let (app, mut programs, _ports) = start_and_fill().await;
    let valid = CreateCall::new(&app).key(&app.key);
    // The gateway first: it needs the server.
    for program in programs.iter_mut().rev() {
        let lines = program.read();
        let dropped = loop {
            let line = lines.recv_timeout(TEST_TIMEOUT).expect("a line about dropped lines");
            if line["message"] == "log lines were dropped" {
                break line;
            }
        };
        assert_eq!(dropped["level"], "ERROR");
        assert!(dropped["dropped"].as_u64().unwrap() > 0, "{dropped}");
        assert_eq!(valid.result_over_grpc(&app).await, "OK");
        // The log goes on.
        program.terminate();
        let mut messages = lines.iter().map(|line| line["message"].to_string());
        assert!(messages.any(|message| message.contains("received SIGTERM")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_end_while_nobody_reads_their_logs() {
    let (_app, mut programs, _ports) = start_and_fill().await;
    for program in &mut programs {
        program.terminate();
        wait_until("the program's exit", || program.child.try_wait().unwrap().is_some());
        assert_eq!(program.child.wait().unwrap().code(), Some(0));
    }
}
