//! A client that speaks TLS, and HTTP over it.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore, SupportedProtocolVersion,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
        version::{TLS12, TLS13},
    },
};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use super::files::Files;
use crate::support::{Issued, polling::TEST_TIMEOUT};

/// All versions of TLS.
pub(super) const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// How a client connects.
#[derive(Clone)]
pub(super) struct Client {
    /// The certificate of the authority that it trusts.
    authority: String,
    identity: Option<Issued>,
    protocols: Vec<&'static str>,
    versions: Vec<&'static SupportedProtocolVersion>,
}

impl Client {
    /// Returns a client that trusts the authority of these files.
    pub(super) fn of(files: &Files) -> Self {
        Self::trusting(files.authority.certificate())
    }

    /// Returns a client that trusts the authority with this certificate.
    pub(super) fn trusting(authority: String) -> Self {
        Self { authority, identity: None, protocols: vec![], versions: VERSIONS.to_vec() }
    }

    /// Has the client show a certificate.
    pub(super) fn identity(self, identity: Issued) -> Self {
        Self { identity: Some(identity), ..self }
    }

    /// Has the client offer these protocols (ALPN).
    pub(super) fn protocols(self, protocols: &[&'static str]) -> Self {
        Self { protocols: protocols.to_vec(), ..self }
    }

    /// Has the client speak one version of TLS.
    pub(super) fn version(self, version: &'static SupportedProtocolVersion) -> Self {
        Self { versions: vec![version], ..self }
    }

    /// Connects to a listener by the name `localhost`.
    pub(super) async fn connect(&self, to: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        self.connect_over(TcpStream::connect(to).await?).await
    }

    /// Completes the handshake on a connection.
    pub(super) async fn connect_over(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(self.authority.as_bytes()).unwrap();
        roots.add(authority).unwrap();
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            Some(Issued { certificate, key }) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                config.with_client_auth_cert(chain, key).unwrap()
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols =
            self.protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("localhost").unwrap();
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
        timeout(TEST_TIMEOUT, connecting).await.expect("the handshake ends")
    }

    /// Asks a gateway over HTTP/1.1 whether it is live. Returns the response, or why there is none.
    pub(super) async fn get_livez(&self, to: SocketAddr) -> io::Result<String> {
        let request = "GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        exchange(self.connect(to).await?, request).await
    }

    /// Returns a connection over which calls of gRPC are made.
    pub(super) async fn channel(&self, to: SocketAddr) -> Result<Channel, tonic::transport::Error> {
        let authority = Certificate::from_pem(&self.authority);
        let mut config = ClientTlsConfig::new().ca_certificate(authority);
        if let Some(Issued { certificate, key }) = &self.identity {
            config = config.identity(Identity::from_pem(certificate, key));
        }
        let endpoint = Endpoint::try_from(format!("https://localhost:{}", to.port())).unwrap();
        endpoint.tls_config(config).unwrap().connect().await
    }
}

/// Sends a request that ends its connection, and reads the response.
pub(super) async fn exchange(
    mut stream: TlsStream<TcpStream>,
    request: &str,
) -> io::Result<String> {
    let mut response = String::new();
    let exchanged = async {
        stream.write_all(request.as_bytes()).await?;
        stream.read_to_string(&mut response).await
    };
    timeout(TEST_TIMEOUT, exchanged).await.expect("the connection ends")?;
    if response.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(response)
}
