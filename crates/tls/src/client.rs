//! TLS of a client.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use rustls::{ClientConfig, ClientConnection, pki_types::ServerName, sign::SingleCertAndKey};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    certificate::{Summary, Validity},
    error::TlsError,
    identity::IdentityFiles,
    pem,
    provider::{BUFFER_LIMIT, H2, HTTP1, provider},
    reload::{Loaded, Reloading, Source},
};

/// What connections to servers are configured with: always what its files have last had that could be used.
/// Clones share it.
#[derive(Clone, Debug)]
pub struct ClientTls {
    configs: Reloading<ClientFiles>,
    /// The name that servers must have, if it is not that by which they are reached.
    name: Option<ServerName<'static>>,
}

/// The files of a client.
#[derive(Clone, Debug, Default)]
pub struct ClientFiles {
    /// The authorities that are trusted; `None` for those that this system trusts.
    pub authorities: Option<PathBuf>,
    /// What the client proves its identity with.
    pub identity: Option<IdentityFiles>,
}

/// The configuration that the files of a client yield.
#[derive(Debug)]
pub(crate) struct ClientConfigs {
    config: Arc<ClientConfig>,
    summary: Option<Summary>,
}

impl ClientTls {
    /// Reads the files, and again when they change. Servers must have this name, or else that by which they
    /// are reached. Must be called on a runtime.
    ///
    /// # Errors
    /// What is wrong with the files, or the name.
    pub fn start(files: ClientFiles, name: Option<&str>) -> Result<Self, TlsError> {
        let name = name.map(server_name).transpose()?;
        Ok(Self { configs: Reloading::start(files)?, name })
    }

    /// Returns what tells from when to when the certificate in use is valid, with which the client proves its identity;
    /// `None` if there is none. It keeps nothing in use.
    pub fn validity(&self) -> impl Fn() -> Option<Validity> + Send + Sync + use<> {
        self.configs.validity()
    }

    /// Completes the handshake with the server at the other end of a connection, which is reached by the
    /// name or address `host`. Both sides then speak HTTP/2.
    ///
    /// # Errors
    /// If the connection fails, or one side does not accept the other. [`Self::cause`] tells the two apart.
    pub async fn connect(&self, stream: TcpStream, host: &str) -> io::Result<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.configs.current().config);
        let stream = handshake(config, self.name_of(host)?, stream).await?;
        if stream.get_ref().1.alpn_protocol() != Some(H2) {
            let error = rustls::Error::General("the server does not agree to HTTP/2".to_owned());
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        Ok(stream)
    }

    /// Completes the handshake as [`Self::connect`] does. Both sides then speak HTTP/1.1.
    ///
    /// # Errors
    /// If the connection fails, or one side does not accept the other.
    pub async fn connect_http1(
        &self,
        stream: TcpStream,
        host: &str,
    ) -> io::Result<TlsStream<TcpStream>> {
        let mut config = ClientConfig::clone(&self.configs.current().config);
        config.alpn_protocols = vec![HTTP1.to_vec()];
        handshake(Arc::new(config), self.name_of(host)?, stream).await
    }

    /// Returns the name that the server must have which is reached by this one.
    fn name_of(&self, host: &str) -> io::Result<ServerName<'static>> {
        match &self.name {
            Some(name) => Ok(name.clone()),
            None => server_name(host).map_err(io::Error::other),
        }
    }

    /// Returns why one side does not accept the other, if that is what an error of a connection is about.
    #[must_use]
    pub fn cause(error: &io::Error) -> Option<&rustls::Error> {
        error.get_ref()?.downcast_ref()
    }
}

/// Completes a handshake as a client; the connection keeps no more than the limit for unsent data.
async fn handshake(
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let limit = |session: &mut ClientConnection| session.set_buffer_limit(Some(BUFFER_LIMIT));
    TlsConnector::from(config).connect_with(name, stream, limit).await
}

/// Parses the name or the address of a server, as in a URL.
fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(bare.to_owned()).map_err(|_| TlsError::InvalidName(host.to_owned()))
}

impl Source for ClientFiles {
    type Loaded = ClientConfigs;

    fn paths(&self) -> Vec<&Path> {
        let identity = self.identity.iter().flat_map(IdentityFiles::paths);
        self.authorities.iter().map(PathBuf::as_path).chain(identity).collect()
    }

    fn load(&self) -> Result<ClientConfigs, TlsError> {
        let authorities = match &self.authorities {
            Some(path) => pem::authorities(path)?,
            None => pem::system_authorities()?,
        };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Refused)?
            .with_root_certificates(authorities);
        let (mut config, summary) = match &self.identity {
            Some(files) => {
                let (identity, summary) = files.load(SystemTime::now())?;
                let resolver = Arc::new(SingleCertAndKey::from(identity));
                (builder.with_client_cert_resolver(resolver), Some(summary))
            }
            None => (builder.with_no_client_auth(), None),
        };
        config.alpn_protocols = vec![H2.to_vec()];
        Ok(ClientConfigs { config: Arc::new(config), summary })
    }
}

impl Loaded for ClientConfigs {
    fn summary(&self) -> Option<&Summary> {
        self.summary.as_ref()
    }
}
