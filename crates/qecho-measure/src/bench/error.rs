//! Errors of a load.

use std::io;

use qecho_echo::dial::DialFailure;
use qecho_engine::TlsError;
use qecho_io::{BindError, StartError};

/// Error for which there is nothing to report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The server cannot be reached.
    #[error(transparent)]
    Dial(#[from] DialFailure),
    /// No local address could be bound, or the system gave no thread.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Waiting for packets failed.
    #[error("cannot wait for packets")]
    Wait(#[source] io::Error),
    /// The server takes no DATAGRAM frames.
    #[error("the server takes no DATAGRAM frames (RFC 9221)")]
    NoDatagrams,
    /// The usage of the server's process cannot be read.
    #[error("cannot read what process {pid} uses")]
    Process {
        /// The process.
        pid: u32,
        /// The system's reason.
        source: io::Error,
    },
    /// Nothing comes back over the transport that QUIC is to be compared with.
    #[error("nothing comes back over {transport} from {address}: {reason}")]
    NoBaseline {
        /// `tls` or `udp`.
        transport: String,
        /// The server's address there.
        address: String,
        /// Reason, as far as that is known.
        reason: String,
    },
    /// The load was stopped before the measuring had begun.
    #[error("ended before anything was measured")]
    Stopped,
}

impl From<BindError> for BenchError {
    fn from(error: BindError) -> Self {
        Self::Start(error.into())
    }
}

impl From<TlsError> for BenchError {
    fn from(error: TlsError) -> Self {
        Self::Start(error.into())
    }
}
