//! Connections of health checks to a listener with TLS.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{
    AlertDescription, ClientConfig, DigitallySignedStruct, Error as RustlsError, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    sign::SingleCertAndKey,
};
use tokio::{io::AsyncReadExt as _, net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    error::TlsError,
    options::{ClientAuth, TlsOptions},
    provider::{H2, HTTP1, provider},
};

/// How long a refusal is waited for.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Connects to a listener to ask whether it serves. Nothing secret is sent, so any certificate of the
/// listener is accepted, as Kubernetes' own probes do: one that has expired is not mended by a restart.
#[derive(Clone, Debug)]
pub struct Probe(Arc<ClientConfig>);

impl Probe {
    /// Returns what connects to a listener with these options; `None` if it is without TLS. Where clients
    /// must have a certificate, the probe has that of the listener.
    ///
    /// # Errors
    /// If TLS can't be configured. Files that can't be used are no error: the listener may go on with what
    /// it has read before.
    pub fn of(options: &TlsOptions, is_http2: bool) -> Result<Option<Self>, TlsError> {
        let Some(files) = options.identity() else { return Ok(None) };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Refused)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate));
        // Where it is optional, one that is refused would be worse than none.
        let is_demanded = options.tls_client_auth == ClientAuth::Required;
        let identity = match &options.tls_client_ca {
            Some(_) if is_demanded => files.load(SystemTime::now()).ok(),
            _ => None,
        };
        let mut config = match identity {
            Some((identity, _)) => {
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![if is_http2 { H2.to_vec() } else { HTTP1.to_vec() }];
        Ok(Some(Self(Arc::new(config))))
    }

    /// Connects to a listener.
    ///
    /// # Errors
    /// If it can't be reached, or refuses the handshake.
    pub async fn connect(&self, addr: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(addr).await?;
        let name = ServerName::IpAddress(addr.ip().into());
        TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await
    }

    /// Returns whether a listener answers, but refuses the certificate of the probe, or that it has none:
    /// the listener's own may have expired, or be none for clients. No restart would mend that.
    pub async fn is_refused(&self, addr: SocketAddr) -> bool {
        let attempt = async {
            let mut stream = self.connect(addr).await?;
            // With TLS 1.3 the refusal comes after the handshake.
            stream.read_u8().await
        };
        matches!(timeout(TIMEOUT, attempt).await, Ok(Err(error)) if is_refusal(&error))
    }
}

/// Whether a listener refuses a handshake because of the client's certificate.
fn is_refusal(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    matches!(
        cause,
        Some(RustlsError::AlertReceived(
            AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::UnknownCA
                | AlertDescription::DecryptError
                | AlertDescription::HandshakeFailure
        ))
    )
}

/// Accepts every certificate whose key the server has.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, RustlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        let algorithms = provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        let algorithms = provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
