//! The limit of open files, which bounds the number of connections.

use tokio::net::TcpStream;

use crate::support::{Program, gateway_path, raw_http::get_livez};

/// Starts a gateway after `ulimit` with these arguments. It has no server.
fn start(ulimit: &str) -> Program {
    let script = format!(r#"ulimit {ulimit}; exec "$0" "$@""#);
    let nowhere = ["--http-addr", "127.0.0.1:0", "--upstream", "http://127.0.0.1:1"];
    let path = gateway_path();
    let args = [&["-c", &script, &path], &nowhere[..]].concat();
    Program::start("sh", &args)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_soft_limit_of_open_files_is_raised() {
    let program = start("-Sn 256");
    let addr = program.wait_for_address("serving REST");
    let mut connections = Vec::new();
    for _ in 0..400 {
        let mut connection = TcpStream::connect(addr).await.unwrap();
        get_livez(&mut connection).await;
        connections.push(connection);
    }
    for connection in &mut connections {
        get_livez(connection).await;
    }
}

#[test]
fn a_low_hard_limit_of_open_files_lowers_the_connection_limit_and_is_logged_once() {
    let program = start("-n 400");
    program.wait_for_address("serving REST");
    const MESSAGE: &str = "the limit of open files allows fewer connections than configured";
    let event = program.wait_for_log(MESSAGE);
    assert_eq!(event["open_file_limit"], 400);
    assert_eq!((&event["max_connections"], &event["capacity"]), (&20_000.into(), &144.into()));
    program.terminate();
    let log = program.wait_for_exit().log();
    assert_eq!(log.iter().filter(|event| event["message"] == MESSAGE).count(), 1, "{log:#?}");
}
