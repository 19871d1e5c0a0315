//! The certificates with which a gateway and a server prove to each other who they are, and what metrics say of them.

use std::fs;

use tempfile::TempDir;

use super::installation::{Installation, Process};
use crate::support::{Authority, Holder, polling::eventually};

/// A directory with the certificate of an authority, and with those that it has issued for a server and a gateway.
pub(super) struct Certificates {
    authority: Authority,
    directory: TempDir,
}

impl Certificates {
    pub(super) fn create() -> Self {
        let (authority, directory) = (Authority::create("Acme"), tempfile::tempdir().unwrap());
        fs::write(directory.path().join("ca.pem"), authority.certificate()).unwrap();
        let certificates = Self { authority, directory };
        for name in ["server", "gateway"] {
            certificates.issue(name, Holder::default());
        }
        certificates
    }

    /// Issues a certificate, in place of the one before.
    fn issue(&self, name: &str, holder: Holder<'_>) {
        let issued = self.authority.issue(holder);
        fs::write(self.path(&format!("{name}.crt")), issued.certificate).unwrap();
        fs::write(self.path(&format!("{name}.key")), issued.key).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// Returns the options of a program, each of which names a file.
    fn options<const N: usize>(&self, options: [(&str, &str); N]) -> Vec<String> {
        let options = options.into_iter();
        options.flat_map(|(option, file)| [option.to_owned(), self.path(file)]).collect()
    }

    /// Starts a gateway and a server, with more options of the server, with mutual TLS between them. Waits until they are
    /// ready.
    pub(super) async fn start(&self, server_args: &[&str]) -> Installation {
        let server = self.options([
            ("--tls-cert", "server.crt"),
            ("--tls-key", "server.key"),
            ("--tls-client-ca", "ca.pem"),
        ]);
        let gateway = self.options([
            ("--upstream-cert", "gateway.crt"),
            ("--upstream-key", "gateway.key"),
            ("--upstream-ca-file", "ca.pem"),
        ]);
        let server: Vec<&str> =
            server.iter().map(String::as_str).chain(server_args.iter().copied()).collect();
        let gateway: Vec<&str> = gateway.iter().map(String::as_str).collect();
        Installation::start_calling("https", (&server, &[]), (&gateway, &[])).await
    }
}

/// Returns from when to when a certificate is valid, in seconds since the epoch.
async fn validity(process: &Process, used_for: &str) -> [f64; 2] {
    let scrape = process.scrape().await;
    ["caseload_tls_certificate_not_before_seconds", "caseload_tls_certificate_not_after_seconds"]
        .map(|name| scrape.sum(name, &[("use", used_for)]))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificates_that_are_in_use_are_shown_also_after_they_were_replaced() {
    let certificates = Certificates::create();
    let Installation { server, gateway, app: _app } = certificates.start(&[]).await;
    for (process, used_for, name) in
        [(&server, "grpc", "server"), (&gateway, "upstream", "gateway")]
    {
        // From 2000 to 4000, and then from 2001 to 3000.
        assert_eq!(validity(process, used_for).await, [946_684_800.0, 64_060_588_800.0]);
        certificates.issue(name, Holder { years: (2001, 3000), ..Holder::default() });
        eventually("the other certificate", async || {
            let other = [978_307_200.0, 32_503_680_000.0];
            (validity(process, used_for).await == other).then_some(())
        })
        .await;
    }
}
