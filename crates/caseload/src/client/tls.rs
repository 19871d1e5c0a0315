//! TLS: when a command needs it, and whom it trusts.

use std::{error::Error as _, fs, path::Path, time::Duration};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tls::IdentityFiles;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use super::error::ClientError;
use crate::cli::ClientOptions;

/// Returns the endpoint with TLS, if its URL asks for that, and with a limit of the time for the
/// handshake.
///
/// # Errors
/// If the API key would go over a network in plaintext, or if nobody would be trusted.
pub(super) fn secure(
    endpoint: Endpoint,
    options: &ClientOptions,
    timeout: Duration,
) -> Result<Endpoint, ClientError> {
    let server = &options.server;
    if !server.has_tls() {
        if server.is_loopback() {
            return Ok(endpoint);
        }
        let given = [(&options.ca_file, "--ca-file"), (&options.client_cert, "--client-cert")];
        if let Some((_, option)) = given.into_iter().find(|(file, _)| file.is_some()) {
            return usage(format!(
                "{option} has no effect on {server}, which is without TLS: give https://"
            ));
        }
        if !options.allow_plaintext {
            return usage(format!(
                "{server} is without TLS, and the API key could be read on the way: give https://, \
                 or --allow-plaintext where the network itself protects what is sent"
            ));
        }
        return Ok(endpoint);
    }
    let config = match &options.ca_file {
        Some(path) => of_file(path)?,
        None => ClientTlsConfig::new().with_native_roots(),
    };
    let config = match (&options.client_cert, &options.client_key) {
        (Some(certificate), Some(key)) => config.identity(identity(certificate, key)?),
        _ => config,
    };
    endpoint.tls_config(config.timeout(timeout)).or_else(|error| {
        let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        usage(format!("TLS to {server} is not possible: {cause}; --ca-file FILE names authorities"))
    })
}

/// Returns the trust in the authorities of a file, and in no others.
fn of_file(path: &Path) -> Result<ClientTlsConfig, ClientError> {
    let name = path.display();
    let pem = fs::read(path).or_else(|error| usage(format!("{name} can't be read: {error}")))?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .or_else(|_| usage(format!("{name} has a section that is not PEM, or that is cut off")))?;
    let (usable, _) = RootCertStore::empty().add_parsable_certificates(certificates);
    if usable == 0 {
        return usage(format!("{name} has no certificate of an authority in PEM form"));
    }
    Ok(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))
}

/// Returns what this program proves its own identity with.
fn identity(certificate: &Path, key: &Path) -> Result<Identity, ClientError> {
    let files = IdentityFiles { certificate: certificate.to_owned(), key: key.to_owned() };
    files.check().or_else(|error| usage(error.to_string()))?;
    let read = |path: &Path| {
        let failed = |error| usage(format!("failed to read {}: {error}", path.display()));
        fs::read(path).or_else(failed)
    };
    Ok(Identity::from_pem(read(certificate)?, read(key)?))
}

fn usage<T>(message: String) -> Result<T, ClientError> {
    Err(ClientError::Usage(message))
}
