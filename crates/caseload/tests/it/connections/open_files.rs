//! The limit of open files, of which each connection is one.

use tokio::net::TcpStream;

use crate::{
    connections::ask,
    support::{Program, gateway_path},
};

/// A gateway that is started with `ulimit` called so, and serves. Nobody is behind it.
fn start(ulimit: &str) -> Program {
    let script = format!(r#"ulimit {ulimit}; exec "$0" "$@""#);
    let nowhere = ["--http-addr", "127.0.0.1:0", "--upstream", "http://127.0.0.1:1"];
    let path = gateway_path();
    let args = [&["-c", &script, &path], &nowhere[..]].concat();
    Program::start("sh", &args)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_takes_as_many_as_it_may() {
    let program = start("-Sn 256");
    let addr = program.address("serving REST");
    let mut connections = Vec::new();
    for _ in 0..400 {
        let mut connection = TcpStream::connect(addr).await.unwrap();
        ask(&mut connection).await;
        connections.push(connection);
    }
    for connection in &mut connections {
        ask(connection).await;
    }
}

#[test]
fn fewer_connections_are_taken_where_fewer_files_may_be_open_and_it_is_told_once() {
    let program = start("-n 400");
    program.address("serving REST");
    const TOLD: &str = "fewer connections are taken, since each is a file";
    let told = program.logged(TOLD);
    assert_eq!((&told["limit"], &told["wanted"]), (&400.into(), &20_000.into()));
    assert_eq!(told["room"], 144);
    program.terminate();
    let log = program.ended().log();
    assert_eq!(log.iter().filter(|event| event["message"] == TOLD).count(), 1, "{log:#?}");
}
