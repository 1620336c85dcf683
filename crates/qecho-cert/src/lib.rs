//! Trust: certificates of servers and clients, and their verification.

//!
//! A server shows a [`ServerIdentity`]: an [`AutomaticLeaf`] signed by qecho's own local
//! [`Authority`], an [`Identity`] loaded from files, or a [`ReloadingIdentity`], which
//! follows changes of its files. A client verifies it by a [`TrustVerifier`], which says
//! afterwards which [`Anchor`] vouched for the server, or in plain words why none did.
//! Where clients show certificates too, an [`Identity`] is the client's, and a
//! [`ClientVerifier`] the server's.
//!
//! Absent on purpose: QUIC, sockets, printing, and any change to a system's
//! certificate store: [`store`] knows the commands, and runs none.
//!
//! ```
//! use qecho_cert::Pin;
//!
//! let pin: Pin = "sha256:2a2d8e260000000000000000000000000000000000000000000000000000beef"
//!     .parse()
//!     .expect("it has 64 hexadecimal digits");
//! assert!(pin.to_string().ends_with("beef"));
//! assert!("sha256:2a2d".parse::<Pin>().is_err());
//! ```

pub mod folder;
pub mod store;

mod authority;
mod details;
mod identity;
mod issue;
mod leaf;
mod listing;
mod name_constraints;
mod pin;
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
pub use details::{CertificateDetails, MalformedCertificate};
pub use identity::{Identity, IdentityError, ServerIdentity, read_chain};
pub use issue::{
    CertificateFiles, CertificateFilesError, IssueError, IssueRequest, IssuedCertificate, KeyType,
    Validity,
};
pub use leaf::{AutomaticLeaf, Clock, LeafError};
pub use listing::CertificateListing;
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
