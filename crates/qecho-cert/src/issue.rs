//! Certificates that an authority issues.

mod error;
mod files;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::SystemTime;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls_pki_types::{CertificateDer, UnixTime};
use time::{Duration, OffsetDateTime};

use crate::authority::Authority;
use crate::key_type::KeyType;
use crate::subject_alt_name::SubjectAltName;
use crate::template::{SHORT_LIFETIME, end_entity, printable};

pub use error::IssueError;
pub use files::{CertificateFiles, CertificateFilesError};

/// mkcert's two years and three months: under the 825 days that Apple's systems take.
const DEFAULT_LIFETIME: Duration = Duration::days(820);
const ORGANIZATION: &str = "qecho development certificate";

/// Names, purposes and validity of a certificate to issue.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IssueRequest {
    /// The names, in their order; at least one.
    pub names: Vec<SubjectAltName>,
    /// A TLS client, too, may use the certificate.
    pub for_clients: bool,
    /// The validity.
    pub validity: Validity,
}

impl IssueRequest {
    /// Asks for a certificate for servers.
    pub fn new(names: Vec<SubjectAltName>, validity: Validity) -> Self {
        Self {
            names,
            for_clients: false,
            validity,
        }
    }

    /// Sets [`for_clients`](Self::for_clients).
    pub fn with_clients(self, for_clients: bool) -> Self {
        Self {
            for_clients,
            ..self
        }
    }
}

/// Validity of a certificate to issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Validity {
    /// 820 days, or until the authority expires.
    Default,
    /// 13 days, so that WebTransport takes it by its hash.
    Short,
    /// Exactly this many days.
    Days(u16),
    /// This duration, or until the authority expires.
    AtMost(Duration),
}

/// A certificate and its key, not written to files yet.
pub struct IssuedCertificate {
    certificate: CertificateDer<'static>,
    pem: String,
    authority_pem: String,
    /// File of the authority's key, if there is one: the lock of those who write what it
    /// signs.
    authority_key: Option<PathBuf>,
    key: KeyPair,
}

impl Authority {
    /// Signs a certificate for `key`.
    ///
    /// `owner` (see [`crate::folder::owner`]) goes into its subject. What is signed is
    /// verified against the authority, as a peer does.
    ///
    /// # Errors
    /// The authority may not sign these names or for that long.
    pub fn issue(
        &self,
        request: &IssueRequest,
        key: KeyType,
        owner: Option<&str>,
        now: SystemTime,
    ) -> Result<IssuedCertificate, IssueError> {
        let key = key.generate().map_err(IssueError::Sign)?;
        self.issue_for(request, key, owner, now)
    }

    /// Signs a certificate of a few days, of ECDSA P-256, for a server of this host which a client
    /// has asked for by this name, if it has named one: for that name, if the authority may sign
    /// it, or for localhost; without a name, for the addresses of loopback and `address`, too.
    ///
    /// # Errors
    /// The authority may not sign for loopback either.
    pub fn issue_for_loopback(
        &self,
        server_name: Option<&str>,
        address: Option<IpAddr>,
        now: SystemTime,
    ) -> Result<IssuedCertificate, IssueError> {
        let issue = |names: &[&str], address: Option<IpAddr>| {
            let address = address.map(|address| address.to_string());
            let address = address.as_deref().filter(|text| !names.contains(text));
            let names = names.iter().copied().chain(address);
            let names = names.filter_map(|name| name.parse().ok());
            let request = IssueRequest::new(names.collect(), Validity::Short);
            self.issue(&request, KeyType::EcdsaP256, None, now)
        };
        let own = server_name.filter(|name| name.parse::<SubjectAltName>().is_ok());
        match own.map(|name| issue(&[name], None)) {
            Some(Ok(issued)) => Ok(issued),
            // BoringSSL knows no constraints of addresses, and refuses certificates with them.
            _ if server_name.is_some() => issue(&["localhost"], None),
            _ => issue(&["localhost", "127.0.0.1", "::1"], address),
        }
    }

    pub(crate) fn issue_for(
        &self,
        request: &IssueRequest,
        key: KeyPair,
        owner: Option<&str>,
        now: SystemTime,
    ) -> Result<IssuedCertificate, IssueError> {
        let mut params = template(request, owner, now.into()).map_err(IssueError::Sign)?;
        if params.not_after > self.expires() {
            if let Validity::Days(_) = request.validity {
                return Err(IssueError::BeyondAuthority(self.expires().date()));
            }
            params.not_after = self.expires();
        }
        let certificate = self.sign(&params, &key).map_err(IssueError::Sign)?;
        self.vouches(certificate.der(), request, now)?;
        Ok(IssuedCertificate {
            certificate: certificate.der().clone(),
            pem: certificate.pem(),
            authority_pem: self.certificate_pem().to_owned(),
            authority_key: self.key_path(),
            key,
        })
    }

    fn vouches(
        &self,
        certificate: &CertificateDer<'_>,
        request: &IssueRequest,
        now: SystemTime,
    ) -> Result<(), IssueError> {
        let usage = match request.names.iter().any(SubjectAltName::is_for_servers) {
            true => webpki::KeyUsage::server_auth(),
            false if request.for_clients => webpki::KeyUsage::client_auth(),
            // An e-mail address alone is for no handshake.
            false => return Ok(()),
        };
        let since = now.duration_since(SystemTime::UNIX_EPOCH);
        let now = UnixTime::since_unix_epoch(since.unwrap_or_default());
        verify_signed_by(certificate, self.certificate_der(), usage, now).map_err(|cause| {
            match cause {
                webpki::Error::NameConstraintViolation => IssueError::NotPermitted(
                    request
                        .names
                        .iter()
                        .map(SubjectAltName::to_string)
                        .collect(),
                ),
                cause => IssueError::Unverifiable(cause),
            }
        })
    }
}

impl IssuedCertificate {
    /// Returns the certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Returns its key (PKCS #8, DER).
    pub fn key_der(&self) -> Vec<u8> {
        self.key.serialize_der()
    }
}

impl fmt::Debug for IssuedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued")
            .field("pem", &self.pem)
            .finish_non_exhaustive()
    }
}

fn template(
    request: &IssueRequest,
    owner: Option<&str>,
    now: OffsetDateTime,
) -> Result<CertificateParams, rcgen::Error> {
    let lifetime = match request.validity {
        Validity::Default => DEFAULT_LIFETIME,
        Validity::Short => SHORT_LIFETIME,
        Validity::Days(days) => Duration::days(days.into()),
        Validity::AtMost(duration) => duration,
    };
    let mut params = end_entity(lifetime, purposes(request), now)?;
    let subject = &mut params.distinguished_name;
    subject.push(DnType::OrganizationName, ORGANIZATION);
    if let Some(owner) = owner {
        subject.push(DnType::OrganizationalUnitName, printable(owner));
    }
    let names = request.names.iter().map(SubjectAltName::to_san);
    params.subject_alt_names = names.collect::<Result<_, _>>()?;
    Ok(params)
}

/// Verifies that an authority has signed a certificate, as a peer does.
pub(crate) fn verify_signed_by(
    certificate: &CertificateDer<'_>,
    authority: &CertificateDer<'_>,
    usage: webpki::KeyUsage,
    now: UnixTime,
) -> Result<(), webpki::Error> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let algorithms = provider.signature_verification_algorithms.all;
    let anchors = [webpki::anchor_from_trusted_cert(authority)?];
    webpki::EndEntityCert::try_from(certificate)?
        .verify_for_usage(algorithms, &anchors, &[], now, usage, None, None)
        .map(|_| ())
}

// The same as mkcert's.
fn purposes(request: &IssueRequest) -> Vec<ExtendedKeyUsagePurpose> {
    let names = &request.names;
    let wanted = [
        (request.for_clients, ExtendedKeyUsagePurpose::ClientAuth),
        (
            names.iter().any(SubjectAltName::is_for_servers),
            ExtendedKeyUsagePurpose::ServerAuth,
        ),
        (
            names.iter().any(SubjectAltName::is_email),
            ExtendedKeyUsagePurpose::EmailProtection,
        ),
    ];
    let wanted = wanted.into_iter().filter(|(wanted, _)| *wanted);
    wanted.map(|(_, purpose)| purpose).collect()
}
