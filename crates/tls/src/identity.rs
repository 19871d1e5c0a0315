//! A certificate and its private key, with which a listener or a client proves who it is.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use rustls::{Error as RustlsError, sign::CertifiedKey};

use crate::{
    certificate::{self, Summary},
    error::TlsError,
    pem,
    provider::provider,
};

/// The files of a certificate and of its key.
#[derive(Clone, Debug)]
pub struct IdentityFiles {
    /// The certificate, which those of intermediate authorities follow.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl IdentityFiles {
    /// Checks that the files have a certificate that is valid now, and its key.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(&self) -> Result<(), TlsError> {
        self.load(SystemTime::now()).map(drop)
    }

    pub(crate) fn paths(&self) -> [&Path; 2] {
        [&self.certificate, &self.key]
    }

    /// Reads a certificate that is valid now, and its key.
    pub(crate) fn load(&self, now: SystemTime) -> Result<(CertifiedKey, Summary), TlsError> {
        let chain = pem::chain(&self.certificate)?;
        let key = pem::key(&self.key)?;
        let no_certificate = || TlsError::NoCertificate(self.certificate.clone());
        let first = chain.first().ok_or_else(no_certificate)?;
        let summary = certificate::check(first, &self.certificate, now)?;
        let identity = CertifiedKey::from_der(chain, key, &provider());
        let identity = identity.map_err(|error| match error {
            RustlsError::InconsistentKeys(_) => TlsError::KeyMismatch {
                certificate: self.certificate.clone(),
                key: self.key.clone(),
            },
            RustlsError::InvalidCertificate(_) => {
                TlsError::MalformedCertificate(self.certificate.clone())
            }
            _ => TlsError::UnusableKey(self.key.clone()),
        })?;
        Ok((identity, summary))
    }
}
