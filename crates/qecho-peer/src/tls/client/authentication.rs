//! The server's parameters and identity, and the end of the handshake: EncryptedExtensions to
//! Finished (RFC 8446 §4.3, §4.4).

use rustls::{
    CertificateError, DigitallySignedStruct, Error, internal::msgs::codec::Codec,
    pki_types::CertificateDer,
};

use super::{ClientTls, State, Verification};
use crate::tls::{
    EarlyData, Level, Output, TlsError, TlsRule,
    exchange::APPLICATION_LABELS,
    key_schedule::verify_data,
    message::{
        Certificate, CertificateRequest, CertificateVerify, Extension, Message, extension,
        extension_type as kind, numbers, protocol_names, vector,
    },
    rules::{Place, code},
    signed_content,
};

impl ClientTls {
    pub(super) fn read_encrypted_extensions(
        &mut self,
        extensions: &[Extension],
    ) -> Result<(), TlsError> {
        let rules = &self.exchange.rules;
        let place = Place::EncryptedExtensions;
        rules.check_extensions(place, extensions, &self.hello.extensions)?;
        self.negotiated.alpn = self.selected_protocol(extensions)?;

        let accepted = extension(extensions, kind::EARLY_DATA).is_some();
        let first = self
            .offered_resumption()
            .map(|offered| offered.session.suite);
        let possible = self.negotiated.resumed && first == self.negotiated.suite;
        let reason = "early data accepted without the key that was offered for them";
        let rules = &self.exchange.rules;
        rules.require(TlsRule::EarlyDataAccepted, !accepted || possible, reason)?;
        if accepted {
            self.negotiated.early_data = EarlyData::Accepted;
        }
        self.negotiated.reject_early_data();

        let parameters = extension(extensions, kind::QUIC_TRANSPORT_PARAMETERS);
        let reason = "EncryptedExtensions without quic_transport_parameters";
        rules.require(TlsRule::TransportParameters, parameters.is_some(), reason)?;
        if let Some(parameters) = parameters {
            self.parameters = parameters.to_vec();
            self.exchange
                .output(Output::PeerParameters(parameters.to_vec()));
        }
        self.state = if self.negotiated.resumed {
            State::Finished
        } else {
            State::Certificate
        };
        Ok(())
    }

    fn selected_protocol(&self, extensions: &[Extension]) -> Result<Option<Vec<u8>>, TlsError> {
        let rules = &self.exchange.rules;
        let offered = self.hello.extension(kind::ALPN);
        let Some(selected) = extension(extensions, kind::ALPN) else {
            let reason = "server selects no application protocol";
            rules.require(TlsRule::AlpnAgreed, offered.is_none(), reason)?;
            return Ok(None);
        };
        let selected = protocol_names(selected)?;
        let [selected] = selected.as_slice() else {
            let reason = "server selects not just one application protocol";
            return Err(TlsError::new(code::DECODE_ERROR, reason));
        };
        let offered = offered.and_then(|names| protocol_names(names).ok());
        let offered = offered.is_some_and(|names| names.contains(selected));
        let reason = "server selects an application protocol that was not offered";
        rules.require(TlsRule::AlpnOffered, offered, reason)?;
        Ok(Some(selected.clone()))
    }

    pub(super) fn read_request(&mut self, request: CertificateRequest) -> Result<(), TlsError> {
        let rules = &self.exchange.rules;
        let reason = "CertificateRequest with a context";
        rules.require(
            TlsRule::CertificateContext,
            request.context.is_empty(),
            reason,
        )?;
        rules.check_extensions(Place::CertificateRequest, &request.extensions, &[])?;
        let schemes = extension(&request.extensions, kind::SIGNATURE_ALGORITHMS);
        let reason = "CertificateRequest without signature_algorithms";
        rules.require(TlsRule::RequiredExtension, schemes.is_some(), reason)?;
        self.requested = Some(request.context);
        Ok(())
    }

    pub(super) fn read_certificate(&mut self, certificate: Certificate) -> Result<(), TlsError> {
        let rules = &self.exchange.rules;
        let reason = "server's Certificate with a context";
        let holds = certificate.context.is_empty();
        rules.require(TlsRule::CertificateContext, holds, reason)?;
        let reason = "server shows no certificate";
        let holds = !certificate.entries.is_empty();
        rules.require(TlsRule::CertificateShown, holds, reason)?;
        for (_, extensions) in &certificate.entries {
            rules.check_extensions(Place::Certificate, extensions, &self.hello.extensions)?;
        }
        let entries = certificate.entries.into_iter();
        self.certificates = entries.map(|(der, _)| der).collect();
        self.state = State::CertificateVerify;
        Ok(())
    }

    pub(super) fn read_signature(&mut self, verify: &CertificateVerify) -> Result<(), TlsError> {
        let offered = self.hello.extension(kind::SIGNATURE_ALGORITHMS);
        let offered = offered.and_then(|list| numbers(list, 2).ok());
        let offered = offered.is_some_and(|schemes| schemes.contains(&verify.scheme));
        let reason = format!("signature of scheme {:#06x}", verify.scheme);
        let rules = &self.exchange.rules;
        rules.require(TlsRule::SchemeOffered, offered, reason)?;
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
        let rules = &self.exchange.rules;
        let Verification {
            verifier,
            name,
            now,
        } = verification;
        let certificates = self.certificates.iter();
        let certificates: Vec<_> = certificates
            .map(|der| CertificateDer::from(der.as_slice()))
            .collect();
        let Some((own, others)) = certificates.split_first() else {
            return Ok(());
        };
        if let Err(error) = verifier.verify_server_cert(own, others, name, &[], *now) {
            let code = certificate_code(&error);
            rules.require_or(TlsRule::CertificateTrusted, code, false, error)?;
        }
        let Some(suite) = self.negotiated.suite else {
            return Ok(());
        };
        let transcript = self.exchange.transcript.hash_before_last(suite);
        let signed = signed_content(&transcript);
        let result = digitally_signed(verify)
            .and_then(|signature| verifier.verify_tls13_signature(&signed, own, &signature));
        let reason = "server's signature is wrong";
        rules.require(TlsRule::Signature, result.is_ok(), reason)
    }

    pub(super) fn read_finished(&mut self, data: &[u8]) -> Result<(), TlsError> {
        let (Some(suite), Some(schedule)) = (self.negotiated.suite, self.schedule.take()) else {
            return Ok(());
        };
        let transcript = self.exchange.transcript.hash_before_last(suite);
        let expected = verify_data(suite, &self.handshake.server, &transcript);
        let rules = &self.exchange.rules;
        let reason = "server's Finished is wrong";
        rules.require(TlsRule::Finished, data == expected, reason)?;

        let schedule = schedule.into_master();
        let transcript = self.exchange.transcript.hash(suite);
        let secrets = schedule.traffic("ap traffic", &transcript);
        self.exchange.advance(Level::OneRtt)?;
        if let Some(context) = self.requested.take() {
            let certificate = Message::Certificate(Certificate {
                context,
                entries: Vec::new(),
            });
            self.exchange.send(Level::Handshake, certificate);
        }
        let transcript = self.exchange.transcript.hash(suite);
        let own = verify_data(suite, &self.handshake.client, &transcript);
        self.exchange.send(Level::Handshake, Message::Finished(own));
        let transcript = self.exchange.transcript.hash(suite);
        self.resumption_master = schedule.derive(b"res master", &transcript);

        self.exchange.log(APPLICATION_LABELS, self.random, &secrets);
        let (local, remote) = (Some(&*secrets.client), Some(&*secrets.server));
        self.exchange.install(Level::OneRtt, suite, local, remote);
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
    let mut bytes = verify.scheme.to_be_bytes().to_vec();
    vector(&mut bytes, 2, |out| {
        out.extend_from_slice(&verify.signature)
    });
    Ok(DigitallySignedStruct::read_bytes(&bytes)?)
}
