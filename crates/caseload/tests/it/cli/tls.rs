//! TLS between the command line and a server.

use tokio::net::TcpListener;

use super::{
    shell::Shell,
    tls_proxy::{Identity, Proxy},
};
use crate::support::{Authority, CASELOAD, Exited, Program, refuse};

/// A shell, and an authority whose certificate is in a file.
struct Secure {
    shell: Shell,
    authority: Authority,
    ca_file: String,
}

impl Secure {
    async fn open() -> Self {
        let (shell, authority) = (Shell::open().await, Authority::create("Acme"));
        let ca_file = shell.file("ca.pem", authority.certificate());
        Self { shell, authority, ca_file }
    }

    /// Starts a proxy before the shell's server.
    async fn proxy(&self, identity: Identity) -> Proxy {
        Proxy::start(&self.authority, self.shell.app.grpc_addr, identity).await
    }

    /// Lists tasks, with more arguments and environment variables.
    fn list(&self, more: &[&str], variables: &[(&str, &str)]) -> Exited {
        let args = [&["tasks", "list", "--case", &self.shell.case], more].concat();
        let key = self.shell.key.expose();
        let variables = [&[("CASELOAD_API_KEY", key)], variables].concat();
        let exited = Program::start_with_env(CASELOAD, &args, &variables).wait_for_exit();
        exited.assert_never_wrote(&[key]);
        exited
    }

    /// Lists tasks, which must fail with this exit code, and for good: the command would wait for a day.
    #[track_caller]
    fn assert_fails(&self, code: i32, server: &str, more: &[&str], message: &str) {
        let args = [&["--server", server, "--timeout", "1d"], more].concat();
        let exited = self.list(&args, &[]);
        assert_eq!((exited.code(), &*exited.stdout), (Some(code), ""), "{exited:?}");
        assert_eq!(exited.stderr, format!("error: {message}\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_certificate_of_a_trusted_authority_is_called() {
    let secure = Secure::open().await;
    let shell = &secure.shell;
    shell.text(&["create", "--case", &shell.case, "Call"]);
    let by_name = secure.proxy(Identity::default()).await.port;
    let by_address = secure.proxy(Identity { name: "127.0.0.1", ..Identity::default() }).await.port;
    let (by_name, by_address) =
        (format!("https://localhost:{by_name}"), format!("https://127.0.0.1:{by_address}"));
    let alone = secure.proxy(Identity { signs_itself: true, ..Identity::default() }).await;
    let its_own = shell.file("own.pem", &alone.certificate);
    let alone = format!("https://localhost:{}", alone.port);
    let ca_file = &*secure.ca_file;
    for (args, variables) in [
        (&["--server", &*by_name, "--ca-file", ca_file][..], &[][..]),
        (&["--server", &*by_address, "--ca-file", ca_file], &[]),
        (&["--server", &*alone, "--ca-file", &*its_own], &[]),
        (&[], &[("CASELOAD_SERVER", &*by_name), ("CASELOAD_CA_FILE", ca_file)]),
        // A file of the system's authorities.
        (&["--server", &*by_name], &[("SSL_CERT_FILE", ca_file)]),
    ] {
        let exited = secure.list(args, variables);
        assert_eq!((exited.code(), &*exited.stderr), (Some(0), ""), "{args:?} {variables:?}");
        assert!(exited.stdout.ends_with("  Call\n"), "{}", exited.stdout);
    }

    let lines = shell.file("tasks.csv", format!("description\n{}", "Write\n".repeat(60)));
    let import = ["import", &lines, "--case", &shell.case];
    let over_tls = ["--server", &by_name, "--ca-file", ca_file];
    let imported = shell.text(&[&import[..], &over_tls[..]].concat());
    assert_eq!(imported, "60 records: 60 created\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_certificate_is_said_at_once() {
    let secure = Secure::open().await;
    let trusted = ["--ca-file", &*secure.ca_file];
    let [another, namesake] = ["Another", "Acme"]
        .map(|name| secure.shell.file(name, Authority::create(name).certificate()));
    let is_good = Identity::default;
    for (identity, more, message) in [
        (
            is_good(),
            &["--ca-file", &*namesake][..],
            "an authority with the name of one that is trusted here has issued its certificate, but \
             with another key; --ca-file FILE names another one",
        ),
        (
            is_good(),
            &["--ca-file", &*another],
            "no authority that is trusted here has issued its certificate; --ca-file FILE names \
             another one",
        ),
        (
            Identity { years: (2000, 2020), ..is_good() },
            &trusted,
            "its certificate has expired at 2020-01-01T00:00:00Z",
        ),
        (
            Identity { years: (3000, 4000), ..is_good() },
            &trusted,
            "its certificate is not valid before 3000-01-01T00:00:00Z",
        ),
        (
            Identity { name: "caseload.example", ..is_good() },
            &trusted,
            "its certificate is for caseload.example, not for localhost",
        ),
        (
            Identity { name: "127.0.0.1", ..is_good() },
            &trusted,
            "its certificate is for 127.0.0.1, not for localhost",
        ),
        (
            Identity { is_authority: true, ..is_good() },
            &trusted,
            "its certificate is that of an authority itself, and not one that was issued for a \
             server",
        ),
        (
            Identity { protocols: &["http/1.1"], ..is_good() },
            &trusted,
            "it does not offer HTTP/2 (ALPN h2), which gRPC needs",
        ),
        (
            Identity { protocols: &[], ..is_good() },
            &trusted,
            "it does not offer HTTP/2 (ALPN h2), which gRPC needs",
        ),
    ] {
        let server = format!("https://localhost:{}", secure.proxy(identity).await.port);
        let message = format!("no TLS connection to {server}: {message}");
        secure.assert_fails(76, &server, more, &message);
    }

    let server = format!("https://localhost:{}", secure.shell.app.grpc_addr.port());
    let message = format!(
        "no TLS connection to {server}: it does not speak TLS; a server without TLS has a URL with \
         http://"
    );
    secure.assert_fails(76, &server, &trusted, &message);
}

/// Starts a server that refuses each handshake with an alert, and returns its URL. It ends with the test's
/// runtime.
async fn refuse_with(alert: u8) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            refuse(stream, alert).await;
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_a_server_refuses_for_good_is_not_repeated() {
    let secure = Secure::open().await;
    // The numbers are those of RFC 8446, 6.
    for (alert, message) in [
        (
            40,
            "it offers no kind of TLS that is known here, or demands a certificate of the client, \
             which --client-cert FILE names (received fatal alert: HandshakeFailure)",
        ),
        (
            42,
            "it demands a certificate that it accepts; --client-cert FILE names one (received fatal \
             alert: BadCertificate)",
        ),
        (
            45,
            "it does not accept the certificate of --client-cert (received fatal alert: \
             CertificateExpired)",
        ),
        (
            48,
            "it does not accept the certificate of --client-cert (received fatal alert: UnknownCA)",
        ),
        (49, "it refuses this client (received fatal alert: AccessDenied)"),
        (70, "it offers no kind of TLS that is known here (received fatal alert: ProtocolVersion)"),
        (
            71,
            "it demands stronger ciphers than are known here (received fatal alert: \
             InsufficientSecurity)",
        ),
        (112, "it does not serve the name in the URL (received fatal alert: UnrecognisedName)"),
        (
            116,
            "it demands a certificate that it accepts; --client-cert FILE names one (received fatal \
             alert: CertificateRequired)",
        ),
        (120, "it does not offer HTTP/2 (ALPN h2), which gRPC needs"),
    ] {
        let server = refuse_with(alert).await;
        let message = format!("no TLS connection to {server}: {message}");
        secure.assert_fails(76, &server, &["--ca-file", &secure.ca_file], &message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_complete_the_handshake_is_called_until_the_time_is_over() {
    let secure = Secure::open().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("https://localhost:{}", silent.local_addr().unwrap().port());
    let exited =
        secure.list(&["--server", &server, "--ca-file", &secure.ca_file, "--timeout", "3s"], &[]);
    assert_eq!(exited.code(), Some(69), "{exited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_file_must_have_a_certificate_and_a_use() {
    let secure = Secure::open().await;
    let [missing, empty] = [secure.shell.path("missing"), secure.shell.file("empty", "")];
    let broken = secure
        .shell
        .file("broken", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n");
    let [cut, garbled] = [
        "-----BEGIN CERTIFICATE-----\nAA==\n",
        "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
    ]
    .map(|section| {
        let name = format!("after-{}", section.len());
        secure.shell.file(&name, format!("{}{section}", secure.authority.certificate()))
    });
    let not_pem = "has a section that is not PEM, or that is cut off";
    let server = "https://localhost:1";
    for (file, message) in [
        (&missing, format!("{missing} can't be read: No such file or directory (os error 2)")),
        (&empty, format!("{empty} has no certificate of an authority in PEM form")),
        (&broken, format!("{broken} has no certificate of an authority in PEM form")),
        (&cut, format!("{cut} {not_pem}")),
        (&garbled, format!("{garbled} {not_pem}")),
    ] {
        secure.assert_fails(64, server, &["--ca-file", file], &message);
    }
    let server = "http://caseload.invalid:50051";
    let message =
        format!("--ca-file has no effect on {server}, which is without TLS: give https://");
    let trusted = ["--ca-file", &*secure.ca_file];
    secure.assert_fails(64, server, &trusted, &message);
    secure.assert_fails(64, server, &[&trusted[..], &["--allow-plaintext"]].concat(), &message);
    // The variable may be meant for other servers, and nothing sent to this one leaves the machine.
    let local = format!("http://{}", secure.shell.app.grpc_addr);
    let exited = secure.list(&["--server", &local], &[("CASELOAD_CA_FILE", &*secure.ca_file)]);
    assert_eq!(exited.code(), Some(0), "{exited:?}");

    // A system that trusts nobody.
    let nobody = [("SSL_CERT_FILE", &*empty), ("SSL_CERT_DIR", "")];
    let exited = secure.list(&["--server", "https://localhost:1"], &nobody);
    assert_eq!(exited.code(), Some(64), "{exited:?}");
    let message = "error: TLS to https://localhost:1 is not possible: ";
    assert!(exited.stderr.starts_with(message), "{}", exited.stderr);
    assert!(exited.stderr.ends_with("; --ca-file FILE names authorities\n"), "{}", exited.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_leaves_the_machine_in_plaintext_only_if_that_is_allowed() {
    let secure = Secure::open().await;
    // Names below `invalid` never have addresses (RFC 6761, 6.4).
    let server = "http://caseload.invalid:50051";
    let message = format!(
        "{server} is without TLS, and the API key could be read on the way: give https://, or \
         --allow-plaintext where the network itself protects what is sent"
    );
    secure.assert_fails(64, server, &[], &message);

    let tried = ["--server", server, "--timeout", "300ms"];
    for (more, variables) in
        [(&["--allow-plaintext"][..], &[][..]), (&[], &[("CASELOAD_ALLOW_PLAINTEXT", "true")])]
    {
        let exited = secure.list(&[&tried[..], more].concat(), variables);
        assert!(matches!(exited.code(), Some(69 | 75)), "{exited:?}");
    }
    // Switched off, or not set: either way, what is wrong is that the server is without TLS.
    for value in ["false", "0", ""] {
        let exited = secure.list(&tried, &[("CASELOAD_ALLOW_PLAINTEXT", value)]);
        assert_eq!((exited.code(), exited.stderr), (Some(64), format!("error: {message}\n")));
    }
    let local = format!("http://localhost:{}", secure.shell.app.grpc_addr.port());
    assert_eq!(secure.list(&["--server", &local], &[]).code(), Some(0));
}
