//! What is wrong with the files of certificates.

use std::{io, path::PathBuf};

/// Why TLS can't be configured. The text names the file and the cause, and shows nothing of a key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read.
    #[error("failed to read {}: {cause}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: io::Error,
    },
    /// A file is larger than any file of certificates.
    #[error("{} is larger than 1 MiB, so it is no file of certificates", .0.display())]
    TooLarge(PathBuf),
    /// A file has something that is not PEM.
    #[error("{} has a section that is not PEM, or that is cut off", .0.display())]
    NotPem(PathBuf),
    /// A file has no certificate.
    #[error("{} has no certificate in PEM form", .0.display())]
    NoCertificate(PathBuf),
    /// A file has a certificate that can't be parsed.
    #[error("{} has a certificate that can't be parsed", .0.display())]
    MalformedCertificate(PathBuf),
    /// A certificate is no longer valid.
    #[error("the certificate in {} expired at {since}", .path.display())]
    Expired {
        /// The file.
        path: PathBuf,
        /// When it expired.
        since: String,
    },
    /// A certificate is not valid yet.
    #[error("the certificate in {} is not valid before {from}", .path.display())]
    NotYetValid {
        /// The file.
        path: PathBuf,
        /// From when on it is valid.
        from: String,
    },
    /// A file has no private key.
    #[error("{} has no private key in PEM form, or one that is encrypted", .0.display())]
    NoKey(PathBuf),
    /// A private key is of another kind.
    #[error(
        "the private key in {} can't be used: it must be of RSA, ECDSA (P-256 or P-384) or Ed25519",
        .0.display()
    )]
    UnusableKey(PathBuf),
    /// A private key is that of another certificate.
    #[error(
        "the private key in {} is not that of the certificate in {}",
        .key.display(),
        .certificate.display()
    )]
    KeyMismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// A file has no certificate of an authority.
    #[error("{} has no certificate of an authority in PEM form", .0.display())]
    NoAuthority(PathBuf),
    /// The system trusts no authorities.
    #[error("this system trusts no authority, so one must be named")]
    NoSystemAuthority,
    /// A name that is no name of a server.
    #[error("{0} is not the name of a server")]
    InvalidName(String),
    /// The TLS library does not accept the configuration.
    #[error("failed to configure TLS: {0}")]
    Refused(rustls::Error),
}
