//! DATAGRAM frames and the greased bit (RFC 9221, RFC 9287).

use std::sync::Arc;

use qecho_packet::{
    TransportParameters,
    close::{FRAME_ENCODING_ERROR, PROTOCOL_VIOLATION, TRANSPORT_PARAMETER_ERROR},
    wire::Frame,
};
use qecho_peer::{
    packet::{one_rtt, raw},
    script::Reaction,
};

use super::parameters::set;
use crate::conform::{
    Expected, Finding, Judged, Run, Verdict,
    connection::not_applicable,
    requirement::{Need, Requirement, Side::Server, must, rfc, should},
};

/// Bytes of an empty DATAGRAM frame that tells its length.
const EMPTY_DATAGRAM: u64 = 2;

pub(super) static ROWS: &[Requirement] = &[
    should("F47", Server, rfc(9221, "3"))
        .of_clients("C71")
        .also(&[rfc(9221, "4"), rfc(9000, "11")])
        .text("An error such as a length that the packet does not have is told to the peer.")
        .stimulus("DATAGRAM whose length goes beyond the packet")
        .expected("FRAME_ENCODING_ERROR, or PROTOCOL_VIOLATION where DATAGRAM was not announced")
        .script(a_datagram_frame_beyond_its_packet),
    should("F48", Server, rfc(9221, "4"))
        .of_clients("C72")
        .needs(&[Need::Datagram])
        .text("A DATAGRAM frame may be empty.")
        .stimulus("Empty DATAGRAM")
        .expected("the connection lives on")
        .script(an_empty_datagram),
    must("F51", Server, rfc(9221, "3"))
        .of_clients("C75")
        .text("A DATAGRAM frame larger than announced closes the connection.")
        .stimulus("DATAGRAM larger than max_datagram_frame_size, or where none was announced")
        .expected("PROTOCOL_VIOLATION, or FRAME_ENCODING_ERROR where none was announced")
        .script(a_datagram_frame_that_is_too_large),
    must("P18", Server, rfc(9287, "3"))
        .of_clients("C100")
        .text("grease_quic_bit has no value; where it is known, one closes the connection.")
        .stimulus("grease_quic_bit with a value")
        .expected("TRANSPORT_PARAMETER_ERROR, or the connection lives on")
        .script(grease_with_value),
    must("V18", Server, rfc(9287, "3"))
        .of_clients("C112")
        .text("Who announces grease_quic_bit takes packets whose fixed bit is 0.")
        .stimulus("1-RTT packet whose fixed bit is 0, where grease_quic_bit was announced")
        .expected("acknowledged")
        .script(|run| {
            let mut connection = run.open()?;
            if !connection.has_parameter(TransportParameters::GREASE_QUIC_BIT) {
                return Err(not_applicable("the peer does not announce grease_quic_bit"));
            }
            let packet = one_rtt([Frame::Ping]).without_fixed_bit();
            let expected = Expected::close(&[]).or_acknowledges();
            Ok(match connection.reaction_to(packet) {
                // Something between may drop what has no fixed bit.
                Reaction::LivesOn {
                    is_acknowledged: false,
                } => Finding::new(
                    Verdict::Note,
                    "not acknowledged, and the connection lives on",
                ),
                other => connection.judge(&other, expected),
            })
        }),
];

/// Who does not know the parameter ignores it, whatever its value is.
fn grease_with_value(run: &mut Run<'_>) -> Judged {
    let id = TransportParameters::GREASE_QUIC_BIT;
    let mut connection = run.begin(|settings| {
        *settings.edit_parameters = Some(Arc::new(move |all| set(all, id, &[1])));
    })?;
    let expected = Expected::close(&[TRANSPORT_PARAMETER_ERROR]);
    let finding = connection.expect_of_handshake(expected)?;
    match finding.verdict == Verdict::Fail && !connection.has_parameter(id) {
        true => Err(not_applicable("the peer does not announce grease_quic_bit")),
        false => Ok(finding),
    }
}

fn a_datagram_frame_beyond_its_packet(run: &mut Run<'_>) -> Judged {
    let mut connection = run.open()?;
    let announced = connection.parameter(TransportParameters::MAX_DATAGRAM_FRAME_SIZE);
    let expected = match announced {
        0 => Expected::close(&[FRAME_ENCODING_ERROR, PROTOCOL_VIOLATION]),
        _ => Expected::close(&[FRAME_ENCODING_ERROR]),
    };
    let (with_length, length) = (0x31, 0x30);
    connection.expect(one_rtt([raw([with_length, length, b'a'])]), expected)
}

fn an_empty_datagram(run: &mut Run<'_>) -> Judged {
    let mut connection = run.open()?;
    let announced = connection.parameter(TransportParameters::MAX_DATAGRAM_FRAME_SIZE);
    if announced < EMPTY_DATAGRAM {
        return Err(not_applicable("the peer takes no DATAGRAM frames"));
    }
    connection.expect(
        one_rtt([Frame::Datagram { data: b"" }]),
        Expected::lives_on(),
    )
}

fn a_datagram_frame_that_is_too_large(run: &mut Run<'_>) -> Judged {
    /// Bytes that fit into a datagram in any case.
    const FRAME_MAX: u64 = 1_100;
    let mut connection = run.open()?;
    let announced = connection.parameter(TransportParameters::MAX_DATAGRAM_FRAME_SIZE);
    if announced > FRAME_MAX {
        return Err(not_applicable(format!(
            "the peer takes {announced} bytes, more than a datagram has"
        )));
    }
    let expected = match announced {
        // To a peer that knows no DATAGRAM frames, this is an unknown one.
        0 => Expected::close(&[PROTOCOL_VIOLATION, FRAME_ENCODING_ERROR]),
        _ => Expected::close(&[PROTOCOL_VIOLATION]),
    };
    let data = vec![0xa5; announced as usize];
    connection.expect(one_rtt([Frame::Datagram { data: &data }]), expected)
}
