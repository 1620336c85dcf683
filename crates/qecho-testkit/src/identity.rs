//! A certificate for one test: Ed25519, because its signatures always have
//! the same length and so do the packets of a handshake.

use std::sync::Arc;

use qecho_engine::{AlpnPolicy, ClientTls, Connector, ServerTls};
use rustls::{
    DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, ServerName, UnixTime},
    sign::{CertifiedKey, SingleCertAndKey},
};

/// The name that the certificate is for.
pub const SERVER_NAME: &str = "localhost";

/// A server's certificate and key.
#[derive(Clone)]
pub struct Identity {
    key: Arc<CertifiedKey>,
    provider: Arc<CryptoProvider>,
}

impl Identity {
    /// Makes a key, and a certificate for it.
    pub fn generate() -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("randomness");
        let mut parameters = rcgen::CertificateParams::new(vec![SERVER_NAME.to_owned()])
            .expect("the name is a name");
        // One that comes of the key is sometimes a byte shorter.
        parameters.serial_number = Some(1_u64.into());
        let certificate = parameters
            .self_signed(&key)
            .expect("a name and a key are all that it takes");
        let der = key.serialize_der().try_into().expect("PKCS#8");
        let key = CertifiedKey::from_der(vec![certificate.der().clone()], der, &provider);
        Self {
            key: Arc::new(key.expect("the key fits its own certificate")),
            provider,
        }
    }

    /// Adds certificates to the chain, until it has so many bytes.
    #[must_use]
    pub fn with_chain(self, bytes: usize) -> Self {
        let mut key = CertifiedKey::clone(&self.key);
        let one = key.cert[0].clone();
        let count = bytes.div_ceil(one.len()).max(1);
        key.cert = vec![one; count];
        Self {
            key: Arc::new(key),
            ..self
        }
    }

    /// Shows this certificate to clients that offer no ALPN or one of `alpn`.
    pub fn server(&self, alpn: &[&[u8]]) -> ServerTls {
        let key = CertifiedKey::clone(&self.key);
        let names = alpn.iter().map(|name| name.to_vec()).collect();
        let identity = Arc::new(SingleCertAndKey::from(key));
        ServerTls::new(identity, AlpnPolicy::Names(names))
    }

    /// Connects to whoever has this certificate and its key.
    pub fn connector(&self, alpn: &[&[u8]]) -> Connector {
        let tls = ClientTls::new(self.verifier()).with_alpn(alpn);
        tls.connector().expect("these settings work")
    }

    /// Returns what accepts this certificate and no other.
    pub fn verifier(&self) -> Arc<dyn ServerCertVerifier> {
        Arc::new(Exactly {
            certificate: self.key.cert[0].clone(),
            provider: self.provider.clone(),
        })
    }
}

/// Accepts one certificate.
#[derive(Debug)]
struct Exactly {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Exactly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *end_entity == self.certificate {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::CertificateError::UnknownIssuer.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("QUIC speaks TLS 1.3".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
