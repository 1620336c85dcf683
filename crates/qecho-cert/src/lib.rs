//! Who is trusted?
//!
//! The answer has two halves. A server shows a [`ServerIdentity`]: an
//! [`AutomaticLeaf`] signed by qecho's own local [`Authority`], or an
//! [`Identity`] loaded from the files somebody names, or one that follows their changes
//! ([`ReloadingIdentity`]). A client asks a
//! [`TrustVerifier`], which says afterwards who vouched for the server, or in
//! plain words why nobody did. Where clients show certificates too, an [`Identity`] is
//! the client's, and a [`ClientVerifier`] the server's, or one that follows its files
//! ([`ReloadingClients`]).
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

pub mod authority;
pub mod details;
pub mod folder;
pub mod identity;
pub mod issue;
pub mod leaf;
pub mod listing;
pub mod name_constraints;
pub mod pin;
pub mod reload;
pub mod renew;
pub mod store;
pub mod subject_alt_name;
pub mod trust;

mod facts;
mod publish;
mod secret;

pub use authority::{Authority, AuthorityError, AuthorityOrigin};
pub use details::CertificateDetails;
pub use facts::MalformedCertificate;
pub use identity::{Identity, IdentityError, ServerIdentity, read_chain};
pub use issue::{
    CertificateFiles, CertificateFilesError, IssueError, IssueRequest, IssuedCertificate, KeyType,
    Validity,
};
pub use leaf::{AutomaticLeaf, Clock, LeafError};
pub use listing::CertificateListing;
pub use name_constraints::{NameConstraints, ParseSubtreesError, PermittedSubtrees};
pub use pin::{ParsePinError, Pin};
pub use reload::{PollResult, ReloadingClients, ReloadingIdentity};
pub use renew::{RenewError, RenewableCertificate, RenewalKey};
pub use subject_alt_name::{ParseSubjectAltNameError, SubjectAltName};
pub use trust::{
    Anchor, ClientVerifier, LocalAuthority, RejectionReason, TrustError, TrustSettings,
    TrustVerifier, VerifyFailure,
};
