//! The rules that a well-behaved endpoint holds its peer to, with what it closes by.

use qecho_packet::close::{
    CONNECTION_ID_LIMIT_ERROR, CRYPTO_BUFFER_EXCEEDED, FINAL_SIZE_ERROR, FLOW_CONTROL_ERROR,
    FRAME_ENCODING_ERROR, KEY_UPDATE_ERROR, PROTOCOL_VIOLATION, STREAM_LIMIT_ERROR,
    STREAM_STATE_ERROR, TRANSPORT_PARAMETER_ERROR, VERSION_NEGOTIATION_ERROR,
};

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident: $code:expr, $section:literal;)*) => {
        /// Something that a peer must not do, and a well-behaved endpoint refuses.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $($(#[$doc])* $name,)*
        }

        impl Rule {
            /// All rules.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns the error code by which the connection is closed (RFC 9000 §20.1), or
            /// `None` if what breaks the rule is discarded.
            pub fn code(self) -> Option<u64> {
                let code: Option<u64> = match self {
                    $(Self::$name => $code.into(),)*
                };
                code
            }

            /// Returns the number of the RFC and the section that has the rule.
            pub fn section(self) -> &'static str {
                match self {
                    $(Self::$name => $section,)*
                }
            }
        }
    };
}

/// Code of a rule whose breach is discarded.
const DISCARD: Option<u64> = None;

rules! {
    // Packets.
    /// The fixed bit is 1, unless this side has announced grease_quic_bit.
    FixedBit: DISCARD, "9000 §17.2";
    /// A client's Initial packets come in datagrams of 1,200 bytes.
    InitialDatagramSize: DISCARD, "9000 §14.1";
    /// The peer's source connection ID stays what it was in its first packet.
    SameSource: DISCARD, "9000 §7.2";
    /// A server's Initial packets have no token.
    ServerInitialToken: PROTOCOL_VIOLATION, "9000 §17.2.2";
    /// The reserved bits are 0.
    ReservedBits: PROTOCOL_VIOLATION, "9000 §17.2";
    /// A packet has frames.
    EmptyPacket: PROTOCOL_VIOLATION, "9000 §12.4";
    /// A packet under old keys has a lower number than all under newer ones.
    OldKeys: KEY_UPDATE_ERROR, "9001 §6.4";
    /// Keys are updated again only after a packet under the current ones was acknowledged.
    EarlyKeyUpdate: KEY_UPDATE_ERROR, "9001 §6.2";

    // Encoding of frames.
    /// The frame's type is known, or was agreed upon.
    KnownFrame: FRAME_ENCODING_ERROR, "9000 §12.4";
    /// A frame ends within its packet, and its fields have lengths that can be.
    WholeFrame: FRAME_ENCODING_ERROR, "9000 §12.4";
    /// A frame type is encoded in as few bytes as it takes.
    ShortestFrameType: PROTOCOL_VIOLATION, "9000 §12.4";
    /// The frame may be in packets of this type.
    FrameOfPacketType: PROTOCOL_VIOLATION, "9000 §12.4";
    /// No range of an ACK frame goes below packet number 0.
    AckBelowZero: FRAME_ENCODING_ERROR, "9000 §19.3.1";
    /// Acknowledged packets were sent.
    AckOfUnsent: PROTOCOL_VIOLATION, "9000 §13.1";

    // CRYPTO frames.
    /// A CRYPTO frame ends at an offset below 2^62.
    CryptoOffset: FRAME_ENCODING_ERROR, "9000 §19.6";
    /// CRYPTO data is at most so far ahead that it can be kept.
    CryptoBuffer: CRYPTO_BUFFER_EXCEEDED, "9000 §7.5";

    // Streams.
    /// A STREAM frame ends at an offset below 2^62.
    StreamOffset: FRAME_ENCODING_ERROR, "9000 §19.8";
    /// A bidirectional stream of the peer is within its limit.
    BidirectionalStreamLimit: STREAM_LIMIT_ERROR, "9000 §4.6";
    /// A unidirectional stream of the peer is within its limit.
    UnidirectionalStreamLimit: STREAM_LIMIT_ERROR, "9000 §4.6";
    /// The data of a stream is within its limit.
    StreamDataLimit: FLOW_CONTROL_ERROR, "9000 §4.1";
    /// The data of all streams is within the connection's limit.
    DataLimit: FLOW_CONTROL_ERROR, "9000 §4.1";
    /// No STREAM frame comes for a stream on which this side alone sends.
    StreamOnSendOnly: STREAM_STATE_ERROR, "9000 §19.8";
    /// No STREAM frame comes for a stream of this side that it has not opened.
    StreamNotOpened: STREAM_STATE_ERROR, "9000 §19.8";
    /// No RESET_STREAM frame comes for a stream on which this side alone sends.
    ResetOnSendOnly: STREAM_STATE_ERROR, "9000 §19.4";
    /// No RESET_STREAM frame comes for a stream of this side that it has not opened.
    ResetNotOpened: STREAM_STATE_ERROR, "9000 §3.2";
    /// No STOP_SENDING frame comes for a stream on which the peer alone sends.
    StopOnReceiveOnly: STREAM_STATE_ERROR, "9000 §19.5";
    /// No STOP_SENDING frame comes for a stream of this side that it has not opened.
    StopNotOpened: STREAM_STATE_ERROR, "9000 §19.5";
    /// No MAX_STREAM_DATA frame comes for a stream on which the peer alone sends.
    MaxStreamDataOnReceiveOnly: STREAM_STATE_ERROR, "9000 §19.10";
    /// No MAX_STREAM_DATA frame comes for a stream of this side that it has not opened.
    MaxStreamDataNotOpened: STREAM_STATE_ERROR, "9000 §19.10";
    /// No STREAM_DATA_BLOCKED frame comes for a stream on which this side alone sends.
    BlockedOnSendOnly: STREAM_STATE_ERROR, "9000 §19.13";
    /// No STREAM_DATA_BLOCKED frame comes for a stream of this side that it has not opened.
    BlockedNotOpened: STREAM_STATE_ERROR, "9000 §3.2";
    /// MAX_STREAMS allows at most 2^60 streams.
    MaxStreamsRange: FRAME_ENCODING_ERROR, "9000 §19.11";
    /// STREAMS_BLOCKED tells of at most 2^60 streams.
    StreamsBlockedRange: FRAME_ENCODING_ERROR, "9000 §19.14";
    /// The final size of a stream stays what a FIN bit made it.
    FinalSizeOfFins: FINAL_SIZE_ERROR, "9000 §4.5";
    /// No data lies beyond a stream's final size.
    DataBeyondFinalSize: FINAL_SIZE_ERROR, "9000 §4.5";
    /// A stream's final size is not below what was received of it.
    FinalSizeBelowData: FINAL_SIZE_ERROR, "9000 §4.5";
    /// The final size of a reset is the one that was known.
    FinalSizeOfReset: FINAL_SIZE_ERROR, "9000 §4.5";

    // Connection IDs and paths.
    /// A new connection ID has 1 to 20 bytes.
    NewConnectionIdLength: FRAME_ENCODING_ERROR, "9000 §19.15";
    /// Retire Prior To is not above the Sequence Number.
    RetirePriorTo: FRAME_ENCODING_ERROR, "9000 §19.15";
    /// The peer's active connection IDs are as many as this side allows.
    ConnectionIdLimit: CONNECTION_ID_LIMIT_ERROR, "9000 §5.1.1";
    /// Each sequence number has one connection ID and reset token, and each ID one number.
    SameConnectionId: PROTOCOL_VIOLATION, "9000 §19.15";
    /// A peer that chose a zero-length connection ID issues no others.
    NewConnectionIdOfNone: PROTOCOL_VIOLATION, "9000 §19.15";
    /// Retired connection IDs were issued.
    RetireNeverIssued: PROTOCOL_VIOLATION, "9000 §19.16";
    /// The connection ID of the packet is not retired by it.
    RetireInUse: PROTOCOL_VIOLATION, "9000 §19.16";
    /// A path response has the data of a challenge.
    PathResponse: PROTOCOL_VIOLATION, "9000 §19.18";

    // Frames of one side, and DATAGRAM.
    /// A client sends no NEW_TOKEN frame.
    NewTokenOfClient: PROTOCOL_VIOLATION, "9000 §19.7";
    /// A token is not empty.
    EmptyToken: FRAME_ENCODING_ERROR, "9000 §19.7";
    /// A client sends no HANDSHAKE_DONE frame.
    HandshakeDoneOfClient: PROTOCOL_VIOLATION, "9000 §19.20";
    /// A DATAGRAM frame is no larger than this side has announced, if it has at all.
    DatagramSize: PROTOCOL_VIOLATION, "9221 §3";

    // Transport parameters.
    /// Transport parameters fill their extension.
    WholeParameters: TRANSPORT_PARAMETER_ERROR, "9000 §7.4";
    /// No transport parameter comes twice.
    ParameterOnce: TRANSPORT_PARAMETER_ERROR, "9000 §7.4";
    /// A parameter that is an integer is one, and nothing more.
    IntegerParameter: TRANSPORT_PARAMETER_ERROR, "9000 §18";
    /// disable_active_migration has no value.
    MigrationParameter: TRANSPORT_PARAMETER_ERROR, "9000 §18.2";
    /// grease_quic_bit has no value.
    GreaseParameter: TRANSPORT_PARAMETER_ERROR, "9287 §3";
    /// max_udp_payload_size is at least 1,200.
    UdpPayloadSize: TRANSPORT_PARAMETER_ERROR, "9000 §18.2";
    /// ack_delay_exponent is at most 20.
    AckDelayExponent: TRANSPORT_PARAMETER_ERROR, "9000 §18.2";
    /// max_ack_delay is below 2^14.
    MaxAckDelay: TRANSPORT_PARAMETER_ERROR, "9000 §18.2";
    /// active_connection_id_limit is at least 2.
    ActiveConnectionIdLimit: TRANSPORT_PARAMETER_ERROR, "9000 §18.2";
    /// initial_max_streams_bidi is at most 2^60.
    BidirectionalStreams: TRANSPORT_PARAMETER_ERROR, "9000 §4.6";
    /// initial_max_streams_uni is at most 2^60.
    UnidirectionalStreams: TRANSPORT_PARAMETER_ERROR, "9000 §4.6";
    /// A client sends no original_destination_connection_id.
    OriginalDestinationOfClient: TRANSPORT_PARAMETER_ERROR, "9000 §18.2";
    /// A client sends no preferred_address.
    PreferredAddressOfClient: TRANSPORT_PARAMETER_ERROR, "9000 §18.2";
    /// A client sends no retry_source_connection_id.
    RetrySourceOfClient: TRANSPORT_PARAMETER_ERROR, "9000 §18.2";
    /// A client sends no stateless_reset_token.
    ResetTokenOfClient: TRANSPORT_PARAMETER_ERROR, "9000 §18.2";
    /// initial_source_connection_id is there.
    InitialSourceMissing: TRANSPORT_PARAMETER_ERROR, "9000 §7.3";
    /// initial_source_connection_id is the source of the peer's Initial packets.
    InitialSourceWrong: TRANSPORT_PARAMETER_ERROR, "9000 §7.3";
    /// A server sends original_destination_connection_id.
    OriginalDestinationMissing: TRANSPORT_PARAMETER_ERROR, "9000 §7.3";
    /// original_destination_connection_id is the destination of the client's first packet.
    OriginalDestinationWrong: TRANSPORT_PARAMETER_ERROR, "9000 §7.3";
    /// retry_source_connection_id is there after a Retry, as its source, and else is not.
    RetrySource: TRANSPORT_PARAMETER_ERROR, "9000 §7.3";
    /// stateless_reset_token has 16 bytes.
    ResetTokenLength: TRANSPORT_PARAMETER_ERROR, "9000 §18.2";
    /// preferred_address is whole, and has a connection ID as the server has one.
    PreferredAddress: TRANSPORT_PARAMETER_ERROR, "9000 §18.2";
    /// version_information can be read, and has no version 0.
    VersionInformation: TRANSPORT_PARAMETER_ERROR, "9368 §4";
    /// A server that accepts 0-RTT reduces no limit that the client remembers.
    ReducedParameters: PROTOCOL_VIOLATION, "9000 §7.4.1";
    /// The chosen version is the one in use.
    ChosenVersion: VERSION_NEGOTIATION_ERROR, "9368 §4";
}
