//! `caseload dev` with TLS.

use std::fs;

use super::instance::Directory;
use crate::support::{Authority, CASELOAD, Holder, Issued, Program};

#[test]
fn rest_grpc_and_the_calls_between_them_are_over_tls() {
    let files = tempfile::tempdir().unwrap();
    let write = |name: &str, content: String| {
        let path = files.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let authority = Authority::create("Acme");
    let Issued { certificate, key } = authority.issue(Holder::default());
    let (cert, key) = (write("tls.crt", certificate), write("tls.key", key));
    let ca = write("ca.pem", authority.certificate());
    // Each side shows the other its certificate.
    let variables = [
        ("CASELOAD_TLS_CERT", &*cert),
        ("CASELOAD_TLS_KEY", &*key),
        ("CASELOAD_TLS_CLIENT_CA", &*ca),
        ("CASELOAD_UPSTREAM_CA_FILE", &*ca),
        ("CASELOAD_UPSTREAM_CERT", &*cert),
        ("CASELOAD_UPSTREAM_KEY", &*key),
    ];
    let directory = Directory::create();
    // It is ready once a probe of the gateway, and that of the server through it, succeed.
    let dev = directory.wait_until_ready(directory.launch(&variables));
    assert!(dev.text("rest_url").starts_with("https://127.0.0.1:"), "{}", dev.ready);
    let server = dev.text("grpc_url");
    assert!(server.starts_with("https://127.0.0.1:"), "{}", dev.ready);
    let case = dev.ready["case_id"].to_string();
    let trust =
        ["--server", server, "--ca-file", &ca, "--client-cert", &cert, "--client-key", &key];
    let args = [&["tasks", "create", "--case", &case, "Call"], &trust[..]].concat();
    let key = [("CASELOAD_API_KEY", dev.text("api_key"))];
    let exited = Program::start_with_env(CASELOAD, &args, &key).wait_for_exit();
    assert_eq!((exited.code(), &*exited.stderr), (Some(0), ""), "{exited:?}");
    assert_eq!(dev.task_count(), "1");
}
