//! The server's parameters and identity, and the end of the handshake: EncryptedExtensions to
//! Finished (RFC 8446 §4.3, §4.4).

use qecho_packet::Side;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, internal::msgs::codec::Codec,
    pki_types::CertificateDer,
};

use super::{ClientTls, State, Verification};
use crate::tls::{
    EarlyData, Level, Output, TlsError, TlsRule,
    message::{
        Certificate, CertificateRequest, CertificateVerify, Extension, Message, decoded, encode,
        extension, extension_type as kind, protocol_names, share,
    },
    rules::code,
    signed_content,
};

impl ClientTls {
    pub(super) fn read_encrypted_extensions(
        &mut self,
        extensions: &[Extension],
    ) -> Result<(), TlsError> {
        self.exchange
            .check_answers(extensions, &self.hello.extensions)?;
        self.negotiated.alpn = self.selected_protocol(extensions)?;

        if extension(extensions, kind::EARLY_DATA).is_some() {
            self.negotiated.early_data = EarlyData::Accepted;
        }
        self.negotiated.reject_early_data();

        let parameters = extension(extensions, kind::QUIC_TRANSPORT_PARAMETERS);
        let rule = TlsRule::TransportParameters;
        self.exchange.require(rule, parameters.is_some())?;
        if let Some(parameters) = parameters {
            self.parameters = parameters.to_vec();
            let parameters = Output::PeerParameters(parameters.to_vec());
            self.exchange.output(parameters);
        }
        self.state = match self.negotiated.resumed {
            true => State::Finished,
            false => State::Certificate,
        };
        Ok(())
    }

    fn selected_protocol(&self, extensions: &[Extension]) -> Result<Option<Vec<u8>>, TlsError> {
        let offered = decoded(&self.hello.extensions, kind::ALPN, protocol_names);
        let offered = offered.ok().flatten();
        let Some(selected) = decoded(extensions, kind::ALPN, protocol_names)? else {
            let has_offered = self.hello.extension(kind::ALPN).is_some();
            let reason = "server selects no application protocol";
            let rule = TlsRule::AlpnAgreed;
            self.exchange.require_as(rule, !has_offered, reason)?;
            return Ok(None);
        };
        let [selected] = selected.as_slice() else {
            let reason = "server selects not just one application protocol";
            return Err(TlsError::new(code::DECODE_ERROR, reason));
        };
        let is_offered = offered.is_some_and(|names| names.contains(selected));
        self.exchange.require(TlsRule::AlpnOffered, is_offered)?;
        Ok(Some(selected.clone()))
    }

    pub(super) fn read_request(&mut self, request: CertificateRequest) -> Result<(), TlsError> {
        self.requested = Some(request.context);
        Ok(())
    }

    pub(super) fn read_certificate(&mut self, shown: Certificate) -> Result<(), TlsError> {
        for (_, extensions) in &shown.entries {
            self.exchange
                .check_answers(extensions, &self.hello.extensions)?;
        }
        self.certificates = shown.entries.into_iter().map(|(der, _)| der).collect();
        self.state = State::CertificateVerify;
        Ok(())
    }

    pub(super) fn read_signature(&mut self, verify: &CertificateVerify) -> Result<(), TlsError> {
        if let Some(verification) = &self.config.verification {
            self.verify(verification, verify)?;
        }
        self.state = State::Finished;
        Ok(())
    }

    /// Verifies chain, name and signature.
    fn verify(
        &self,
        verification: &Verification,
        verify: &CertificateVerify,
    ) -> Result<(), TlsError> {
        let Verification {
            verifier,
            name,
            now,
        } = verification;
        let certificates = self.certificates.iter();
        let certificates = certificates.map(|der| CertificateDer::from(der.as_slice()));
        let certificates: Vec<_> = certificates.collect();
        let (Some((own, others)), Some(suite)) =
            (certificates.split_first(), self.negotiated.suite)
        else {
            let reason = "server shows no certificate";
            return Err(TlsError::new(code::DECODE_ERROR, reason));
        };
        let trusted = verifier.verify_server_cert(own, others, name, &[], *now);
        trusted.map_err(|error| TlsError::new(certificate_code(&error), error))?;
        let signed = signed_content(&self.exchange.transcript.hash_before_last(suite));
        let result = digitally_signed(verify)
            .and_then(|signature| verifier.verify_tls13_signature(&signed, own, &signature));
        result.map_err(|error| TlsError::new(code::DECRYPT_ERROR, error))?;
        Ok(())
    }

    pub(super) fn read_finished(&mut self, data: &[u8]) -> Result<(), TlsError> {
        let (Some(suite), Some(schedule)) = (self.negotiated.suite, self.schedule.take()) else {
            return Ok(());
        };
        self.exchange.check_finished(suite, &self.handshake, data)?;
        let schedule = schedule.into_master();
        let secrets = self.exchange.derive(Level::OneRtt, &schedule, self.random);
        self.exchange.advance(Level::OneRtt)?;
        if let Some(context) = self.requested.take() {
            let certificate = Message::Certificate(Certificate {
                context,
                entries: Vec::new(),
            });
            self.exchange.send(Level::Handshake, certificate);
        }
        self.exchange.send_finished(suite, &self.handshake);
        let transcript = self.exchange.transcript.hash(suite);
        self.resumption_master = schedule.derive(b"res master", &transcript);
        let senders = [Side::Client, Side::Server];
        self.exchange
            .install(Level::OneRtt, suite, &secrets, &senders);
        self.exchange.output(Output::Complete);
        self.state = State::Connected;
        Ok(())
    }
}

/// Returns the QUIC error code for what a verifier says.
fn certificate_code(error: &Error) -> u64 {
    match error {
        Error::InvalidCertificate(error) => {
            let alert = rustls::AlertDescription::from(CertificateError::clone(error));
            0x100 + u64::from(u8::from(alert))
        }
        _ => code::BAD_CERTIFICATE,
    }
}

/// Makes rustls's own type of signature, which verifiers take: it can only be read.
fn digitally_signed(verify: &CertificateVerify) -> Result<DigitallySignedStruct, Error> {
    // On the wire it looks as a key share does.
    let bytes = encode((verify.scheme, verify.signature.clone()), share);
    Ok(DigitallySignedStruct::read_bytes(&bytes)?)
}
