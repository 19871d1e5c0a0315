//! What a certificate says: whom it is for, and from when to when it is valid.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::pki_types::CertificateDer;
use x509_parser::{
    certificate::X509Certificate, extensions::GeneralName, prelude::FromDer as _, time::ASN1Time,
};

use crate::error::TlsError;

/// The end of the year 9999 in seconds: no certificate can name a later time.
const LAST_SECOND: u64 = 253_402_300_799;

/// What the log says of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Whom it is for.
    pub(crate) name: String,
    pub(crate) validity: Validity,
}

/// From when to when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub not_before: SystemTime,
    /// The last second.
    pub not_after: SystemTime,
}

/// Whether a certificate will do for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// It will.
    Far,
    /// Less than a tenth of its time is left: another one should have come.
    Near,
    /// It is not valid any more.
    Past,
}

impl Summary {
    /// Returns until when it is valid (RFC 3339).
    pub(crate) fn not_after(&self) -> String {
        written(self.validity.not_after)
    }

    /// Returns whether it will do for a while.
    pub(crate) fn expiry(&self, now: SystemTime) -> Expiry {
        let between = |start: SystemTime, end: SystemTime| end.duration_since(start).ok();
        let Validity { not_before, not_after } = self.validity;
        let lifetime = between(not_before, not_after).unwrap_or_default();
        match between(now, not_after) {
            None => Expiry::Past,
            Some(left) if left < lifetime / 10 => Expiry::Near,
            Some(_) => Expiry::Far,
        }
    }
}

/// Checks that a certificate is valid now. Returns what the log says of it.
///
/// # Errors
/// It can't be parsed, has expired, or is not valid yet. They name the file.
pub(crate) fn check(
    certificate: &CertificateDer<'_>,
    path: &Path,
    now: SystemTime,
) -> Result<Summary, TlsError> {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return Err(TlsError::MalformedCertificate(path.to_owned()));
    };
    let validity = parsed.validity();
    let (not_before, not_after) = (time(validity.not_before), time(validity.not_after));
    // The last second is part of it (RFC 5280, 4.1.2.5).
    if now >= not_after + Duration::from_secs(1) {
        return Err(TlsError::Expired { path: path.to_owned(), since: written(not_after) });
    }
    if now < not_before {
        return Err(TlsError::NotYetValid { path: path.to_owned(), from: written(not_before) });
    }
    Ok(Summary { name: name_of(&parsed), validity: Validity { not_before, not_after } })
}

/// Returns whom a certificate is for: the first URI among its alternative names, which is how SPIFFE names
/// a workload, or else the first DNS name, or else the subject.
pub(crate) fn name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(name_of(&parsed))
}

fn name_of(certificate: &X509Certificate<'_>) -> String {
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let names = alternative.map_or(&[][..], |names| &names.value.general_names);
    let uri = |name: &GeneralName<'_>| match name {
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        _ => None,
    };
    let dns = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    };
    let name = names.iter().find_map(uri).or_else(|| names.iter().find_map(dns));
    name.unwrap_or_else(|| certificate.subject().to_string())
}

fn time(time: ASN1Time) -> SystemTime {
    // What lies before 1970 is over in any case.
    let seconds = u64::try_from(time.timestamp()).unwrap_or(0).min(LAST_SECOND);
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn written(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType, date_time_ymd};

    use super::*;

    fn certificate(params: &CertificateParams) -> CertificateDer<'static> {
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    fn at(text: &str) -> SystemTime {
        humantime::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn a_certificate_is_for_its_first_uri_or_else_its_first_dns_name_or_else_its_subject() {
        let uri = |text: &str| SanType::URI(text.try_into().unwrap());
        let dns = |text: &str| SanType::DnsName(text.try_into().unwrap());
        let address = || SanType::IpAddress([127, 0, 0, 1].into());
        for (names, expected) in [
            (
                vec![dns("a.example"), uri("spiffe://b.example/ns/c"), uri("spiffe://d")],
                "spiffe://b.example/ns/c",
            ),
            (vec![address(), dns("a.example"), dns("b.example")], "a.example"),
            (vec![address()], "CN=The Subject"),
            (vec![], "CN=The Subject"),
        ] {
            let mut params = CertificateParams::default();
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, "The Subject");
            params.subject_alt_names = names;
            assert_eq!(name(&certificate(&params)).as_deref(), Some(expected));
        }
        assert_eq!(name(&CertificateDer::from(&b"nonsense"[..])), None);
    }

    #[test]
    fn a_certificate_expires_soon_once_a_tenth_of_its_time_is_left() {
        let summary = Summary {
            name: String::new(),
            validity: Validity {
                not_before: at("2020-01-01T00:00:00Z"),
                not_after: at("2020-04-10T00:00:00Z"),
            },
        };
        for (now, expiry) in [
            ("2020-01-01T00:00:00Z", Expiry::Far),
            ("2020-03-31T00:00:00Z", Expiry::Far),
            ("2020-03-31T00:00:01Z", Expiry::Near),
            ("2020-04-10T00:00:00Z", Expiry::Near),
            ("2020-04-10T00:00:01Z", Expiry::Past),
        ] {
            assert_eq!(summary.expiry(at(now)), expiry, "{now}");
        }
    }

    #[test]
    fn a_certificate_is_valid_from_its_first_to_its_last_second() {
        let mut params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        let (certificate, path) = (certificate(&params), Path::new("/tls.crt"));
        for now in ["2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"] {
            let summary = check(&certificate, path, at(now)).unwrap();
            assert_eq!(summary.name, "a.example");
            assert_eq!(summary.not_after(), "2021-01-01T00:00:00Z");
        }
        for (now, message) in [
            (
                "2019-12-31T23:59:59Z",
                "the certificate in /tls.crt is not valid before 2020-01-01T00:00:00Z",
            ),
            ("2021-01-01T00:00:01Z", "the certificate in /tls.crt expired at 2021-01-01T00:00:00Z"),
        ] {
            let error = check(&certificate, path, at(now)).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
        let error = check(&CertificateDer::from(&b"x"[..]), path, at("2020-01-01T00:00:00Z"));
        assert!(matches!(error, Err(TlsError::MalformedCertificate(_))));
    }
}
