//! A proxy that speaks TLS to clients, and forwards what they send to a server without TLS.

use std::{net::SocketAddr, sync::Arc};

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

use crate::support::{Authority, Holder};

/// What a proxy proves its identity with.
pub(super) struct Identity {
    /// The name, or the address, that the certificate is for.
    pub(super) name: &'static str,
    /// The years in which the certificate begins and ends to be valid.
    pub(super) years: (i32, i32),
    /// Whether the certificate is that of an authority.
    pub(super) is_authority: bool,
    /// Whether the certificate is signed with its own key.
    pub(super) signs_itself: bool,
    /// The protocols that the proxy agrees to (ALPN).
    pub(super) protocols: &'static [&'static str],
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            name: "localhost",
            years: (2000, 4000),
            is_authority: false,
            signs_itself: false,
            protocols: &["h2"],
        }
    }
}

/// A proxy that was started.
pub(super) struct Proxy {
    pub(super) port: u16,
    /// Its certificate, as PEM.
    pub(super) certificate: String,
}

impl Proxy {
    /// Starts a proxy before a server, with a certificate of this authority, or one that the proxy has
    /// signed itself. It ends with the test's runtime.
    pub(super) async fn start(
        authority: &Authority,
        server: SocketAddr,
        identity: Identity,
    ) -> Self {
        let Identity { name, years, is_authority, signs_itself, protocols } = identity;
        let holder =
            Holder { names: &[name], years, is_authority, signs_itself, ..Holder::default() };
        let issued = authority.issue(holder);
        let certificate = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        config.alpn_protocols =
            protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(accept(listener, TlsAcceptor::from(Arc::new(config)), server));
        Self { port, certificate: issued.certificate }
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, server: SocketAddr) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // Clients may refuse the certificate.
            let Ok(mut client) = acceptor.accept(stream).await else { return };
            let mut server = TcpStream::connect(server).await.unwrap();
            let _ended = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
    }
}
