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
    certificate::{self, Summary},
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
