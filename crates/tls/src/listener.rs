//! TLS of a listener.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use rustls::{
    ServerConfig,
    pki_types::CertificateDer,
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::SingleCertAndKey,
};

use crate::{
    certificate::{self, Summary, Validity},
    error::TlsError,
    identity::IdentityFiles,
    options::{ClientAuth, TlsOptions},
    pem,
    provider::{H2, HTTP1, provider},
    reload::{Loaded, Reloading, Source},
};

/// What connections of a listener are configured with: always what its files have last had that could be
/// used. Clones share it.
#[derive(Clone, Debug)]
pub struct ListenerTls(Reloading<ListenerFiles>);

/// The files of a listener.
#[derive(Debug)]
pub(crate) struct ListenerFiles {
    identity: IdentityFiles,
    clients: Option<(PathBuf, ClientAuth)>,
}

/// The configurations that the files of a listener yield.
#[derive(Debug)]
pub(crate) struct ListenerConfigs {
    http2: Arc<ServerConfig>,
    any: Arc<ServerConfig>,
    summary: Summary,
}

impl ListenerTls {
    /// Reads the files that the options name, and again when they change; `None` without TLS. Must be
    /// called on a runtime.
    ///
    /// # Errors
    /// What is wrong with the files.
    pub fn start(options: &TlsOptions) -> Result<Option<Self>, TlsError> {
        let Some(identity) = options.identity() else { return Ok(None) };
        let clients = options.tls_client_ca.clone().map(|path| (path, options.tls_client_auth));
        Reloading::start(ListenerFiles { identity, clients }).map(Self).map(Some)
    }

    /// Returns what tells from when to when the certificate in use is valid. It keeps nothing in use.
    pub fn validity(&self) -> impl Fn() -> Option<Validity> + Send + Sync + use<> {
        self.0.validity()
    }

    /// Returns the configuration for a new connection, on which HTTP/2 alone is spoken, or HTTP/1.1, too.
    #[must_use]
    pub fn config(&self, is_http2_only: bool) -> Arc<ServerConfig> {
        let configs = self.0.current();
        Arc::clone(if is_http2_only { &configs.http2 } else { &configs.any })
    }
}

impl TlsOptions {
    pub(crate) fn identity(&self) -> Option<IdentityFiles> {
        let (certificate, key) = (self.tls_cert.clone()?, self.tls_key.clone()?);
        Some(IdentityFiles { certificate, key })
    }

    /// Returns whether the listener speaks TLS.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.tls_cert.is_some()
    }
}

/// Returns whom the certificate of a client is for, given the certificates that it has sent.
#[must_use]
pub fn peer_name(certificates: Option<&[CertificateDer<'_>]>) -> Option<String> {
    certificates?.first().and_then(certificate::name)
}

impl Source for ListenerFiles {
    type Loaded = ListenerConfigs;

    fn paths(&self) -> Vec<&Path> {
        let clients = self.clients.iter().map(|(path, _)| path.as_path());
        self.identity.paths().into_iter().chain(clients).collect()
    }

    fn load(&self) -> Result<ListenerConfigs, TlsError> {
        let (identity, summary) = self.identity.load(SystemTime::now())?;
        let verifier = match &self.clients {
            Some((path, auth)) => client_verifier(path, *auth)?,
            None => WebPkiClientVerifier::no_client_auth(),
        };
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Refused)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
        if self.clients.is_some() {
            // A resumed session would skip the check of the client's certificate, which may have expired.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        config.alpn_protocols = vec![H2.to_vec(), HTTP1.to_vec()];
        let mut http2 = config.clone();
        http2.alpn_protocols = vec![H2.to_vec()];
        Ok(ListenerConfigs { http2: Arc::new(http2), any: Arc::new(config), summary })
    }
}

impl Loaded for ListenerConfigs {
    fn summary(&self) -> Option<&Summary> {
        Some(&self.summary)
    }
}

fn client_verifier(path: &Path, auth: ClientAuth) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let authorities = Arc::new(pem::authorities(path)?);
    let verifier = WebPkiClientVerifier::builder_with_provider(authorities, provider());
    let verifier = match auth {
        ClientAuth::Required => verifier,
        ClientAuth::Optional => verifier.allow_unauthenticated(),
    };
    // It fails without authorities only.
    verifier.build().map_err(|_| TlsError::NoAuthority(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use tempfile::TempDir;

    use super::*;

    /// A certificate with that of its authority, and its key.
    struct Issued {
        chain: String,
        key: String,
    }

    fn issue() -> Issued {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let params = CertificateParams::new(["a.example".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        Issued { chain: format!("{}{}", certificate.pem(), issuer.pem()), key: key.serialize_pem() }
    }

    /// A listener whose files are those of the first certificate.
    struct Listener {
        dir: TempDir,
        tls: Reloading<ListenerFiles>,
    }

    impl Listener {
        fn start(issued: &Issued) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let path = |name| dir.path().join(name);
            let (certificate, key) = (path("tls.crt"), path("tls.key"));
            fs::write(&certificate, &issued.chain).unwrap();
            fs::write(&key, &issued.key).unwrap();
            let identity = IdentityFiles { certificate, key };
            let tls = Reloading::start(ListenerFiles { identity, clients: None }).unwrap();
            Self { dir, tls }
        }

        fn write(&self, name: &str, content: &str) {
            fs::write(self.dir.path().join(name), content).unwrap();
        }

        /// Compares the files as often as is needed to read contents that stay.
        fn settle(&self) -> Arc<ListenerConfigs> {
            for _ in 0..2 {
                self.tls.compare();
            }
            self.tls.current()
        }
    }

    #[tokio::test]
    async fn what_tells_the_validity_keeps_nothing_in_use() {
        let listener = Listener::start(&issue());
        let validity = listener.tls.validity();
        assert_eq!(validity(), Some(listener.tls.current().summary.validity));
        drop(listener);
        assert_eq!(validity(), None);
    }

    #[tokio::test]
    async fn a_certificate_that_is_cut_anywhere_is_not_used_and_the_whole_one_is() {
        let (old, new) = (issue(), issue());
        let ends: Vec<_> = new.chain.match_indices("-----END").map(|(end, _)| end).collect();
        let [first, last] = ends[..] else { panic!("two certificates") };
        for length in [0, 1, 30, first / 2, first, first + 10, (first + last) / 2, last] {
            let listener = Listener::start(&old);
            let before = listener.tls.current();
            listener.write("tls.key", &new.key);
            listener.write("tls.crt", &new.chain[..length]);
            assert!(Arc::ptr_eq(&listener.settle(), &before), "{length}");
            listener.write("tls.crt", &new.chain);
            assert!(!Arc::ptr_eq(&listener.settle(), &before), "{length}");
        }
    }

    /// What is cut between two certificates is a file of fewer: only time tells.
    #[tokio::test]
    async fn a_certificate_whose_authority_is_not_written_yet_is_not_used() {
        let (old, new) = (issue(), issue());
        let listener = Listener::start(&old);
        let before = listener.tls.current();
        listener.write("tls.key", &new.key);
        let second = new.chain.rfind("-----BEGIN").unwrap();
        listener.write("tls.crt", &new.chain[..second]);
        listener.tls.compare();
        listener.write("tls.crt", &new.chain);
        listener.tls.compare();
        assert!(Arc::ptr_eq(&listener.tls.current(), &before));
        listener.tls.compare();
        assert!(!Arc::ptr_eq(&listener.tls.current(), &before));
    }

    #[tokio::test]
    async fn a_certificate_and_a_key_that_are_replaced_one_after_the_other_are_used_together() {
        let (old, new) = (issue(), issue());
        for files in [["tls.crt", "tls.key"], ["tls.key", "tls.crt"]] {
            let listener = Listener::start(&old);
            let before = listener.tls.current();
            let write = |name| {
                let content = if name == "tls.crt" { &new.chain } else { &new.key };
                listener.write(name, content);
                listener.settle()
            };
            assert!(Arc::ptr_eq(&write(files[0]), &before), "{files:?}");
            let error = listener.tls.source().load().unwrap_err();
            assert!(matches!(error, TlsError::KeyMismatch { .. }), "{error}");
            assert!(!Arc::ptr_eq(&write(files[1]), &before), "{files:?}");
        }
    }
}
