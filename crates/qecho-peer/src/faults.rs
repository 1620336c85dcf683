//! Wrongs that an endpoint does by itself, one [`Fault`] each.
//!
//! An endpoint with a fault is a *mutant*, as is one that ignores a
//! [`Rule`](crate::rules::Rule): it breaks just one requirement.

use std::collections::BTreeSet;

use qecho_packet::{
    close::TRANSPORT_PARAMETER_ERROR,
    wire::{Ack, ConnectionId, Frame},
};

use crate::{
    endpoint::Endpoint,
    packet::{Content, one_rtt},
    tls::Level,
};

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        /// Something that an endpoint must not do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Fault {
            $($(#[$doc])* $name,)*
        }

        impl Fault {
            /// All faults.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

faults! {
    /// Acknowledges nothing (RFC 9000 §13.2.1).
    NoAcknowledgements;
    /// Acknowledges later than any max_ack_delay that it announces (RFC 9000 §13.2.1).
    LateAcknowledgements;
    /// Acknowledges packets that are not ack-eliciting (RFC 9000 §13.2.1).
    AcknowledgesAcks;
    /// Reports no ECN counts (RFC 9000 §13.4.1).
    NoEcnCounts;
    /// Sends nothing again that is lost (RFC 9002 §6).
    NoResending;
    /// Does not answer PATH_CHALLENGE (RFC 9000 §8.2.2).
    NoPathResponse;
    /// Answers PATH_CHALLENGE by other data (RFC 9000 §8.2.2).
    WrongPathResponse;
    /// Stays with a client's old address (RFC 9000 §9.3).
    NoMigration;
    /// Sends more than three times what came (RFC 9000 §8.1).
    ExceedsAmplificationLimit;
    /// Does not pad datagrams with Initial packets (RFC 9000 §14.1).
    UnpaddedInitials;
    /// Does not pad datagrams with Initial packets any more once it has probed (RFC 9000 §14.1).
    UnpaddedProbes;
    /// Takes an address for validated by any token (RFC 9000 §8.1.3).
    TrustsAnyToken;
    /// Reads no further in a datagram behind a packet that cannot be opened (RFC 9000 §12.2).
    DropsBehindUnauthentic;
    /// Follows a key update that is not authentic (RFC 9001 §5.5).
    FollowsUnauthenticKeyUpdate;
    /// Closes because of cipher suites that it does not know (RFC 9001 §5.3).
    RefusesUnknownSuites;
    /// Probes in the same period again and again (RFC 9002 §6.2.1).
    NoBackoff;
    /// Does not pad datagrams with PATH_CHALLENGE (RFC 9000 §8.2.1).
    UnpaddedPathChallenges;
    /// Follows a client to a new address without validating it (RFC 9000 §9.3).
    MigratesUnvalidated;
    /// Closes because of reserved transport parameters (RFC 9000 §7.4.2).
    RefusesReservedParameters;
    /// Goes on with the keys of before a key update (RFC 9001 §6.2).
    NoKeyUpdate;
    /// Does not answer STOP_SENDING by RESET_STREAM (RFC 9000 §3.5).
    IgnoresStopSending;
    /// Retires no connection IDs (RFC 9000 §5.1.2).
    RetiresNoConnectionIds;
    /// Goes on with the keys of levels that are over (RFC 9001 §4.9).
    KeepsKeys;
    /// Throws away Handshake keys before the handshake is confirmed (RFC 9001 §4.9.2).
    LeavesHandshakeEarly;
    /// Does not confirm the handshake as a server (RFC 9000 §19.20).
    NoHandshakeDone;
    /// Issues more connection IDs than the peer takes (RFC 9000 §5.1.1).
    ManyConnectionIds;
    /// Stops working when a packet of a connection has another version (RFC 9000 §5.2.1).
    DiesOfOtherVersion;
    /// Processes packets that come again (RFC 9000 §12.3).
    ProcessesDuplicates;
    /// Gives no credit for what has come (RFC 9000 §4).
    NoCredit;
    /// Goes on after CONNECTION_CLOSE (RFC 9000 §10.2.2).
    TalksAfterClose;
    /// Says nothing to those who go on after its own CONNECTION_CLOSE (RFC 9000 §10.2.1).
    ClosesOnce;
    /// Goes on after a stateless reset (RFC 9000 §10.3.1).
    IgnoresReset;
    /// Never times out (RFC 9000 §10.1).
    NeverTimesOut;
    /// Follows no Retry (RFC 9000 §17.2.5).
    IgnoresRetry;
    /// Goes on when there is no common version (RFC 9000 §6.2).
    IgnoresVersionNegotiation;
    /// Gives up at any Version Negotiation packet (RFC 9000 §6.2).
    DiesOfVersionNegotiation;
    /// Gives up at any Retry packet (RFC 9000 §17.2.5.2).
    DiesOfRetry;
    /// Gives up at a second Retry packet (RFC 9000 §17.2.5.2).
    DiesOfSecondRetry;
    /// Chooses a destination connection ID of four bytes as a client (RFC 9000 §7.2).
    ShortDestination;
    /// Processes no datagram with packets to different connection IDs (RFC 9000 §12.2).
    DropsMixedDatagrams;
    /// Answers Initial packets that are not authentic (RFC 9001 §5.5).
    AnswersUnauthentic;
    /// Sends no Version Negotiation (RFC 9000 §6.1).
    NoVersionNegotiation;
    /// Sends two Version Negotiation packets for one (RFC 9000 §6.1).
    TwoVersionNegotiations;
    /// Does not swap the connection IDs in Version Negotiation (RFC 9000 §17.2.1).
    UnswappedVersionNegotiation;
    /// Cuts connection IDs of other versions to 20 bytes (RFC 8999 §6).
    CutVersionNegotiation;
    /// Sends Version Negotiation to small datagrams (RFC 9000 §5.2.2).
    VersionNegotiationToSmall;
    /// Answers Version Negotiation by Version Negotiation (RFC 9000 §6.1).
    VersionNegotiationToItself;
    /// Answers packets of version 1 with connection IDs of more than 20 bytes (RFC 9000 §17.2).
    AnswersLongConnectionIds;
    /// Sends stateless resets as large as what they answer (RFC 9000 §10.3.3).
    LargeReset;
    /// Sends stateless resets of 21 bytes to smaller packets (RFC 9000 §10.3.3).
    ResetToTiny;
    /// Stops working when a datagram is no packet (RFC 9000 §12.2).
    DiesOfNoise;
    /// Stops working instead of closing a connection.
    Crashes;
    /// Takes tickets of version 1 in version 2 (RFC 9369 §5).
    TakesTicketsOfOtherVersions;
    /// Answers nothing.
    Silent;
}

impl Fault {
    /// Answers the packets that an endpoint has processed from the `from`-th on.
    fn react(self, endpoint: &mut Endpoint, from: usize) {
        let refused = match self {
            Self::RefusesReservedParameters if has_reserved_parameters(endpoint) => {
                Some(TRANSPORT_PARAMETER_ERROR)
            }
            Self::RefusesUnknownSuites if has_reserved_suite(endpoint) => Some(HANDSHAKE_FAILURE),
            _ => None,
        };
        if let Some(code) = refused.filter(|_| endpoint.ended().is_none()) {
            endpoint.close(false, code, "");
        }
        // What is behind Finished shows that it has gone.
        let has_finished = endpoint.is_complete() && endpoint.next_number(Level::OneRtt) > 0;
        if self == Self::LeavesHandshakeEarly && has_finished {
            endpoint.discard(Level::Handshake);
        }
        let mut answers: Vec<Content> = Vec::new();
        let new = endpoint.received().iter().skip(from);
        for packet in new.filter(|packet| packet.is_processed && packet.level == Level::OneRtt) {
            match self {
                Self::AcknowledgesAcks if !packet.is_ack_eliciting() => {
                    let ack = Ack {
                        delay: 0,
                        ranges: vec![packet.number..=packet.number],
                        ecn: None,
                    };
                    answers.push(Frame::Ack(ack).into());
                }
                Self::WrongPathResponse => {
                    answers.extend(packet.frames().iter().filter_map(wrong_response));
                }
                Self::ManyConnectionIds if answers.is_empty() => {
                    let next = endpoint.connection_ids().local.len() as u64;
                    answers.extend((next..IDS_MANY).map(new_connection_id));
                }
                _ => {}
            }
        }
        if !answers.is_empty() {
            endpoint.send(one_rtt(answers));
        }
    }
}

/// Lets faults answer the packets that an endpoint has processed since; tells whether it crashes.
pub(crate) fn react(faults: &BTreeSet<Fault>, endpoint: &mut Endpoint, seen: &mut usize) -> bool {
    for fault in faults {
        fault.react(endpoint, *seen);
    }
    *seen = endpoint.received().len();
    let is_violated = endpoint.violation().is_some() || endpoint.tls_error().is_some();
    is_violated && faults.contains(&Fault::Crashes)
}

/// Connection IDs of an endpoint that issues too many.
const IDS_MANY: u64 = 12;

fn new_connection_id(sequence: u64) -> Content {
    let bytes = [&[0xee; 7][..], &[sequence as u8]].concat();
    Frame::NewConnectionId {
        sequence,
        retire_prior_to: 0,
        id: ConnectionId::new(&bytes).unwrap_or_default(),
        reset_token: [sequence as u8; 16],
    }
    .into()
}

/// TLS alert handshake_failure (RFC 8446 §6, RFC 9001 §4.8).
const HANDSHAKE_FAILURE: u64 = 0x128;

/// Tells whether the first cipher suite of the ClientHello is a reserved one (RFC 8701 §2), which
/// is followed by TLS_AES_128_GCM_SHA256.
fn has_reserved_suite(endpoint: &Endpoint) -> bool {
    let reserved_and_known = [0x1a, 0x1a, 0x13, 0x01];
    let mut initials = endpoint.record().at_level(Level::Initial);
    initials.any(|packet| {
        let mut windows = packet.payload.windows(reserved_and_known.len());
        windows.any(|window| window == reserved_and_known)
    })
}

/// RFC 9000 §18.1.
fn has_reserved_parameters(endpoint: &Endpoint) -> bool {
    let parameters = endpoint.peer_parameters();
    parameters.is_some_and(|parameters| parameters.iter().any(|(id, _)| id % 31 == 27))
}

/// Returns an answer to a path challenge with one bit that is wrong.
fn wrong_response(frame: &Frame<'_>) -> Option<Content> {
    let Frame::PathChallenge { mut data } = *frame else {
        return None;
    };
    data[0] ^= 1;
    Some(Frame::PathResponse { data }.into())
}
