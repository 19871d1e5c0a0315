//! An authority that issues certificates.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType,
    date_time_ymd,
};

/// Issues certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// Whom a certificate is issued for.
#[derive(Clone, Copy)]
pub(crate) struct Holder<'a> {
    /// Its names, addresses and URIs.
    pub(crate) names: &'a [&'a str],
    /// Its common name, if it has one of its own.
    pub(crate) common_name: Option<&'a str>,
    /// The years in which the certificate begins and ends to be valid.
    pub(crate) years: (i32, i32),
    /// Whether it is an authority itself.
    pub(crate) is_authority: bool,
    /// Whether the certificate is signed with its own key.
    pub(crate) signs_itself: bool,
}

impl Default for Holder<'_> {
    fn default() -> Self {
        Self {
            names: &["localhost", "127.0.0.1"],
            common_name: None,
            years: (2000, 4000),
            is_authority: false,
            signs_itself: false,
        }
    }
}

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    /// Creates an authority with this name.
    pub(crate) fn create(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Returns its own certificate, as PEM.
    pub(crate) fn certificate(&self) -> String {
        self.0.pem()
    }

    /// Issues a certificate for a holder, or has it sign its own.
    pub(crate) fn issue(&self, holder: Holder<'_>) -> Issued {
        let (uris, others): (Vec<&str>, _) =
            holder.names.iter().partition(|name| name.contains("://"));
        let others = others.into_iter().map(str::to_owned);
        let mut params = CertificateParams::new(others.collect::<Vec<_>>()).unwrap();
        let uris = uris.into_iter().map(|uri| SanType::URI(uri.try_into().unwrap()));
        params.subject_alt_names.extend(uris);
        params.not_before = date_time_ymd(holder.years.0, 1, 1);
        params.not_after = date_time_ymd(holder.years.1, 1, 1);
        if let Some(name) = holder.common_name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        if holder.is_authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = if holder.signs_itself {
            params.self_signed(&key).unwrap()
        } else {
            params.signed_by(&key, &self.0).unwrap()
        };
        Issued { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}
