//! The command-line options of listeners.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// TLS of a listener. Without a certificate it speaks plaintext.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "TLS")]
pub struct TlsOptions {
    /// Serve over TLS alone, with the certificate in this file (PEM), which the certificates of
    /// intermediate authorities follow. All files of certificates and keys are read again when they
    /// change, and on SIGHUP [default: without TLS]
    #[arg(long, env = "CASELOAD_TLS_CERT", requires("tls_key"), value_name = "FILE", global(true))]
    pub tls_cert: Option<PathBuf>,

    /// The file with the private key of --tls-cert (PEM)
    #[arg(long, env = "CASELOAD_TLS_KEY", requires("tls_cert"), value_name = "FILE", global(true))]
    pub tls_key: Option<PathBuf>,

    /// Demand of each client a certificate that one of the authorities in this file (PEM) has issued:
    /// mutual TLS
    #[arg(
        long,
        env = "CASELOAD_TLS_CLIENT_CA",
        requires = "tls_cert",
        value_name = "FILE",
        global = true
    )]
    pub tls_client_ca: Option<PathBuf>,

    /// Whether clients without a certificate are served, too, where --tls-client-ca is given: while a
    /// system changes over to mutual TLS
    #[arg(
        long,
        env = "CASELOAD_TLS_CLIENT_AUTH",
        requires = "tls_client_ca",
        default_value = "required",
        value_name = "WHEN",
        global = true
    )]
    pub tls_client_auth: ClientAuth,
}

/// Whether clients must have a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClientAuth {
    /// Nobody is served without a certificate
    Required,
    /// A client may have none; one that it has must be valid
    Optional,
}
