//! The steps of an echo, and what is to be said of each.

use qecho_packet::{
    Dir, Side,
    trace::{AnnotatedFrame, Connection, Datagram, PacketContent},
    wire::{Frame, PacketType},
};

use super::super::lines::sender;

/// Largest datagram that every path for QUIC carries (RFC 9000 §14).
const DATAGRAM_SURE: usize = 1_200;

/// Declares the steps, each with the words that say what it is and where that is
/// written.
macro_rules! steps {
    ($($step:ident: $explanation:literal;)*) => {
        /// Something that is explained once.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(super) enum Step { $($step),* }

        impl Step {
            /// Says what it is and where that is written.
            pub(super) fn explanation(self) -> &'static str {
                match self { $(Self::$step => $explanation),* }
            }
        }
    };
}

steps! {
    ClientHello: "The client begins: an Initial packet carries TLS's ClientHello, and its datagram is filled to 1,200 bytes or more, so that the path proves wide enough and a forged address gains an attacker little (RFC 9000 §14.1, §8.1).";
    Retry: "Retry asks the client to prove its address: it comes again with this token (RFC 9000 §8.1.2).";
    Coalesced: "One datagram carries several packets, each under keys of its own, so that the handshake takes fewer datagrams (RFC 9000 §12.2).";
    ServerHello: "The server answers with its ServerHello: now both ends can compute keys that nobody who listens on the path can, while anybody there can open Initial packets (RFC 8446 §4.1.3, RFC 9001 §5.2).";
    EncryptedExtensions: "Nobody who listens can open Handshake packets. EncryptedExtensions tells the agreed ALPN and the server's transport parameters, which say how much it is ready to take (RFC 9001 §8.1, §8.2).";
    Certificate: "Certificate says who the server is, and CertificateVerify proves it: a signature over the handshake so far, by the certificate's key (RFC 8446 §4.4.2, §4.4.3).";
    ServerFinished: "Finished ends the server's part of the handshake: a code over all messages so far shows that nobody has changed one (RFC 8446 §4.4.4).";
    ClientFinished: "The client has checked all that and sends its own Finished: for it, the handshake is complete (RFC 9001 §4.1.1).";
    OneRtt: "1-RTT packets are what the handshake was for: they have a short header and carry the application's data (RFC 9000 §17.3.1).";
    HandshakeDone: "HANDSHAKE_DONE tells the client that the server has its Finished: the handshake is confirmed, and its keys are thrown away (RFC 9001 §4.1.2, §4.9.2).";
    NewConnectionId: "NEW_CONNECTION_ID hands out spare connection IDs, so that the peer can move to another path without being recognised there by the old one (RFC 9000 §5.1.1, §9.5).";
    RetireConnectionId: "RETIRE_CONNECTION_ID says that its sender uses one of the peer's connection IDs no more; the peer may hand out another (RFC 9000 §5.1.2).";
    NewSessionTicket: "NewSessionTicket lets the client resume this session later, without a certificate (RFC 8446 §4.6.1, RFC 9001 §4.5).";
    NewToken: "NEW_TOKEN is for a later connection: with it, the client's first packet proves its address (RFC 9000 §8.1.3).";
    MtuProbe: "PING and PADDING in a datagram beyond 1,200 bytes probe whether the path carries larger ones; nothing else is lost with a probe (RFC 9000 §14.3, §14.4).";
    ImmediateAck: "IMMEDIATE_ACK, of an extension, asks the peer to acknowledge at once (draft-ietf-quic-ack-frequency).";
    Stream: "The client sends on a bidirectional stream, which its first STREAM frame opens; the frame says where in the stream its bytes belong (RFC 9000 §2.1, §19.8).";
    StreamEcho: "The echo: the server sends what it has received back on the same stream (RFC 9000 §2.1).";
    Unidirectional: "This stream is unidirectional: only the client, which has opened it, can send on it (RFC 9000 §2.1).";
    UnidirectionalEcho: "So its echo comes on a unidirectional stream that the server opens (RFC 9000 §2.1).";
    Fin: "FIN marks the end of what its sender sends on the stream (RFC 9000 §19.8).";
    Datagram: "A DATAGRAM frame belongs to no stream, and QUIC does not send it again if its packet is lost (RFC 9221 §5, §5.2).";
    DatagramEcho: "Its echo is a DATAGRAM frame as well (RFC 9221 §4).";
    Ack: "ACK names the packets that have arrived; what a lost one carried is sent again, if it still matters, in a packet with a new number (RFC 9000 §13.2, §13.3).";
    Probe: "No answer has come in time, so the same is sent again as a probe, before anybody knows whether it was lost (RFC 9002 §6.2.4).";
    FlowControl: "MAX_DATA and MAX_STREAM_DATA allow the peer to send more; it never sends more than was allowed (RFC 9000 §4.1).";
    MaxStreams: "MAX_STREAMS allows the peer to open more streams (RFC 9000 §4.6).";
    ConnectionClose: "CONNECTION_CLOSE ends the connection with all its streams at once, and says why (RFC 9000 §10.2, §19.19).";
}

/// Returns the steps that a packet of a datagram takes, in the order in which
/// they are best explained.
pub(super) fn of(connection: &Connection, datagram: &Datagram<'_>, index: usize) -> Vec<Step> {
    let packet = &datagram.packets[index];
    let (Some(header), None) = (packet.header, packet.dropped) else {
        return Vec::new();
    };
    let from = sender(connection, datagram.direction);
    let mut steps = Vec::new();
    if index == 0 && is_coalesced(datagram) {
        steps.push(Step::Coalesced);
    }
    match header.packet_type {
        PacketType::OneRtt if packet.content.is_some() => steps.push(Step::OneRtt),
        PacketType::Retry => steps.push(Step::Retry),
        _ => {}
    }
    let Some(content) = &packet.content else {
        return steps;
    };
    if is_mtu_probe(content, datagram.size) {
        steps.push(Step::MtuProbe);
        let mut frames = content.frames.iter().map(|noted| &noted.frame);
        steps.extend(
            frames
                .any(|frame| *frame == Frame::ImmediateAck)
                .then_some(Step::ImmediateAck),
        );
        return steps;
    }
    for noted in &content.frames {
        of_frame(from, noted, &mut steps);
    }
    // What answers is of more interest than what it answers to.
    steps.sort_by_key(|step| *step == Step::Ack);
    steps
}

/// Tells whether there are packets under different keys.
fn is_coalesced(datagram: &Datagram<'_>) -> bool {
    let mut kinds = datagram
        .packets
        .iter()
        .filter(|packet| packet.content.is_some())
        .filter_map(|packet| packet.header)
        .map(|header| header.packet_type);
    let first = kinds.next();
    kinds.any(|kind| Some(kind) != first)
}

/// RFC 9000 §14.4: a probe may be nothing but PING and PADDING.
fn is_mtu_probe(content: &PacketContent<'_>, size: usize) -> bool {
    let frames = || content.frames.iter().map(|noted| &noted.frame);
    size > DATAGRAM_SURE
        && frames().any(|frame| *frame == Frame::Ping)
        && frames().any(|frame| matches!(frame, Frame::Padding { .. }))
        && frames().all(|frame| {
            matches!(
                frame,
                Frame::Ping | Frame::Padding { .. } | Frame::ImmediateAck
            )
        })
}

fn of_frame(from: Side, noted: &AnnotatedFrame<'_>, steps: &mut Vec<Step>) {
    if noted.retransmission_of.is_some_and(|again| !again.lost) {
        steps.push(Step::Probe);
    }
    match &noted.frame {
        Frame::Crypto { .. } => {
            let names = noted.tls.iter().map(|message| message.name);
            steps.extend(names.filter_map(|name| of_message(from, name)));
        }
        Frame::Stream { id, fin, data, .. } => {
            if !data.is_empty() {
                steps.extend(of_stream(from, id.initiator(), id.direction()));
            }
            steps.extend(fin.then_some(Step::Fin));
        }
        frame => steps.extend(of_control(from, frame)),
    }
}

fn of_message(from: Side, name: &str) -> Option<Step> {
    Some(match (name, from) {
        ("ClientHello", Side::Client) => Step::ClientHello,
        ("ServerHello", Side::Server) => Step::ServerHello,
        ("EncryptedExtensions", Side::Server) => Step::EncryptedExtensions,
        ("Certificate" | "CertificateVerify", Side::Server) => Step::Certificate,
        ("Finished", Side::Server) => Step::ServerFinished,
        ("Finished", Side::Client) => Step::ClientFinished,
        ("NewSessionTicket", Side::Server) => Step::NewSessionTicket,
        _ => return None,
    })
}

fn of_stream(from: Side, initiator: Side, direction: Dir) -> Option<Step> {
    match (direction, initiator, from) {
        (Dir::Bidirectional, Side::Client, Side::Client) => Some(Step::Stream),
        (Dir::Bidirectional, Side::Client, Side::Server) => Some(Step::StreamEcho),
        (Dir::Unidirectional, Side::Client, Side::Client) => Some(Step::Unidirectional),
        (Dir::Unidirectional, Side::Server, Side::Server) => Some(Step::UnidirectionalEcho),
        _ => None,
    }
}

fn of_control(from: Side, frame: &Frame<'_>) -> Option<Step> {
    Some(match (frame, from) {
        (Frame::HandshakeDone, _) => Step::HandshakeDone,
        (Frame::NewConnectionId { .. }, _) => Step::NewConnectionId,
        (Frame::RetireConnectionId { .. }, _) => Step::RetireConnectionId,
        (Frame::NewToken { .. }, _) => Step::NewToken,
        (Frame::Datagram { .. }, Side::Client) => Step::Datagram,
        (Frame::Datagram { .. }, Side::Server) => Step::DatagramEcho,
        (Frame::Ack(_), _) => Step::Ack,
        (Frame::MaxData { .. } | Frame::MaxStreamData { .. }, _) => Step::FlowControl,
        (Frame::MaxStreams { .. }, _) => Step::MaxStreams,
        (Frame::ConnectionClose { .. }, _) => Step::ConnectionClose,
        _ => return None,
    })
}
