//! `caseload` as a process: configuration errors, exit codes, logs.

mod server;
mod shutdown;

use std::net::TcpListener;

use serde_json::Value;
use tonic::Code;

use crate::support::{
    App, CASELOAD, Program, Reply, SAMPLE, Session, TERMINATE_BLOCKED_SESSIONS, TestDatabase, open,
    polling::wait_until,
};
use server::{PASSWORD, secret_url, serve};

#[test]
fn an_invalid_configuration_is_reported_before_a_socket_is_opened() {
    // Were it tried, this address would be in the error, and the exit code would differ.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let good = format!("postgresql://me:{PASSWORD}@127.0.0.1:1/caseload");
    for (args, named) in [
        (&["serve"][..], "--database-url"),
        (&["serve", "--database-url", &good, "--writers", "0"], "at least 1"),
        (&["serve", "--database-url", &good, "--writers", "many"], "--writers"),
        (&["serve", "--database-url", &good, "--queue-length", "1.5"], "--queue-length"),
        (&["serve", "--database-url", &good, "--drain-timeout", "soon"], "--drain-timeout"),
        (
            &["serve", "--database-url", &good, "--checkout-timeout", "0s"],
            "at least 1ms and at most 1day",
        ),
        (
            &["serve", "--database-url", &good, "--max-connection-age", "0s"],
            "at least 1ms and at most 1year",
        ),
        (
            &["serve", "--database-url", &good, "--idempotency-ttl", "59s"],
            "at least 1m and at most 10years",
        ),
        (&["serve", "--database-url", &good, "--log-level", "a=b=c"], "--log-level"),
        (&["serve", "--database-url", &good, "--log-format", "xml"], "--log-format"),
        (&["serve", "--database-url", &good, "--no-such-option"], "--no-such-option"),
        (&["dev", "--http-addr", "localhost"], "--http-addr"),
        (&["no-such-command"], "no-such-command"),
        (&[], "Usage"),
    ] {
        let variables = [("CASELOAD_GRPC_ADDR", addr.as_str())];
        let exited = Program::start_with_env(CASELOAD, args, &variables).wait_for_exit();
        assert_eq!(exited.code(), Some(64), "{args:?}: {exited:?}");
        assert!(exited.stderr.contains(named), "{args:?}: {}", exited.stderr);
        assert_eq!(exited.stdout, "", "{args:?}");
        exited.assert_never_wrote(&[PASSWORD]);
    }
}

#[test]
fn an_invalid_database_url_is_rejected_and_not_repeated() {
    let mut wrong = Vec::new();
    for url in [
        format!("mysql://me:{PASSWORD}@db.example/caseload"),
        format!("host=db.example user=me password={PASSWORD}"),
        format!("postgresql://me:{PASSWORD} @db.example/caseload"),
        // libpq rejects the rest, and some of its messages repeat their input.
        format!("postgresql://me:{PASSWORD}%zz@db.example/caseload"),
        format!("postgresql://me:{PASSWORD}@db.example:port/caseload"),
        format!("postgresql://me:{PASSWORD}@[::1/caseload"),
        format!("postgresql://me:{PASSWORD}@db.example/caseload?sslmode"),
        format!("postgresql://me:{PASSWORD}@db.example/caseload?=red"),
    ] {
        let args = ["serve", "--grpc-addr", "127.0.0.1:0", "--database-url", &url];
        let mut program = Program::start(CASELOAD, &args);
        let is_connecting = |text: &str| text.contains("no connection to the database");
        wait_until("a rejection or an attempt to connect", || {
            program.has_exited() || is_connecting(&program.stderr())
        });
        let exited = program.kill();
        if exited.code() != Some(64) {
            wrong.push(format!("{url} is accepted"));
        }
        if exited.stderr.contains(PASSWORD) {
            wrong.push(format!("{url} is repeated: {}", exited.stderr.lines().last().unwrap()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Newer versions of libpq have parameters that this program doesn't know. Of one that libpq doesn't
/// know either, its message repeats the name, and of a value that it can't use the value.
#[test]
fn an_unknown_parameter_is_passed_to_libpq_and_no_secret_is_logged() {
    for url in [
        format!("postgresql://me:{PASSWORD}@127.0.0.1:1/caseload?colour=red"),
        format!("postgresql://me:x@127.0.0.1:1/caseload?{PASSWORD}=red"),
        format!("postgresql://me:x@127.0.0.1:1/caseload?sslnegotiation2={PASSWORD}"),
        format!("postgresql://me:x@127.0.0.1:1/caseload?sslmode={PASSWORD}"),
        format!("postgresql://me:x@127.0.0.1:1/caseload?keepalives_idle={PASSWORD}"),
        format!("postgresql://me@127.0.0.1:1/caseload?password={PASSWORD}"),
    ] {
        let args =
            ["serve", "--grpc-addr", "127.0.0.1:0", "--database-url", &url, "--log-level", "trace"];
        let mut program = Program::start(CASELOAD, &args);
        wait_until("an attempt to connect", || {
            program.has_exited() || program.stderr().contains("no connection to the database")
        });
        assert!(!program.has_exited(), "{url}: {}", program.stderr());
        let ended = program.kill();
        ended.assert_never_wrote(&[PASSWORD]);
    }
}

#[cfg(not(feature = "plain-writes"))]
#[test]
fn the_plain_write_design_is_not_in_the_product() {
    let url = format!("postgresql://me:{PASSWORD}@127.0.0.1:1/caseload");
    let args = ["serve", "--database-url", &url, "--plain-writes"];
    let ended = Program::start(CASELOAD, &args).wait_for_exit();
    assert_eq!(ended.code(), Some(64), "{ended:?}");
    assert!(ended.stderr.contains("--plain-writes"), "{}", ended.stderr);
}

/// libpq reads the password up to the `@`; only `/`, `:` and `@` must be escaped in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_with_a_question_mark_works_and_is_kept_secret() {
    let database = TestDatabase::create();
    let secret = format!("{PASSWORD}?more");
    let url = secret_url(&database).replace(PASSWORD, &secret);
    let args = ["migrate", "--check"];
    let exited = Program::start_with_env(CASELOAD, &args, &[("CASELOAD_DATABASE_URL", &url)])
        .wait_for_exit();
    assert_eq!(exited.code(), Some(0), "{exited:?}");

    let args = ["serve", "--grpc-addr", "127.0.0.1:0"];
    let program = Program::start_with_env(CASELOAD, &args, &[("CASELOAD_DATABASE_URL", &url)]);
    program.wait_for_log("serving");
    program.terminate();
    program.wait_for_exit().assert_never_wrote(&[PASSWORD]);
}

#[test]
fn invalid_values_of_environment_variables_are_rejected() {
    let args = ["serve", "--database-url", "postgresql://db.example/caseload"];
    for variables in [
        [("CASELOAD_GRPC_ADDR", "nowhere")],
        [("CASELOAD_WRITERS", "0")],
        [("CASELOAD_DRAIN_TIMEOUT", "1 fortnight and a half")],
    ] {
        let exited = Program::start_with_env(CASELOAD, &args, &variables).wait_for_exit();
        assert_eq!(exited.code(), Some(64), "{variables:?}: {exited:?}");
        assert!(exited.stderr.contains(variables[0].1), "{variables:?}: {}", exited.stderr);
    }
}

#[test]
fn an_address_in_use_ends_the_program_with_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let url = "postgresql://db.example/caseload";
    let exited = Program::run(CASELOAD, &["serve", "--database-url", url, "--grpc-addr", &addr]);
    assert_eq!(exited.code(), Some(1), "{exited:?}");
    assert!(
        exited.stderr.contains(&format!("error: failed to serve gRPC on {addr}: ")),
        "{exited:?}"
    );
}

#[test]
fn help_exits_with_0_and_shows_no_secret_of_the_environment() {
    let url = format!("postgresql://me:{PASSWORD}@db.example/caseload");
    let variables = [("CASELOAD_DATABASE_URL", url.as_str())];
    for (args, named) in [
        (&["--help"][..], "serve"),
        (&["help"], "migrate"),
        (&["serve", "--help"], "CASELOAD_WRITERS"),
        (&["dev", "--help"], "CASELOAD_READY_FILE"),
        (&["migrate", "--help"], "--check"),
        (&["admin", "--help"], "tenant"),
        (&["admin", "key", "create", "--help"], "--scope"),
        (&["health", "--help"], "CASELOAD_GRPC_ADDR"),
        (&["--version"], env!("CARGO_PKG_VERSION")),
    ] {
        let exited = Program::start_with_env(CASELOAD, args, &variables).wait_for_exit();
        assert_eq!(exited.code(), Some(0), "{args:?}: {exited:?}");
        assert!(exited.stdout.contains(named), "{args:?}: {}", exited.stdout);
        assert_eq!(exited.stderr, "", "{args:?}");
        exited.assert_never_wrote(&[PASSWORD]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_log_line_is_json_with_the_request_id_and_without_secrets() {
    let mut app = App::start().await;
    // The most verbose level, for all crates.
    let program = serve(&app.database, &["--log-level", "trace"]);
    app.grpc_addr = program.wait_for_address("serving gRPC");
    let other_key = "cl_00000000000000000000000000000000000000other";
    let mut codes = Vec::new();
    for (request_id, authorization) in [
        ("the-good-one", Some(format!("Bearer {}", app.key.expose()))),
        ("the-unknown-one", Some(format!("Bearer {other_key}"))),
        ("the-malformed-one", Some(format!("Basic {}", app.key.expose()))),
        ("the-one-without-a-key", None),
    ] {
        let message = proto::tasks::v1::BatchCreateTasksRequest {
            case_id: app.case_id,
            tasks: vec![proto::tasks::v1::NewTask::default()],
            ..Default::default()
        };
        let mut request = tonic::Request::new(message);
        request.metadata_mut().insert("x-request-id", request_id.parse().unwrap());
        if let Some(authorization) = authorization {
            request.metadata_mut().insert("authorization", authorization.parse().unwrap());
        }
        codes.push(app.grpc_client().await.batch_create_tasks(request).await.unwrap_err().code());
    }
    assert_eq!(
        codes,
        [
            Code::InvalidArgument,
            Code::Unauthenticated,
            Code::Unauthenticated,
            Code::Unauthenticated
        ]
    );
    program.terminate();
    let exited = program.wait_for_exit();

    exited.assert_never_wrote(&[PASSWORD, app.key.expose(), other_key]);
    let log = exited.log();
    let rejected = log.iter().filter(|event| event["message"] == "request rejected");
    let rejected: Vec<&Value> = rejected.collect();
    let ids: Vec<_> = rejected.iter().map(|event| event["span"]["request_id"].as_str()).collect();
    for id in ["the-good-one", "the-unknown-one", "the-malformed-one", "the-one-without-a-key"] {
        assert!(ids.contains(&Some(id)), "{rejected:#?}");
    }
    let of_requests = log.iter().filter(|event| event["span"]["name"] == "request");
    for event in of_requests {
        assert_ne!(event["span"]["request_id"].as_str().unwrap_or_default(), "", "{event}");
    }
    for event in &log {
        for member in ["timestamp", "level", "target"] {
            assert!(event[member].is_string(), "{event}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_internal_error_is_logged_with_the_request_id_and_not_returned() {
    let mut app = App::start().await;
    app.database.query("ALTER TABLE tasks ADD CONSTRAINT secret_rule CHECK (case_id < 0)");
    let program = serve(&app.database, &[]);
    app.grpc_addr = program.wait_for_address("serving gRPC");
    app.http_addr = crate::support::start_gateway(app.grpc_addr, &app.shutdown).await;

    let reply = Reply::of(app.post().header("x-request-id", "find-me").body(SAMPLE)).await;
    program.terminate();
    let exited = program.wait_for_exit();

    assert_eq!(reply.status, 500);
    assert_eq!(reply.violations(), ["INTERNAL -"]);
    assert!(!reply.body.to_string().contains("secret_rule"), "{}", reply.body);
    let log = exited.log();
    let failure = log.iter().find(|event| event["message"] == "call failed").unwrap();
    assert!(failure["causes"].as_str().unwrap().contains("secret_rule"), "{failure}");
    assert_eq!(failure["span"]["request_id"], "find-me");
}

#[tokio::test(flavor = "multi_thread")]
async fn log_lines_of_a_worker_about_a_batch_have_the_request_id_the_tenant_and_the_key() {
    let mut app = App::start().await;
    // On a busy machine the batch may wait longer than by default.
    let patient = ["--lock-timeout", "9s", "--max-statement-age", "1m", "--call-timeout", "1m"];
    let program = serve(&app.database, &[&["--writers", "1"], &patient[..]].concat());
    app.grpc_addr = program.wait_for_address("serving gRPC");
    app.http_addr = app.start_gateway(&["--upstream-timeout", "1m"]).await;
    let mut session = Session::open(app.database.url());
    let mut terminator = Session::open(app.database.url());
    session.lock("tasks");

    let request = app.post().header("x-request-id", "find-me").header("idempotency-key", "k");
    let reply = tokio::spawn(Reply::of(request.body(SAMPLE)));
    session.await_blocked(1);
    terminator.query(TERMINATE_BLOCKED_SESSIONS);
    // Run again, on another connection.
    session.await_blocked(1);
    session.unlock();

    assert_eq!(reply.await.unwrap().status, 201);
    program.terminate();
    let log = program.wait_for_exit().log();
    let in_doubt = |event: &&Value| {
        event["message"].as_str().is_some_and(|text| text.contains("may have been created"))
    };
    let line = log.iter().find(in_doubt).unwrap();
    assert_eq!(line["span"]["request_id"], "find-me", "{line}");
    assert!(line["span"]["tenant"].is_i64() && line["span"]["key_id"].is_i64(), "{line}");
}

#[tokio::test]
async fn migrate_migrates_and_checks_the_schema() {
    let database = TestDatabase::create_empty();
    let url = secret_url(&database);
    let run = |args: &[&str]| {
        let exited = Program::start_with_env(CASELOAD, args, &[("CASELOAD_DATABASE_URL", &url)])
            .wait_for_exit();
        exited.assert_never_wrote(&[PASSWORD]);
        exited
    };
    let pending = open(database.url()).pending_migrations().await.unwrap();

    let check = run(&["migrate", "--check"]);
    assert_eq!(check.code(), Some(1), "{check:?}");
    assert_eq!(
        check.stdout,
        pending.iter().map(|it| format!("pending: {it}\n")).collect::<String>()
    );
    assert_eq!(check.stderr, "error: the schema is not up to date; run caseload migrate\n");

    let migrate = run(&["migrate"]);
    assert_eq!(migrate.code(), Some(0), "{migrate:?}");
    assert!(migrate.stdout.ends_with("the schema is up to date\n"), "{migrate:?}");

    for args in [&["migrate", "--check"][..], &["migrate"]] {
        let again = run(args);
        assert_eq!(again.code(), Some(0), "{again:?}");
        assert_eq!(again.stdout, "the schema is up to date\n");
    }
}

#[test]
fn an_unavailable_database_is_reported_without_its_password() {
    let url = format!("postgresql://me:{PASSWORD}@127.0.0.1:1/caseload");
    let start =
        |args: &[&str]| Program::start_with_env(CASELOAD, args, &[("CASELOAD_DATABASE_URL", &url)]);
    // At the same time, since each of them tries for a while.
    let programs =
        [&["migrate"][..], &["migrate", "--check"], &["admin", "tenant", "list"]].map(start);
    for exited in programs.map(Program::wait_for_exit) {
        assert_eq!(exited.code(), Some(1), "{exited:?}");
        let last = exited.stderr.lines().last().unwrap();
        assert!(last.starts_with("error: the database is not available"), "{exited:?}");
        exited.assert_never_wrote(&[PASSWORD]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_of_health_tells_whether_the_server_serves() {
    let app = App::start().await;
    let program = serve(&app.database, &[]);
    let addr = program.wait_for_address("serving gRPC").to_string();
    let health = |addr: &str| Program::run(CASELOAD, &["health", "--grpc-addr", addr]).code();
    assert_eq!(health(&addr), Some(0));
    assert_eq!(health("127.0.0.1:1"), Some(1));
    program.kill();
    assert_eq!(health(&addr), Some(1));
}
