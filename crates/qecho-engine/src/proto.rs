//! Our own types and those of the state machine, each as the other.

use qecho_packet::{CloseReason, Dir, RecoveryMetrics, Side, StreamId};
use quinn_proto::{ConnectionError, VarInt};

/// Conversion of a type of ours into the state machine's.
pub(crate) trait ToProto<P> {
    fn to_proto(self) -> P;
}

/// Conversion of a type of the state machine's into ours.
pub(crate) trait ToOurs<O> {
    fn to_ours(self) -> O;
}

impl ToProto<quinn_proto::StreamId> for StreamId {
    fn to_proto(self) -> quinn_proto::StreamId {
        VarInt::from_u64(self.value()).unwrap_or(VarInt::MAX).into()
    }
}

impl ToOurs<StreamId> for quinn_proto::StreamId {
    fn to_ours(self) -> StreamId {
        StreamId::from_value(self.into())
    }
}

impl ToProto<quinn_proto::Dir> for Dir {
    fn to_proto(self) -> quinn_proto::Dir {
        match self {
            Self::Bidirectional => quinn_proto::Dir::Bi,
            Self::Unidirectional => quinn_proto::Dir::Uni,
        }
    }
}

impl ToOurs<Dir> for quinn_proto::Dir {
    fn to_ours(self) -> Dir {
        match self {
            Self::Bi => Dir::Bidirectional,
            Self::Uni => Dir::Unidirectional,
        }
    }
}

impl ToOurs<Side> for quinn_proto::Side {
    fn to_ours(self) -> Side {
        match self {
            Self::Client => Side::Client,
            Self::Server => Side::Server,
        }
    }
}

impl ToOurs<CloseReason> for ConnectionError {
    fn to_ours(self) -> CloseReason {
        match self {
            Self::VersionMismatch => CloseReason::VersionMismatch,
            Self::TransportError(error) => CloseReason::Violation {
                code: error.code.into(),
                reason: error.reason,
            },
            Self::ConnectionClosed(close) => CloseReason::Peer {
                code: close.error_code.into(),
                reason: close.reason,
            },
            Self::ApplicationClosed(close) => CloseReason::Application {
                code: close.error_code.into_inner(),
                reason: close.reason,
            },
            Self::Reset => CloseReason::Reset,
            Self::TimedOut => CloseReason::TimedOut,
            Self::LocallyClosed | Self::CidsExhausted => CloseReason::Local,
        }
    }
}

/// Returns what a connection believes of its path.
pub(crate) fn recovery(connection: &quinn_proto::Connection) -> RecoveryMetrics {
    let path = connection.stats().path;
    RecoveryMetrics {
        smoothed_rtt: path.rtt,
        min_rtt: path.min_rtt,
        congestion_window: path.cwnd,
        congestion_events: path.congestion_events,
        lost_packets: path.lost_packets,
        lost_probes: path.lost_plpmtud_probes,
        mtu: path.current_mtu,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_the_same_for_the_state_machine() {
        for value in 0..8 {
            let id = StreamId::from_value(value);
            assert_eq!(id.to_proto().to_ours(), id);
            assert_eq!(u64::from(id.to_proto()), value);
        }
    }
}
