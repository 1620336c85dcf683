//! Clients that come again with 0-RTT, in the right way and in wrong ones.

use qecho_packet::{StreamId, wire::Frame};
use qecho_peer::{
    endpoint::Endpoint,
    packet::{early_data, one_rtt},
    rules::Rule,
};

use crate::{
    Mutant,
    client_mutants::fails,
    client_subject::{Guest, good_client},
};

pub(crate) fn mutants() -> Vec<Mutant> {
    let early = resuming(send_early);
    vec![
        fails(
            "C143",
            Guest {
                ignored_rules: &[Rule::ReducedParameters],
                ..early
            },
        ),
        fails("C144", resuming(send_much)),
        fails("C145", resuming(send_what_must_not_be)),
        fails(
            "C146",
            Guest {
                application: go_on,
                ..early
            },
        ),
        fails(
            "C147",
            Guest {
                application: send_early_at_last,
                ..early
            },
        ),
    ]
}

pub(crate) fn suited(id: &str) -> Option<Guest> {
    match id {
        "C143" | "C144" | "C145" | "C147" => Some(resuming(send_early)),
        "C146" => Some(Guest {
            application: begin_anew,
            ..resuming(send_early)
        }),
        _ => None,
    }
}

/// A client that resumes, and sends something in 0-RTT.
fn resuming(send: fn(&mut Endpoint)) -> Guest {
    Guest {
        resumes: Some(send),
        ..good_client()
    }
}

fn data(offset: u64, data: &[u8]) -> Frame<'_> {
    let (id, fin) = (StreamId::from_value(0), false);
    Frame::Stream {
        id,
        offset,
        fin,
        data,
    }
}

/// Sends two bytes on a stream, and a DATAGRAM frame.
fn send_early(endpoint: &mut Endpoint) {
    // One of them may be lost.
    for _ in 0..2 {
        endpoint.send(early_data([data(0, b"hi"), Frame::Datagram { data: b"hi" }]).once());
    }
}

fn send_much(endpoint: &mut Endpoint) {
    endpoint.send(early_data([data(0, b"hello")]).once());
}

fn send_what_must_not_be(endpoint: &mut Endpoint) {
    let data = [7; 8];
    endpoint.send(early_data([Frame::PathResponse { data }]).once());
}

/// Goes on behind the data in 0-RTT.
fn go_on(endpoint: &mut Endpoint) {
    send_later(endpoint, 2);
}

fn begin_anew(endpoint: &mut Endpoint) {
    send_later(endpoint, 0);
}

/// Sends data in 1-RTT once the handshake is complete.
fn send_later(endpoint: &mut Endpoint, offset: u64) {
    let datagrams = endpoint.record().datagrams.len();
    if endpoint.is_complete() && datagrams < DATAGRAMS_MAX {
        endpoint.send(one_rtt([data(offset, b"hi")]).once());
    }
}

fn send_early_at_last(endpoint: &mut Endpoint) {
    let datagrams = endpoint.record().datagrams.len();
    if endpoint.is_confirmed() && datagrams < DATAGRAMS_MAX {
        endpoint.send(early_data([Frame::Ping]).once());
    }
}

/// Datagrams of a connection after which nothing is sent again that may be lost.
const DATAGRAMS_MAX: usize = 40;
