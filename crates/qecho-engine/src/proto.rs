//! Our own types and those of the state machine, each as the other.

use qecho_packet::{CloseReason, Dir, RecoveryMetrics, Side, StreamId};
use quinn_proto::ConnectionError;

/// A type of ours that the state machine has, too.
pub(crate) trait ToProto {
    type Proto;

    fn to_proto(self) -> Self::Proto;
}

/// A type of the state machine that we have, too.
pub(crate) trait ToOurs {
    type Ours;

    fn to_ours(self) -> Self::Ours;
}

impl ToProto for StreamId {
    type Proto = quinn_proto::StreamId;

    fn to_proto(self) -> quinn_proto::StreamId {
        let initiator = match self.initiator() {
            Side::Client => quinn_proto::Side::Client,
            Side::Server => quinn_proto::Side::Server,
        };
        quinn_proto::StreamId::new(initiator, self.direction().to_proto(), self.index())
    }
}

impl ToOurs for quinn_proto::StreamId {
    type Ours = StreamId;

    fn to_ours(self) -> StreamId {
        StreamId::new(
            self.initiator().to_ours(),
            self.dir().to_ours(),
            self.index(),
        )
    }
}

impl ToProto for Dir {
    type Proto = quinn_proto::Dir;

    fn to_proto(self) -> quinn_proto::Dir {
        match self {
            Self::Bidirectional => quinn_proto::Dir::Bi,
            Self::Unidirectional => quinn_proto::Dir::Uni,
        }
    }
}

impl ToOurs for quinn_proto::Dir {
    type Ours = Dir;

    fn to_ours(self) -> Dir {
        match self {
            Self::Bi => Dir::Bidirectional,
            Self::Uni => Dir::Unidirectional,
        }
    }
}

impl ToOurs for quinn_proto::Side {
    type Ours = Side;

    fn to_ours(self) -> Side {
        match self {
            Self::Client => Side::Client,
            Self::Server => Side::Server,
        }
    }
}

impl ToOurs for ConnectionError {
    type Ours = CloseReason;

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
