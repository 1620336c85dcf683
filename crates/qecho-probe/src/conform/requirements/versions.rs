//! Version negotiation (RFC 8999, RFC 9000 §5.2, §6, §17.2.1, RFC 9368).

use std::{collections::BTreeSet, sync::Arc};

use qecho_packet::{
    TransportParameters,
    close::{TRANSPORT_PARAMETER_ERROR, VERSION_NEGOTIATION_ERROR},
    text::counted,
    wire::{ConnectionId, Frame, PacketType, packets, write_integer},
};
use qecho_peer::{
    endpoint::{VERSION_1, version_negotiation as answer_of_versions},
    packet::handshake,
};

use super::parameters::set;
use crate::conform::{
    Expected, Finding, Judged, Run, Verdict,
    attempts::{ATTEMPTS, judge_ignored, kind_words, packet_type},
    connection::{not_applicable, not_reached},
    expected::close_words,
    requirement::{
        Requirement,
        Side::{Client, Server},
        must, rfc, should,
    },
};

pub(super) static ROWS: &[Requirement] = &[
    must("V01", Server, rfc(9000, "17.2.1"))
        .also(&[rfc(9000, "5.2.2"), rfc(9000, "6.1")])
        .text("Version Negotiation has both IDs swapped and comes at most once for a datagram.")
        .stimulus("Unknown version in 1200 bytes")
        .expected("one Version Negotiation packet, the IDs swapped")
        .script(|run| {
            let finding = version_negotiation(run, like_an_initial_packet, 8, 8)?;
            finding.ok_or_else(|| not_applicable("no Version Negotiation, which N01 judges"))
        }),
    should("N01", Server, rfc(9000, "5.2.2"))
        .also(&[rfc(9000, "6.1")])
        .text("A packet of an unknown version is answered by Version Negotiation.")
        .stimulus("Unknown version in 1200 bytes")
        .expected("a Version Negotiation packet; a server may limit how many it sends")
        .script(unknown_version_is_answered),
    must("V02", Server, rfc(9000, "5.2.2"))
        .text("A small packet of an unknown version is dropped.")
        .stimulus("Unknown version in 1199 bytes")
        .expected("no answer, or none to 600 bytes if some version begins in fewer than 1200")
        .script(small_packets),
    must("V03", Server, rfc(9000, "6.1"))
        .text("A Version Negotiation packet is never answered by another one.")
        .stimulus("Version Negotiation packet to the server")
        .expected("no answer")
        // Behind 23 bytes of header there is a whole number of versions.
        .script(|run| {
            let connection = run.sent_twice(&long_header(0, &[0xd1; 8], &[0x51; 8], 1_203))?;
            Ok(judge_answers_to_version_negotiation(&connection.answers()))
        }),
    should("V04", Server, rfc(9000, "17.2"))
        .also(&[rfc(9000, "17.2.1"), rfc(8999, "6")])
        .text("Connection IDs that version 1 does not have are read in packets of other versions.")
        .stimulus("Unknown version with connection IDs of 30 and 25 bytes")
        .expected("one Version Negotiation packet, the connection IDs swapped")
        .script(long_ids_are_read),
    // §17.2.1 demands both IDs as they came, whatever their length; to read long ones is a SHOULD
    // of §17.2, so that a server may be silent to them (V04), but not answer with others.
    must("V38", Server, rfc(8999, "6"))
        .also(&[rfc(9000, "17.2.1")])
        .text("Version Negotiation has both connection IDs whole, however long they are.")
        .stimulus("Unknown version with connection IDs of 30 and 25 bytes")
        .expected("no answer, or Version Negotiation with the connection IDs swapped")
        .script(
            |run| match version_negotiation(run, like_an_initial_packet, 30, 25)? {
                Some(finding) if finding.seen == OTHER_IDS => Ok(finding),
                Some(finding) if finding.verdict != Verdict::Note => Ok(Finding::new(
                    Verdict::Pass,
                    "Version Negotiation, the connection IDs swapped",
                )),
                _ => Err(not_applicable("no Version Negotiation, which V04 judges")),
            },
        ),
    must("P19", Server, rfc(9368, "4"))
        .of_clients("C101")
        .text("version_information that cannot be read closes the connection, where it is known.")
        .stimulus("version_information of 7 bytes")
        .expected("TRANSPORT_PARAMETER_ERROR, where the peer has version_information, too")
        .script(|run| refuses_versions(run, &[0, 0, 0, 1, 0, 0, 0], TRANSPORT_PARAMETER)),
    must("P20", Server, rfc(9368, "4"))
        .text("version_information chooses the version in use, where it is known.")
        .stimulus("version_information whose chosen version is another one")
        .expected("VERSION_NEGOTIATION_ERROR, where the server has version_information, too")
        .script(|run| {
            let other = version_information(&[VERSION_2, 1, VERSION_2]);
            refuses_versions(run, &other, Expected::close(&[VERSION_NEGOTIATION_ERROR]))
        }),
    must("P21", Server, rfc(9368, "4"))
        .of_clients("C102")
        .text("There is no version 0 in version_information, where that is known.")
        .stimulus("version_information with version 0")
        .expected("TRANSPORT_PARAMETER_ERROR, where the peer has version_information, too")
        .script(|run| refuses_versions(run, &version_information(&[1, 1, 0]), TRANSPORT_PARAMETER)),
    must("P26", Server, rfc(9368, "4"))
        .text("A chosen version that is not available cannot be read, where that is known.")
        .stimulus("version_information whose chosen version is not among the available ones")
        .expected("TRANSPORT_PARAMETER_ERROR, where the server has version_information, too")
        .script(|run| {
            let other = version_information(&[1, UNKNOWN_VERSION]);
            refuses_versions(run, &other, TRANSPORT_PARAMETER)
        }),
    must("C11", Client, rfc(9368, "4"))
        .text("The server's version_information chooses the version in use, where it is known.")
        .stimulus("Server whose version_information chooses a version that was not offered")
        .expected(
            "VERSION_NEGOTIATION_ERROR, or TRANSPORT_PARAMETER_ERROR, of a client that has it",
        )
        .script(|run| {
            let other = version_information(&[UNKNOWN_VERSION, 1, UNKNOWN_VERSION]);
            let codes = &[TRANSPORT_PARAMETER_ERROR, VERSION_NEGOTIATION_ERROR];
            refuses_versions(run, &other, Expected::close(codes))
        }),
    must("C30", Client, rfc(9000, "6.2"))
        .text("A Version Negotiation packet that lists the version in use is discarded.")
        .stimulus("Version Negotiation packet with the version in use")
        .expected("the handshake goes on")
        .script(|run| {
            run.goes_on_after(|first| answer_of_versions(first, &[UNKNOWN_VERSION, VERSION_1]))
        }),
    should("C31", Client, rfc(9000, "5.2.1"))
        .also(&[rfc(8999, "6"), rfc(9000, "17.2.1")])
        .text("A packet to another connection ID, such as Version Negotiation, is discarded.")
        .stimulus("Version Negotiation packet with foreign connection IDs")
        .expected("the handshake goes on")
        .script(|run| {
            run.goes_on_after(|first| {
                let foreign = ConnectionId::new(&[0xa5; 8]).unwrap_or_default();
                let mut other = first.clone();
                (other.destination, other.source) = (foreign, Some(foreign));
                answer_of_versions(&other, &[UNKNOWN_VERSION])
            })
        }),
    must("C32", Client, rfc(9000, "6.2"))
        .text("A client that knows one version gives up if Version Negotiation lacks it.")
        .stimulus("Version Negotiation packet without a common version")
        .expected("the client gives up")
        .script(no_common_version),
    must("C124", Client, rfc(9000, "6.2"))
        .text("Version Negotiation after a packet of the server that was processed is discarded.")
        .stimulus("Version Negotiation packet without a common version after ServerHello")
        .expected("the handshake goes on")
        .script(|run| {
            let mut connection = run.with_server_hello()?;
            let first = connection.first_header()?;
            connection.goes_on_after(&[answer_of_versions(&first, &[UNKNOWN_VERSION])])
        }),
    must("C125", Client, rfc(9000, "5.2.1"))
        .text("A packet of another version than the client has chosen is discarded.")
        .stimulus("Handshake packet that is right but for its version")
        .expected("it is not acknowledged, and the connection lives on")
        .script(|run| {
            let other = handshake([Frame::Ping]).version(UNKNOWN_VERSION);
            run.before_finished(|_| {})?
                .expect(other, Expected::discards())
        }),
];

const TRANSPORT_PARAMETER: Expected = Expected::close(&[TRANSPORT_PARAMETER_ERROR]);

/// Sends version_information that has to be refused by whoever knows it, as a peer does that sends
/// one itself (RFC 9368 §4); for others it is an unknown parameter.
fn refuses_versions(run: &mut Run<'_>, value: &[u8], expected: Expected) -> Judged {
    let id = TransportParameters::VERSION_INFORMATION;
    let value = value.to_vec();
    let mut connection = run.begin(|settings| {
        *settings.edit_parameters = Some(Arc::new(move |all| set(all, id, &value)));
    })?;
    let finding = connection.expect_of_handshake(expected)?;
    match finding.verdict == Verdict::Fail && !connection.has_parameter(id) {
        true => Err(not_applicable("the peer sends no version_information")),
        false => Ok(finding),
    }
}

/// Sends an unknown version with anything behind the connection IDs (RFC 9000 §5.2.2), and where
/// that is not answered, with what reads like version 1.
fn unknown_version_is_answered(run: &mut Run<'_>) -> Judged {
    let pass = || Ok(Finding::new(Verdict::Pass, "Version Negotiation"));
    if version_negotiation(run, long_header, 8, 8)?.is_some() {
        return pass();
    }
    if version_negotiation(run, like_an_initial_packet, 8, 8)?.is_none() {
        let seen = "no Version Negotiation in this run; a server may limit how many it sends";
        return Ok(Finding::new(Verdict::Fail, seen));
    }
    // It may have been a limit, which is over now.
    if version_negotiation(run, long_header, 8, 8)?.is_some() {
        return pass();
    }
    Ok(Finding::new(
        Verdict::Note,
        "Version Negotiation came only where all behind the connection IDs reads like version 1",
    ))
}

/// Sends an unknown version with long connection IDs, between others that must be answered.
fn long_ids_are_read(run: &mut Run<'_>) -> Judged {
    let form = like_an_initial_packet;
    if version_negotiation(run, form, 8, 8)?.is_none() {
        return Err(not_applicable(
            "no Version Negotiation, whatever the connection IDs",
        ));
    }
    if let Some(finding) = version_negotiation(run, form, 30, 25)? {
        return Ok(finding);
    }
    match version_negotiation(run, form, 8, 8)? {
        Some(_) => Ok(Finding::new(
            Verdict::Fail,
            "no Version Negotiation for long connection IDs, before and after it for short ones",
        )),
        None => Err(not_reached(
            "no Version Negotiation any more, of which a server may limit how many it sends",
        )),
    }
}

/// Judges what has come for Version Negotiation: nothing else that answers it is forbidden.
fn judge_answers_to_version_negotiation(answers: &[&[u8]]) -> Finding {
    let is_forbidden =
        |answer: &&&[u8]| packet_type(answer) == Some(PacketType::VersionNegotiation);
    match (answers.iter().find(is_forbidden), answers.first()) {
        (None, None) => Finding::new(Verdict::Pass, "no answer"),
        (Some(answer), _) => {
            Finding::new(Verdict::Fail, format!("answered by {}", kind_words(answer)))
        }
        (None, Some(answer)) => {
            Finding::new(Verdict::Note, format!("answered by {}", kind_words(answer)))
        }
    }
}

/// Answers a client by Version Negotiation without a version that it speaks, again and again as
/// that may be lost; then goes on with the handshake, in which it has no part any more.
fn no_common_version(run: &mut Run<'_>) -> Judged {
    let mut connection = run.held_back(|_| {})?;
    let first = connection.first_header()?;
    for _ in 0..ATTEMPTS {
        let count = connection.answers().len();
        connection.send_raw(&answer_of_versions(&first, &[UNKNOWN_VERSION]));
        let quiet = connection.quiet();
        connection.wait_for_datagram(count, quiet);
    }
    connection.let_go();
    let patience = connection.patience / 2;
    let goes_on = connection.wait_for(|endpoint| endpoint.is_complete(), patience);
    Ok(match (goes_on, connection.endpoint().closed()) {
        (true, _) => Finding::new(Verdict::Fail, "the handshake goes on"),
        (false, Some(close)) => Finding::new(Verdict::Pass, close_words(close)),
        (false, None) => Finding::new(Verdict::Pass, "the client gives up"),
    })
}

/// A version that is reserved so that nobody speaks it (RFC 9000 §15).
pub(super) const UNKNOWN_VERSION: u32 = 0x1a2a_3a4a;
/// QUIC version 2 (RFC 9369).
const VERSION_2: u32 = 0x6b33_43cf;

/// Words for what breaks RFC 8999 §6 in a Version Negotiation packet.
const OTHER_IDS: &str =
    "Version Negotiation whose connection IDs are not those of the packet, swapped";
const CUT_VERSIONS: &str = "Version Negotiation whose list of versions is empty or cut off";

/// Returns the value of version_information (RFC 9368 §3): the version that is chosen, and those
/// that are available.
fn version_information(versions: &[u32]) -> Vec<u8> {
    let versions = versions.iter();
    versions.flat_map(|version| version.to_be_bytes()).collect()
}

/// Returns a datagram of a version with two connection IDs, of so many bytes.
type Form = fn(u32, &[u8], &[u8], usize) -> Vec<u8>;

/// Returns a datagram of a long header (RFC 8999 §5.1), with bytes behind it that mean nothing.
pub(super) fn long_header(version: u32, destination: &[u8], source: &[u8], size: usize) -> Vec<u8> {
    let mut datagram = connection_ids(version, destination, source);
    datagram.resize(size, 0x5a);
    datagram
}

/// The same, but as an Initial packet of version 1 without a token (RFC 9000 §17.2.2): some read
/// all of that before they look at the version.
fn like_an_initial_packet(version: u32, destination: &[u8], source: &[u8], size: usize) -> Vec<u8> {
    /// Bytes in which the length is told.
    const LENGTH: usize = 2;
    let mut datagram = connection_ids(version, destination, source);
    datagram.push(0);
    let rest = size - datagram.len() - LENGTH;
    write_integer(&mut datagram, rest as u64);
    datagram.resize(size, 0x5a);
    datagram
}

fn connection_ids(version: u32, destination: &[u8], source: &[u8]) -> Vec<u8> {
    let mut datagram = vec![0xc3];
    datagram.extend(version.to_be_bytes());
    for id in [destination, source] {
        datagram.push(id.len() as u8);
        datagram.extend(id);
    }
    datagram
}

/// Sends long headers of a version to a connection ID, whatever is behind them, to which nothing
/// may be answered.
pub(super) fn is_ignored(
    run: &mut Run<'_>,
    version: u32,
    destination: &[u8],
    size: usize,
) -> Judged {
    let answer = first_answer(run, version, destination, size)?;
    Ok(judge_ignored(answer.as_deref()))
}

/// Sends long headers of a version to a connection ID, whatever is behind them; returns what is
/// answered first, if anything is.
fn first_answer(
    run: &mut Run<'_>,
    version: u32,
    destination: &[u8],
    size: usize,
) -> Result<Option<Vec<u8>>, Finding> {
    let forms: [Form; 2] = [long_header, like_an_initial_packet];
    for form in forms {
        let connection = run.sent_twice(&form(version, destination, &[0x51; 8], size))?;
        if let Some(answer) = connection.answers().first() {
            return Ok(Some(answer.to_vec()));
        }
    }
    Ok(None)
}

/// Sends small packets of an unknown version. A server may speak one whose first packets are
/// smaller than those of version 1 (RFC 9000 §5.2.2), but none begins in 600 bytes.
fn small_packets(run: &mut Run<'_>) -> Judged {
    let mut answer_to = |size| first_answer(run, UNKNOWN_VERSION, &[0xd1; 8], size);
    let answer = answer_to(1_199)?;
    if !answer.as_deref().is_some_and(lists_another_version) {
        return Ok(judge_ignored(answer.as_deref()));
    }
    let finding = judge_ignored(answer_to(600)?.as_deref());
    Ok(match finding.verdict {
        Verdict::Pass => Finding::new(
            Verdict::Pass,
            "no answer to 600 bytes, and some version may begin in fewer than 1200",
        ),
        _ => finding,
    })
}

/// Tells whether Version Negotiation lists a version that is neither of an RFC nor of its drafts,
/// nor reserved (RFC 9000 §15).
fn lists_another_version(answer: &[u8]) -> bool {
    let is_known = |version: u32| {
        matches!(version, VERSION_1 | VERSION_2)
            || version >> 8 == 0x00ff_0000
            || version & 0x0f0f_0f0f == 0x0a0a_0a0a
    };
    let first = packets(answer, 0).next().and_then(Result::ok);
    first.is_some_and(|packet| {
        let mut versions = packet.header.versions.into_iter();
        versions.any(|version| !is_known(version))
    })
}

/// Sends a packet of an unknown version with connection IDs of so many bytes, again if it is not
/// answered; judges the Version Negotiation that comes, if any.
fn version_negotiation(
    run: &mut Run<'_>,
    form: Form,
    destination: usize,
    source: usize,
) -> Result<Option<Finding>, Finding> {
    let [destination, source] = [vec![0xd1; destination], vec![0x51; source]];
    let unknown = form(UNKNOWN_VERSION, &destination, &source, 1_200);
    let mut connection = run.stranger()?;
    let mut sent = 0;
    let mut is_answered = false;
    while sent < ATTEMPTS && !is_answered {
        connection.send_raw(&unknown);
        sent += 1;
        let timeout = connection.patience / 4;
        is_answered = connection.wait_for_datagram(0, timeout);
    }
    let quiet = connection.quiet();
    connection.settle(quiet);
    let answers = connection.answers();
    let expected = long_header(
        0,
        &source,
        &destination,
        7 + source.len() + destination.len(),
    );
    let is_right = |answer: &&[u8]| {
        let versions = answer.len().saturating_sub(expected.len());
        answer.first().is_some_and(|first| first & 0x80 != 0)
            && answer[1..].starts_with(&expected[1..])
            && versions > 0
            && versions.is_multiple_of(4)
    };
    let wrong = answers.iter().find(|answer| !is_right(answer));
    Ok(match (answers.len(), wrong) {
        (0, _) => None,
        (_, Some(wrong)) if wrong.get(1..5) == Some(&[0; 4]) => {
            let has_ids = wrong[1..].starts_with(&expected[1..]);
            let seen = if has_ids { CUT_VERSIONS } else { OTHER_IDS };
            Some(Finding::new(Verdict::Fail, seen))
        }
        (_, Some(wrong)) => Some(Finding::new(
            Verdict::Note,
            format!("answered by {}", kind_words(wrong)),
        )),
        (count, None) if count > sent as usize => {
            // Those that are the same may have been doubled by the network.
            let different: BTreeSet<_> = answers.iter().collect();
            let verdict = match different.len() > sent as usize {
                true => Verdict::Fail,
                false => Verdict::Note,
            };
            let sent = counted(sent, "datagram");
            let seen = format!("{count} Version Negotiation packets for {sent}");
            Some(Finding::new(verdict, seen))
        }
        (_, None) => Some(Finding::new(
            Verdict::Pass,
            "Version Negotiation, the connection IDs swapped",
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_reads_as_an_initial_packet_of_version_1_and_the_other_as_nothing() {
        let forms: [Form; 2] = [like_an_initial_packet, long_header];
        let [initial, noise] = forms.map(|form| form(VERSION_1, &[0xd1; 8], &[0x51; 8], 1_199));
        assert_eq!((initial.len(), noise.len()), (1_199, 1_199));
        assert_eq!(packet_type(&initial), Some(PacketType::Initial));
        assert_eq!(packet_type(&noise), None);
    }

    #[test]
    fn versions_of_rfcs_drafts_and_grease_begin_in_1200_bytes_and_others_may_not() {
        let lists = |version: u32| {
            let ids = [[0xd1; 8], [0x51; 8]];
            let mut answer = long_header(0, &ids[0], &ids[1], 23);
            for version in [VERSION_1, version] {
                answer.extend(version.to_be_bytes());
            }
            lists_another_version(&answer)
        };
        for known in [VERSION_2, 0xff00_001d, UNKNOWN_VERSION] {
            assert!(!lists(known), "{known:#x}");
        }
        assert!(lists(u32::from_be_bytes(*b"Q046")));
        assert!(!lists_another_version(&[0x40; 30]));
    }

    #[test]
    fn only_version_negotiation_is_forbidden_as_an_answer_to_itself() {
        let [negotiation, other] = [0, VERSION_1].map(|version| {
            let ids = [[0xd1; 8], [0x51; 8]];
            long_header(version, &ids[0], &ids[1], 31)
        });
        let verdict = |answers: &[&[u8]]| judge_answers_to_version_negotiation(answers).verdict;
        assert_eq!(verdict(&[]), Verdict::Pass);
        assert_eq!(verdict(&[&other, &[]]), Verdict::Note);
        assert_eq!(verdict(&[&other, &negotiation]), Verdict::Fail);
    }
}
