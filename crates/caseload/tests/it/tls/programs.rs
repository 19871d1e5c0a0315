//! The programs with TLS: how they start, and their health checks.

use std::net::TcpListener;

use super::{
    client::Client,
    files::{Files, borrowed},
};
use crate::support::{
    App, Authority, CASELOAD, Holder, Program, gateway_path, polling::wait_until,
    start_server_process,
};

#[test]
fn files_that_cannot_be_used_end_a_program_before_it_opens_a_socket() {
    let files = Files::create();
    let other = files.authority.issue(Holder::default());
    files.write("other.key", &other.key);
    files.write("empty", "");
    files.write("nonsense.crt", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n");
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n";
    files.write("encrypted.key", encrypted);
    files.issue("expired", Holder { years: (2000, 2020), ..Holder::default() });
    files.issue("early", Holder { years: (3000, 4000), ..Holder::default() });
    let path = |name| files.path(name);
    // Whoever binds it first has it.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let gateway = gateway_path();
    for (cert, key, ca, message) in [
        (
            "missing",
            "tls.key",
            None,
            format!("failed to read {}: No such file or directory (os error 2)", path("missing")),
        ),
        ("empty", "tls.key", None, format!("{} has no certificate in PEM form", path("empty"))),
        (
            "tls.crt",
            "missing",
            None,
            format!("failed to read {}: No such file or directory (os error 2)", path("missing")),
        ),
        (
            "tls.crt",
            "tls.crt",
            None,
            format!("{} has no private key in PEM form, or one that is encrypted", path("tls.crt")),
        ),
        (
            "tls.crt",
            "encrypted.key",
            None,
            format!(
                "{} has no private key in PEM form, or one that is encrypted",
                path("encrypted.key")
            ),
        ),
        (
            "tls.crt",
            "other.key",
            None,
            format!(
                "the private key in {} is not that of the certificate in {}",
                path("other.key"),
                path("tls.crt")
            ),
        ),
        (
            "nonsense.crt",
            "tls.key",
            None,
            format!("{} has a certificate that can't be parsed", path("nonsense.crt")),
        ),
        (
            "expired.crt",
            "expired.key",
            None,
            format!("the certificate in {} expired at 2020-01-01T00:00:00Z", path("expired.crt")),
        ),
        (
            "early.crt",
            "early.key",
            None,
            format!(
                "the certificate in {} is not valid before 3000-01-01T00:00:00Z",
                path("early.crt")
            ),
        ),
        (
            "tls.crt",
            "tls.key",
            Some("empty"),
            format!("{} has no certificate of an authority in PEM form", path("empty")),
        ),
    ] {
        let (cert, key, ca) = (path(cert), path(key), ca.map(path));
        let mut args = vec!["--tls-cert", &*cert, "--tls-key", &*key];
        args.extend(ca.iter().flat_map(|ca| ["--tls-client-ca", &**ca]));
        let serve = [
            &["serve", "--grpc-addr", &addr, "--database-url", "postgresql://localhost:1/none"],
            &args[..],
        ]
        .concat();
        let rest = [&["--http-addr", &addr], &args[..]].concat();
        for (program, args) in [(CASELOAD, serve), (&*gateway, rest)] {
            let exited = Program::run(program, &args);
            assert_eq!(exited.stderr, format!("error: {message}\n"));
            assert_eq!(exited.code(), Some(64));
        }
    }
}

#[test]
fn options_without_their_counterparts_are_rejected() {
    let gateway = gateway_path();
    for (args, message) in [
        (&["--tls-cert", "a"][..], "--tls-key <FILE>"),
        (&["--tls-key", "a"], "--tls-cert <FILE>"),
        (&["--tls-client-ca", "a"], "--tls-cert <FILE>"),
        (&["--tls-client-auth", "optional"], "--tls-client-ca <FILE>"),
        (&["--upstream", "https://localhost", "--upstream-cert", "a"], "--upstream-key <FILE>"),
        (
            &["--upstream", "http://localhost:1", "--upstream-ca-file", "a"],
            "--upstream-ca-file has no effect on servers that are called without TLS: give https://",
        ),
        (
            &["--upstream-name", "a"],
            "--upstream-name has no effect on servers that are called without TLS: give https://",
        ),
    ] {
        let exited = Program::run(&gateway, args);
        assert_eq!(exited.code(), Some(64), "{exited:?}");
        assert!(exited.stderr.contains(message), "{args:?}: {}", exited.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_checks_ask_over_tls() {
    let app = App::start().await;
    let files = Files::create();
    for args in [files.listener(&[]), files.mutual(&[])] {
        let listen =
            |option: &str| [&args[..], &[option.to_owned(), "127.0.0.1:0".to_owned()]].concat();
        let (of_server, of_gateway) = (listen("--grpc-addr"), listen("--http-addr"));
        let server = start_server_process(app.database.url().expose(), &borrowed(&of_server));
        let server_addr = server.wait_for_address("serving gRPC").to_string();
        let upstream = format!("http://{}", app.grpc_addr);
        let of_gateway = [&borrowed(&of_gateway)[..], &["--upstream", &upstream]].concat();
        let gateway = Program::start(&gateway_path(), &of_gateway);
        let gateway_addr = gateway.wait_for_address("serving REST").to_string();
        // As in a container, the variables are those of the program itself.
        let mut variables = vec![
            ("CASELOAD_TLS_CERT", &*args[1]),
            ("CASELOAD_TLS_KEY", &*args[3]),
            ("CASELOAD_GRPC_ADDR", &*server_addr),
            ("CASELOAD_HTTP_ADDR", &*gateway_addr),
        ];
        variables.extend(args.get(5).map(|ca| ("CASELOAD_TLS_CLIENT_CA", &**ca)));
        let health = |path: &str, variables: &[(&str, &str)]| {
            Program::start_with_env(path, &["health"], variables).wait_for_exit().code()
        };
        for path in [CASELOAD, &*gateway_path()] {
            wait_until("health", || health(path, &variables) == Some(0));
            // Without TLS there is no answer.
            assert_eq!(health(path, &variables[2..4]), Some(1), "{path}");
        }
    }
}

/// A restart would not mend it, so it must not be caused.
#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_refuses_the_certificate_of_a_probe_is_alive() {
    let app = App::start().await;
    let files = Files::create();
    let foreign = files.write("foreign.pem", Authority::create("Foreign").certificate());
    for auth in ["required", "optional"] {
        let clients = ["--tls-client-ca", &*foreign, "--tls-client-auth", auth];
        let args = files.listener(&clients);
        let args = borrowed(&args);
        let server = app.start_server(&args).await.to_string();
        let gateway = app.start_gateway(&args).await.to_string();
        let health = |path: &str, option: &str, addr: &str| {
            Program::run(path, &[&["health", option, addr], &args[..]].concat()).code()
        };
        wait_until("health", || health(CASELOAD, "--grpc-addr", &server) == Some(0));
        wait_until("health", || health(&gateway_path(), "--http-addr", &gateway) == Some(0));
    }
    let args = files.mutual(&[]);
    let server = app.start_server(&borrowed(&args)).await.to_string();
    files.issue("tls", Holder { years: (2000, 2020), ..Holder::default() });
    let args = [&["health", "--grpc-addr", &server], &borrowed(&args)[..]].concat();
    assert_eq!(Program::run(CASELOAD, &args).code(), Some(0), "no certificate that is valid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_accepts_what_the_listener_has_whatever_its_files_have_now() {
    let app = App::start().await;
    let files = Files::create();
    let args = files.listener(&[]);
    let server = app.start_server(&borrowed(&args)).await.to_string();
    let health = || {
        Program::run(
            CASELOAD,
            &[&["health", "--grpc-addr", &server], &borrowed(&args)[..]].concat(),
        )
    };
    wait_until("health", || health().code() == Some(0));
    files.write("tls.crt", "broken");
    assert_eq!(health().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_shows_its_certificate() {
    let app = App::start().await;
    let files = Files::create();
    let issued = files.issue("client", Holder { names: &["cli.example"], ..Holder::default() });
    let addr = app.start_server(&borrowed(&files.mutual(&[]))).await;
    Client::of(&files).identity(issued).channel(addr).await.unwrap();
    let server = format!("https://localhost:{}", addr.port());
    let paths = ["ca.pem", "client.crt", "client.key"].map(|name| files.path(name));
    let (case, key) = (app.case_id.to_string(), app.key_with(&[domain::Scope::TasksRead]).await);
    let list = |args: &[&str]| {
        let list = ["tasks", "list", "--case", &case, "--server", &server, "--ca-file", &paths[0]];
        let args = [&list[..], args].concat();
        Program::start_with_env(CASELOAD, &args, &[("CASELOAD_API_KEY", key.expose())])
            .wait_for_exit()
    };
    let exited = list(&["--client-cert", &paths[1], "--client-key", &paths[2]]);
    assert_eq!((exited.code(), &*exited.stderr), (Some(0), ""));
    let exited = list(&["--timeout", "1s"]);
    assert!(matches!(exited.code(), Some(75 | 76)), "{exited:?}");

    let foreign = Authority::create("Another").issue(Holder::default());
    let wrong_key = files.write("wrong.key", foreign.key);
    let exited = list(&["--client-cert", &paths[1], "--client-key", &wrong_key]);
    assert_eq!(exited.code(), Some(64), "{exited:?}");
    let message = format!(
        "error: the private key in {wrong_key} is not that of the certificate in {}\n",
        paths[1]
    );
    assert_eq!(exited.stderr, message);
}
