//! Imports over TLS whose connections are lost.

use super::{
    import_stops::{GATES, Gate, LINES, file},
    shell::Shell,
    tls_proxy::{Identity, Proxy},
};
use crate::support::{Authority, Switch};

/// As while a proxy before the server is restarted, or gets other certificates.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_goes_on_after_a_reconnect_was_refused_by_alerts() {
    let shell = Shell::open().await;
    let authority = Authority::create("Acme");
    let ca_file = shell.file("ca.pem", authority.certificate());
    let proxy = Proxy::start(&authority, shell.app.grpc_addr, Identity::default()).await;
    let switch = Switch::start(([127, 0, 0, 1], proxy.port).into()).await;
    shell.app.database.query(GATES);
    let mut gate = Gate::close(&shell, 700);

    let server = format!("https://localhost:{}", switch.port);
    let import = ["import", &*file(&shell), "--case", &shell.case, "--server", &server];
    let program = shell.start(&[&import[..], &["--ca-file", &ca_file]].concat());
    gate.await_import();
    // The numbers are those of RFC 8446, 6: unrecognized_name, handshake_failure, access_denied.
    switch.refuse(&[112, 40, 49]);
    gate.open();

    let exited = program.wait_for_exit();
    assert_eq!(exited.code(), Some(0), "{exited:?}");
    assert_eq!(shell.counts(), (LINES, LINES));
    assert!(switch.has_refused());
}
