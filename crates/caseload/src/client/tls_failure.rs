//! Why a TLS connection can't be made, in words for whoever has to change that.

use std::{error::Error, io};

use proto::Timestamp;
use rustls::{AlertDescription, CertificateError, Error as TlsError, pki_types::UnixTime};

use super::document;

/// What tonic says of a server that has agreed to TLS, but not to HTTP/2. The type of this error is
/// private.
const WITHOUT_HTTP2: &str = "HTTP/2 was not negotiated";

/// Why one side does not accept the other.
#[derive(Debug)]
pub(super) struct TlsFailure {
    /// The reason.
    pub(super) reason: String,
    /// Whether it is the server that has refused the handshake. One that accepted it before may do so again: it, or a
    /// proxy before it, may be changing over to other certificates, or not know yet whom it serves.
    pub(super) is_refusal: bool,
}

/// Returns why no further attempt will succeed either, unless one has before, if an error or one of its causes tells so.
pub(super) fn find(error: &(dyn Error + 'static)) -> Option<TlsFailure> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = tls_error(error)
            && let Some(reason) = describe(error)
        {
            let is_refusal = matches!(error, TlsError::AlertReceived(_));
            return Some(TlsFailure { reason, is_refusal });
        }
        if error.to_string().starts_with(WITHOUT_HTTP2) {
            return Some(TlsFailure { reason: no_http2(), is_refusal: false });
        }
        next = error.source();
    }
    None
}

/// Returns the error of the TLS library. One that comes with input or output is not among the causes of
/// that, but within it.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a TlsError> {
    error.downcast_ref().or_else(|| error.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref())
}

fn describe(error: &TlsError) -> Option<String> {
    match error {
        TlsError::InvalidCertificate(error) => Some(of_certificate(error)),
        TlsError::InvalidMessage(_) => {
            Some("it does not speak TLS; a server without TLS has a URL with http://".to_owned())
        }
        TlsError::AlertReceived(alert) => of_alert(*alert),
        TlsError::PeerIncompatible(_) => Some(no_known_kind(error)),
        // A connection that was lost, for instance.
        _ => None,
    }
}

/// Returns why a server has refused the handshake, unless another attempt may end in another way.
fn of_alert(alert: AlertDescription) -> Option<String> {
    let error = TlsError::AlertReceived(alert);
    match alert {
        AlertDescription::NoApplicationProtocol => Some(no_http2()),
        AlertDescription::ProtocolVersion => Some(no_known_kind(&error)),
        AlertDescription::InsufficientSecurity => {
            Some(format!("it demands stronger ciphers than are known here ({error})"))
        }
        AlertDescription::UnrecognisedName => {
            Some(format!("it does not serve the name in the URL ({error})"))
        }
        AlertDescription::AccessDenied => Some(format!("it refuses this client ({error})")),
        // Which of them tells that there was none depends on the library that the server has.
        AlertDescription::CertificateRequired
        | AlertDescription::BadCertificate
        | AlertDescription::NoCertificate => Some(format!(
            "it demands a certificate that it accepts; --client-cert FILE names one ({error})"
        )),
        AlertDescription::UnknownCA
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate => {
            Some(format!("it does not accept the certificate of --client-cert ({error})"))
        }
        AlertDescription::HandshakeFailure => Some(format!(
            "it offers no kind of TLS that is known here, or demands a certificate of the client, \
             which --client-cert FILE names ({error})"
        )),
        _ => None,
    }
}

fn no_known_kind(error: &TlsError) -> String {
    format!("it offers no kind of TLS that is known here ({error})")
}

fn no_http2() -> String {
    "it does not offer HTTP/2 (ALPN h2), which gRPC needs".to_owned()
}

fn of_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            "no authority that is trusted here has issued its certificate; --ca-file FILE names \
             another one"
                .to_owned()
        }
        CertificateError::BadSignature => {
            "an authority with the name of one that is trusted here has issued its certificate, but \
             with another key; --ca-file FILE names another one"
                .to_owned()
        }
        CertificateError::Expired => "its certificate has expired".to_owned(),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("its certificate has expired at {}", time(*not_after))
        }
        CertificateError::NotValidYet => "its certificate is not valid yet".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("its certificate is not valid before {}", time(*not_before))
        }
        CertificateError::NotValidForName => "its certificate is for another name".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
            let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
            format!("its certificate is for {names}, not for {}", expected.to_str())
        }
        // The type of this cause is that of a crate behind the TLS library.
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "its certificate is that of an authority itself, and not one that was issued for a \
             server"
                .to_owned()
        }
        other => format!("its certificate is not accepted ({other})"),
    }
}

/// Returns the name in a text as `DnsName("caseload.example")` or `IpAddress(127.0.0.1)`.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

fn time(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    document::time(Timestamp { seconds, nanos: 0 })
}
