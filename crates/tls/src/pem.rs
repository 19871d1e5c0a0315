//! Files in PEM form: certificates, keys, authorities.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use rustls::{
    RootCertStore,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
};

use crate::error::TlsError;

/// The largest file that is read, in bytes. The authorities that a system trusts take a quarter of that.
const MAX_BYTES: usize = 1024 * 1024;

/// Reads a file, but no more of it than one byte beyond the largest size.
pub(crate) fn read_start(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let bytes =
        read_start(path).map_err(|cause| TlsError::Unreadable { path: path.to_owned(), cause })?;
    if bytes.len() > MAX_BYTES {
        return Err(TlsError::TooLarge(path.to_owned()));
    }
    Ok(bytes)
}

/// Reads all certificates of a file, at least one.
pub(crate) fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(path)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|_| TlsError::NotPem(path.to_owned()))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(path.to_owned()));
    }
    Ok(chain)
}

/// Reads the first private key of a file.
pub(crate) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NoKey(path.to_owned()),
        // The error may quote the file.
        _ => TlsError::NotPem(path.to_owned()),
    })
}

/// Reads the authorities of a file, at least one that can be used.
pub(crate) fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut authorities = RootCertStore::empty();
    let chain = match chain(path) {
        Err(TlsError::NoCertificate(path)) => return Err(TlsError::NoAuthority(path)),
        chain => chain?,
    };
    match authorities.add_parsable_certificates(chain) {
        (0, _) => Err(TlsError::NoAuthority(path.to_owned())),
        _ => Ok(authorities),
    }
}

/// Returns the authorities that this system trusts, at least one.
pub(crate) fn system_authorities() -> Result<RootCertStore, TlsError> {
    let mut authorities = RootCertStore::empty();
    let (count, _) =
        authorities.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if count == 0 {
        return Err(TlsError::NoSystemAuthority);
    }
    Ok(authorities)
}
