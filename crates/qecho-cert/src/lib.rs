//! Trust: certificates of servers and clients, and their verification.
//!
//! A server shows a [`ServerIdentity`]: an [`AutomaticLeaf`] signed by qecho's own local
//! [`Authority`], an [`Identity`] loaded from files, or a [`ReloadingIdentity`], which
//! follows changes of its files. A client verifies it by a [`TrustVerifier`], which
//! returns afterwards the [`Anchor`] that the server was verified by, or the
//! [`VerifyFailure`] in plain words. A client that is asked for a certificate shows an
//! [`Identity`], which the server verifies by a [`ClientVerifier`].
//!
//! ```
//! use std::time::SystemTime;
//!
//! use qecho_cert::{
//!     Authority, IssueRequest, KeyType, LocalAuthority, TrustSettings, TrustVerifier, Validity,
//! };
//! use rustls_pki_types::ServerName;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // An authority in memory, which can sign for loopback names alone, and a certificate.
//! let now = SystemTime::now();
//! let authority = Authority::ephemeral(now)?;
//! let request = IssueRequest::new(vec!["localhost".parse()?], Validity::Short);
//! let issued = authority.issue(&request, KeyType::EcdsaP256, None, now)?;
//!
//! // A client that trusts the authority for loopback names. As a rustls
//! // `ServerCertVerifier` it decides in handshakes what is asked for here.
//! let local = vec![LocalAuthority::in_memory("the example", &authority)];
//! let verifier = TrustVerifier::new(TrustSettings::default().with_local_authorities(local))?;
//! let chain = [issued.certificate().clone()];
//! let anchor = verifier.verify_chain(&chain, &ServerName::try_from("localhost")?, now)?;
//! assert_eq!(anchor.to_string(), "the example's local CA");
//!
//! let failure = verifier
//!     .verify_chain(&chain, &ServerName::try_from("127.0.0.1")?, now)
//!     .unwrap_err();
//! assert_eq!(
//!     failure.to_string(),
//!     "the certificate is not valid for 127.0.0.1 (valid for localhost)"
//! );
//! # Ok(())
//! # }
//! ```
//!
//! Absent on purpose: QUIC, sockets, printing, and any change to a system's certificate
//! store: [`store`] returns the commands, and runs none.

pub mod folder;
pub mod store;

mod authority;
mod credential_file;
mod details;
mod host_name;
mod host_port;
mod identity;
mod issue;
mod key_type;
mod leaf;
mod listing;
mod malformed;
mod name_constraints;
mod pin;
mod public_key;
mod publish;
mod reloading;
mod reloading_identity;
mod renew;
mod secret;
mod storage;
mod subject_alt_name;
mod template;
mod trust;

pub use authority::{Authority, AuthorityError, AuthorityOrigin};
pub use credential_file::{FileForm, read_chain};
pub use details::CertificateDetails;
pub use host_name::HostNameError;
pub use host_port::{HostPort, ParseHostPortError};
pub use identity::{Identity, IdentityError, ServerIdentity};
pub use issue::{
    CertificateFiles, CertificateFilesError, IssueError, IssueRequest, IssuedCertificate, Validity,
};
pub use key_type::KeyType;
pub use leaf::{AutomaticLeaf, Clock, LeafError};
pub use listing::CertificateListing;
pub use malformed::MalformedCertificate;
pub use name_constraints::{NameConstraints, ParseSubtreesError, PermittedSubtrees};
pub use pin::{ParsePinError, Pin};
pub use reloading::PollResult;
pub use reloading_identity::ReloadingIdentity;
pub use renew::{RenewError, RenewableCertificate, RenewalKey};
pub use storage::StorageError;
pub use subject_alt_name::{ParseSubjectAltNameError, SubjectAltName};
pub use trust::{
    Anchor, ClientVerifier, LocalAuthority, RejectionReason, TrustError, TrustSettings,
    TrustVerifier, VerifyFailure,
};

/// Compiles and runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
