//! The options of TLS to the servers.

use std::path::PathBuf;

use clap::Args;
use tls::{ClientFiles, ClientTls, IdentityFiles, TlsError};

/// TLS to the servers whose addresses have `https`.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "TLS to the servers")]
pub struct UpstreamTlsOptions {
    /// A file with the certificates (PEM) of the only authorities that are trusted to have issued the
    /// certificates of servers. All files of certificates and keys are read again when they change, and
    /// on SIGHUP [default: those that this system trusts]
    #[arg(long, env = "CASELOAD_UPSTREAM_CA_FILE", value_name = "FILE")]
    pub upstream_ca_file: Option<PathBuf>,

    /// The file with the certificate (PEM) that is shown to servers that demand one, which the
    /// certificates of intermediate authorities follow
    #[arg(long, env = "CASELOAD_UPSTREAM_CERT", requires = "upstream_key", value_name = "FILE")]
    pub upstream_cert: Option<PathBuf>,

    /// The file with the private key of --upstream-cert (PEM)
    #[arg(long, env = "CASELOAD_UPSTREAM_KEY", requires = "upstream_cert", value_name = "FILE")]
    pub upstream_key: Option<PathBuf>,

    /// The name that the certificates of servers must be for [default: that of their address]
    #[arg(long, env = "CASELOAD_UPSTREAM_NAME", value_name = "NAME")]
    pub upstream_name: Option<String>,
}

impl UpstreamTlsOptions {
    /// Checks that no option is given without effect: whoever gives one expects TLS.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self, has_tls: bool) -> Result<(), String> {
        let given = [
            (self.upstream_ca_file.is_some(), "--upstream-ca-file"),
            (self.upstream_cert.is_some(), "--upstream-cert"),
            (self.upstream_name.is_some(), "--upstream-name"),
        ];
        match given.into_iter().find(|(is_given, _)| *is_given && !has_tls) {
            Some((_, option)) => Err(format!(
                "{option} has no effect on servers that are called without TLS: give https://"
            )),
            None => Ok(()),
        }
    }

    pub(crate) fn start(&self) -> Result<ClientTls, TlsError> {
        let identity = match (&self.upstream_cert, &self.upstream_key) {
            (Some(certificate), Some(key)) => {
                Some(IdentityFiles { certificate: certificate.clone(), key: key.clone() })
            }
            _ => None,
        };
        let files = ClientFiles { authorities: self.upstream_ca_file.clone(), identity };
        ClientTls::start(files, self.upstream_name.as_deref())
    }
}
