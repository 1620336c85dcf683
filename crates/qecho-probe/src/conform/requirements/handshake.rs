//! The handshake and CRYPTO frames (RFC 9000 §7.2, §7.5, §19.6).

use std::{collections::BTreeSet, sync::Arc};

use qecho_packet::{
    close::{CRYPTO_BUFFER_EXCEEDED, FRAME_ENCODING_ERROR},
    wire::{Frame, INTEGER_MAX},
};
use qecho_peer::{
    packet::{Content, Packet, handshake, initial, one_rtt},
    tls::{
        ClientHello, Level, Message,
        extension_type::{SUPPORTED_GROUPS, SUPPORTED_VERSIONS},
    },
};

use crate::conform::{
    Connection, Expected, Finding, Judged, Run, Verdict,
    connection::not_reached,
    requirement::{Requirement, Side::Server, must, rfc},
};

const BUFFER: Expected = Expected::close(&[CRYPTO_BUFFER_EXCEEDED]);
const BUFFER_OR_ENCODING: Expected =
    Expected::close(&[CRYPTO_BUFFER_EXCEEDED, FRAME_ENCODING_ERROR]);
/// Bytes that CRYPTO data is ahead of all that a server keeps.
const FAR_AHEAD: u64 = 1 << 20;

/// A byte of a TLS message: that of a NewSessionTicket (RFC 8446 §4).
const KIND_OF_TICKETS: &[u8] = b"\x04";

pub(super) static ROWS: &[Requirement] = &[
    must("F32", Server, rfc(9000, "19.6"))
        .of_clients("C59")
        .text("CRYPTO data ends at 2^62-1 bytes: what is beyond closes the connection.")
        .stimulus("CRYPTO data beyond 2^62-1 in a Handshake packet")
        .expected("CRYPTO_BUFFER_EXCEEDED, or FRAME_ENCODING_ERROR")
        .script(|run| {
            // After the handshake it might be discarded unread (§7.5).
            let (offset, data) = (INTEGER_MAX, KIND_OF_TICKETS);
            run.before_finished(|_| {})?.expect(
                handshake([Frame::Crypto { offset, data }]),
                BUFFER_OR_ENCODING,
            )
        }),
    must("F33", Server, rfc(9000, "7.5"))
        .of_clients("C25")
        .text("CRYPTO data that there is no room for is acknowledged or closes the connection.")
        .stimulus("CRYPTO data 1 MB ahead of what was received, after the handshake")
        .expected("CRYPTO_BUFFER_EXCEEDED, or the packet is acknowledged")
        .script(|run| {
            run.open()?
                .expect(crypto(FAR_AHEAD), BUFFER.or_acknowledges())
        }),
    must("T18", Server, rfc(9000, "7.5"))
        .text("4096 bytes of CRYPTO data that come before those that precede them are kept.")
        .stimulus("ClientHello of 3 kB, its end first")
        .expected("the connection lives on")
        .script(a_client_hello_from_its_end),
    must("T20", Server, rfc(8446, "9.3"))
        .text("What is not known in a ClientHello is ignored.")
        .stimulus("ClientHello with an unknown extension, an unknown group and an unknown version")
        .expected("the connection lives on")
        .script(|run| run.client_hello(add_the_unknown, Expected::lives_on())),
    must("V35", Server, rfc(9000, "7.2"))
        .also(&[rfc(9000, "7.3")])
        .text("The source connection ID of a server stays what it is in long headers.")
        .stimulus("ClientHello of 3 kB in three packets, one after the other")
        .expected("one source connection ID in all packets of the handshake")
        .script(source_of_a_handshake),
];

/// Begins a connection with a large ClientHello; returns its three parts, each for a packet.
fn with_large_hello(run: &mut Run<'_>) -> Result<(Connection, Vec<Content>), Finding> {
    let edit = |message: &mut Message| {
        if let Message::ClientHello(hello) = message {
            let extension = (UNKNOWN_EXTENSION, vec![0; 2_600]);
            hello.extensions.insert(0, extension);
        }
    };
    let mut connection = run.client(|config| config.tls.edit = Some(Arc::new(edit)))?;
    let endpoint = connection.endpoint_mut();
    let parts = std::iter::from_fn(|| endpoint.take_crypto(Level::Initial));
    let parts = parts.collect();
    Ok((connection, parts))
}

fn a_client_hello_from_its_end(run: &mut Run<'_>) -> Judged {
    let (mut connection, parts) = with_large_hello(run)?;
    for part in parts.into_iter().rev() {
        connection.send(initial([part]));
    }
    let finding = connection.expect_of_handshake(Expected::lives_on())?;
    Ok(match connection.endpoint().closed() {
        // Whatever is before the server may look into first packets.
        None if finding.verdict == Verdict::Fail => Finding::new(Verdict::Note, finding.seen),
        _ => finding,
    })
}

/// Lets the server answer each part by itself.
fn source_of_a_handshake(run: &mut Run<'_>) -> Judged {
    let (mut connection, parts) = with_large_hello(run)?;
    for part in parts {
        connection.send(initial([part]));
        let quiet = connection.quiet() / 4;
        connection.settle(quiet);
    }
    connection.open();
    // Who has no room may refuse each packet anew, from another ID.
    if connection.endpoint().closed().is_some() {
        return Err(connection.not_reached_by_end());
    }
    let packets = connection.endpoint().record().packets.iter();
    let sources: BTreeSet<_> = packets
        .filter_map(|packet| Some(packet.header.source?.to_vec()))
        .collect();
    match sources.len() {
        0 => Err(not_reached("no answer")),
        1 => Ok(Finding::new(Verdict::Pass, "the same connection ID")),
        count => Ok(Finding::new(
            Verdict::Fail,
            format!("{count} connection IDs"),
        )),
    }
}

/// Adds to a ClientHello what is reserved so that nobody knows it (RFC 8701).
fn add_the_unknown(hello: &mut ClientHello) {
    const RESERVED: [u8; 2] = [0x2a, 0x2a];
    for (id, content) in &mut hello.extensions {
        // Behind the length of the list, in two bytes or one.
        let at = match *id {
            SUPPORTED_GROUPS => 2,
            SUPPORTED_VERSIONS => 1,
            _ => continue,
        };
        content.splice(at..at, RESERVED);
        content[at - 1] += RESERVED.len() as u8;
    }
    hello
        .extensions
        .insert(0, (u16::from_be_bytes(RESERVED), vec![0]));
}

/// An extension that is reserved so that nobody knows it (RFC 8701).
const UNKNOWN_EXTENSION: u16 = 0x3a3a;

/// A byte of CRYPTO data after the handshake.
fn crypto(offset: u64) -> Packet {
    let data = KIND_OF_TICKETS;
    one_rtt([Frame::Crypto { offset, data }])
}
