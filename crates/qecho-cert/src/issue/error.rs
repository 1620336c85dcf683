//! Errors of issuing a certificate.

use time::Date;

/// Error of issuing a certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// A key or a signature cannot be made.
    #[error("cannot make the certificate")]
    Sign {
        /// Error of the library.
        source: rcgen::Error,
    },
    /// The authority's name constraints forbid a name.
    #[error("the CA's name constraints forbid {}", names.join(", "))]
    NotPermitted {
        /// The names that were asked for; at least one is forbidden.
        names: Vec<String>,
    },
    /// The authority ends before the certificate would.
    #[error("the CA itself expires on {ends}; ask for fewer days")]
    BeyondAuthority {
        /// The authority's last day, in UTC.
        ends: Date,
    },
    /// A peer would reject the certificate that was signed.
    #[error("the CA's certificate cannot vouch for another ({cause})")]
    Unverifiable {
        /// Error of the verification.
        cause: webpki::Error,
    },
}
