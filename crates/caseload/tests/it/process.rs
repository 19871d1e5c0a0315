//! `caseload` as a process: what it refuses to start with, how it ends, and what it logs.

mod shutdown;

use std::net::TcpListener;

use serde_json::Value;
use tonic::Code;

use crate::support::{App, Program, Reply, SAMPLE, TestDatabase, open, polling::wait_until};

pub(crate) const CASELOAD: &str = env!("CARGO_BIN_EXE_caseload");

/// Must never be read anywhere.
const PASSWORD: &str = "hunter2hunter2";

/// The database's URL with a password, which the tests' Postgres doesn't ask for.
fn secret_url(database: &TestDatabase) -> String {
    let url = database.url().expose();
    let (user, rest) = url.split_once('@').unwrap();
    format!("{user}:{PASSWORD}@{rest}")
}

/// `caseload serve` on a database, on a free port, once it serves.
fn serve(database: &TestDatabase, more_args: &[&str]) -> Program {
    let args = [&["serve", "--grpc-addr", "127.0.0.1:0"], more_args].concat();
    let url = secret_url(database);
    let program = Program::start_with(CASELOAD, &args, &[("CASELOAD_DATABASE_URL", &url)]);
    program.logged("serving");
    program
}

#[test]
fn a_bad_configuration_is_refused_in_a_sentence_before_a_socket_is_opened() {
    // Were it tried, this address would be the complaint, and the exit code another.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let good = format!("postgresql://me:{PASSWORD}@127.0.0.1:1/caseload");
    for (args, named) in [
        (&["serve"][..], "--database-url"),
        (&["serve", "--database-url", &good, "--writers", "0"], "at least 1"),
        (&["serve", "--database-url", &good, "--writers", "many"], "--writers"),
        (&["serve", "--database-url", &good, "--queue-length", "1.5"], "--queue-length"),
        (&["serve", "--database-url", &good, "--drain-timeout", "soon"], "--drain-timeout"),
        (&["serve", "--database-url", &good, "--checkout-timeout", "0s"], "more than 0s"),
        (&["serve", "--database-url", &good, "--max-connection-age", "0s"], "more than 0s"),
        (&["serve", "--database-url", &good, "--log-level", "a=b=c"], "--log-level"),
        (&["serve", "--database-url", &good, "--log-format", "xml"], "--log-format"),
        (&["serve", "--database-url", &good, "--no-such-option"], "--no-such-option"),
        (&["dev", "--http-addr", "localhost"], "--http-addr"),
        (&["no-such-command"], "no-such-command"),
        (&[], "Usage"),
    ] {
        let variables = [("CASELOAD_GRPC_ADDR", addr.as_str())];
        let ended = Program::start_with(CASELOAD, args, &variables).ended();
        assert_eq!(ended.code(), Some(64), "{args:?}: {ended:?}");
        assert!(ended.stderr.contains(named), "{args:?}: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{args:?}");
        ended.assert_keeps(&[PASSWORD]);
    }
}

#[test]
fn a_database_url_that_is_none_is_refused_and_not_repeated() {
    let mut wrong = Vec::new();
    for url in [
        format!("mysql://me:{PASSWORD}@db.example/caseload"),
        format!("host=db.example user=me password={PASSWORD}"),
        format!("postgresql://me:{PASSWORD} @db.example/caseload"),
        // libpq refuses the rest, and some of its messages repeat what it was given.
        format!("postgresql://me:{PASSWORD}%zz@db.example/caseload"),
        format!("postgresql://me:{PASSWORD}@db.example:port/caseload"),
        format!("postgresql://me:{PASSWORD}@[::1/caseload"),
        format!("postgresql://me:{PASSWORD}@db.example/caseload?colour=red"),
    ] {
        let args = ["serve", "--grpc-addr", "127.0.0.1:0", "--database-url", &url];
        let mut program = Program::start(CASELOAD, &args);
        let is_connecting = |text: &str| text.contains("no connection to the database");
        wait_until("a refusal, or an attempt to connect", || {
            program.has_ended() || is_connecting(&program.stderr())
        });
        let ended = program.kill();
        if ended.code() != Some(64) {
            wrong.push(format!("{url} is taken for a URL"));
        }
        if ended.stderr.contains(PASSWORD) {
            wrong.push(format!("{url} is repeated: {}", ended.stderr.lines().last().unwrap()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// libpq reads the password up to the `@`; only `/`, `:` and `@` must be escaped in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_may_have_a_question_mark_and_is_kept_secret_all_the_same() {
    let database = TestDatabase::create();
    let secret = format!("{PASSWORD}?more");
    let url = secret_url(&database).replace(PASSWORD, &secret);
    let args = ["migrate", "--check"];
    let ended = Program::start_with(CASELOAD, &args, &[("CASELOAD_DATABASE_URL", &url)]).ended();
    assert_eq!(ended.code(), Some(0), "{ended:?}");

    let args = ["serve", "--grpc-addr", "127.0.0.1:0"];
    let program = Program::start_with(CASELOAD, &args, &[("CASELOAD_DATABASE_URL", &url)]);
    program.logged("serving");
    program.terminate();
    program.ended().assert_keeps(&[PASSWORD]);
}

#[test]
fn a_bad_address_is_refused_whether_it_is_an_argument_or_a_variable() {
    let args = ["serve", "--database-url", "postgresql://db.example/caseload"];
    for variables in [
        [("CASELOAD_GRPC_ADDR", "nowhere")],
        [("CASELOAD_WRITERS", "0")],
        [("CASELOAD_DRAIN_TIMEOUT", "1 fortnight and a half")],
    ] {
        let ended = Program::start_with(CASELOAD, &args, &variables).ended();
        assert_eq!(ended.code(), Some(64), "{variables:?}: {ended:?}");
        assert!(ended.stderr.contains(variables[0].1), "{variables:?}: {}", ended.stderr);
    }
}

#[test]
fn an_address_that_is_taken_ends_the_program_with_a_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let url = "postgresql://db.example/caseload";
    let ended = Program::run(CASELOAD, &["serve", "--database-url", url, "--grpc-addr", &addr]);
    assert_eq!(ended.code(), Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains(&format!("error: gRPC can't be served on {addr}: ")),
        "{ended:?}"
    );
}

#[test]
fn help_is_no_failure_and_shows_no_secret_of_the_environment() {
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
        let ended = Program::start_with(CASELOAD, args, &variables).ended();
        assert_eq!(ended.code(), Some(0), "{args:?}: {ended:?}");
        assert!(ended.stdout.contains(named), "{args:?}: {}", ended.stdout);
        assert_eq!(ended.stderr, "", "{args:?}");
        ended.assert_keeps(&[PASSWORD]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_the_log_is_json_and_tells_the_request_but_no_secret() {
    let mut app = App::start().await;
    // Everything that there is to be logged, by every crate.
    let program = serve(&app.database, &["--log-level", "trace"]);
    app.grpc_addr = program.address("serving gRPC");
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
            request_id: String::new(),
        };
        let mut request = tonic::Request::new(message);
        request.metadata_mut().insert("x-request-id", request_id.parse().unwrap());
        if let Some(authorization) = authorization {
            request.metadata_mut().insert("authorization", authorization.parse().unwrap());
        }
        codes.push(app.grpc().await.batch_create_tasks(request).await.unwrap_err().code());
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
    let ended = program.ended();

    ended.assert_keeps(&[PASSWORD, app.key.expose(), other_key]);
    let log = ended.log();
    let refused: Vec<&Value> = log.iter().filter(|event| event["message"] == "refused").collect();
    let ids: Vec<_> = refused.iter().map(|event| event["span"]["request_id"].as_str()).collect();
    for id in ["the-good-one", "the-unknown-one", "the-malformed-one", "the-one-without-a-key"] {
        assert!(ids.contains(&Some(id)), "{refused:#?}");
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
async fn an_internal_error_is_in_the_log_under_the_requests_id_and_nowhere_else() {
    let mut app = App::start().await;
    app.database.query("ALTER TABLE tasks ADD CONSTRAINT secret_rule CHECK (case_id < 0)");
    let program = serve(&app.database, &[]);
    app.grpc_addr = program.address("serving gRPC");
    app.http_addr = crate::support::start_gateway(app.grpc_addr, &app.ending).await;

    let reply = Reply::of(app.post().header("x-request-id", "find-me").body(SAMPLE)).await;
    program.terminate();
    let ended = program.ended();

    assert_eq!(reply.status, 500);
    assert_eq!(reply.faults(), ["INTERNAL -"]);
    assert!(!reply.body.to_string().contains("secret_rule"), "{}", reply.body);
    let log = ended.log();
    let failure = log.iter().find(|event| event["message"] == "a call failed").unwrap();
    assert!(failure["causes"].as_str().unwrap().contains("secret_rule"), "{failure}");
    assert_eq!(failure["span"]["request_id"], "find-me");
}

#[tokio::test]
async fn the_schema_is_migrated_and_checked_from_the_shell() {
    let database = TestDatabase::create_empty();
    let url = secret_url(&database);
    let run = |args: &[&str]| {
        let ended = Program::start_with(CASELOAD, args, &[("CASELOAD_DATABASE_URL", &url)]).ended();
        ended.assert_keeps(&[PASSWORD]);
        ended
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
fn a_database_that_is_away_is_told_of_in_a_sentence_without_its_password() {
    let url = format!("postgresql://me:{PASSWORD}@127.0.0.1:1/caseload");
    let start =
        |args: &[&str]| Program::start_with(CASELOAD, args, &[("CASELOAD_DATABASE_URL", &url)]);
    // At the same time, for they are patient.
    let programs =
        [&["migrate"][..], &["migrate", "--check"], &["admin", "tenant", "list"]].map(start);
    for ended in programs.map(Program::ended) {
        assert_eq!(ended.code(), Some(1), "{ended:?}");
        let last = ended.stderr.lines().last().unwrap();
        assert!(last.starts_with("error: the database is not available"), "{ended:?}");
        ended.assert_keeps(&[PASSWORD]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_told_by_the_exit_code() {
    let app = App::start().await;
    let program = serve(&app.database, &[]);
    let addr = program.address("serving gRPC").to_string();
    let health = |addr: &str| Program::run(CASELOAD, &["health", "--grpc-addr", addr]).code();
    assert_eq!(health(&addr), Some(0));
    assert_eq!(health("127.0.0.1:1"), Some(1));
    program.kill();
    assert_eq!(health(&addr), Some(1));
}
