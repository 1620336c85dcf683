//! Errors of issuing a certificate.

use time::Date;

/// Error of issuing a certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// A key or a signature cannot be made.
    #[error("cannot make the certificate")]
    Sign(#[source] rcgen::Error),
    /// The authority's name constraints forbid one of these names, or more.
    #[error("the CA's name constraints forbid {}", .0.join(", "))]
    NotPermitted(Vec<String>),
    /// The authority ends before the certificate would, on that day in UTC.
    #[error("the CA itself expires on {0}; ask for fewer days")]
    BeyondAuthority(Date),
    /// A peer would reject the certificate that was signed.
    #[error("the CA's certificate cannot vouch for another ({0})")]
    Unverifiable(webpki::Error),
}
