//! Messages of TLS where QUIC has no place for them (RFC 9001 §4.1.3, §6, §8.3).

use std::sync::{Arc, OnceLock};

use qecho_packet::wire::Frame;
use qecho_peer::{
    endpoint::Endpoint,
    packet::one_rtt,
    script::Reaction,
    tls::{Level, Message},
};

use super::{UNEXPECTED, UNEXPECTED_MESSAGE};
use crate::conform::{
    Connection, Expected, Finding, Judged, Run, Verdict, connection::not_reached,
    expected::close_words,
};

/// EndOfEarlyData, which QUIC does not have (RFC 9001 §8.3).
const END_OF_EARLY_DATA: &[u8] = &[5, 0, 0, 0];

/// Sends a TLS message once the handshake is confirmed. Who goes on may have discarded it unread
/// (RFC 9000 §7.5), unless what comes behind it is refused by TLS.
pub(super) fn after_the_handshake(
    connection: &mut Connection,
    message: &[u8],
    expected: Expected,
) -> Judged {
    let (offset, data) = (0, message);
    let packet = one_rtt([Frame::Crypto { offset, data }]);
    let finding = connection.expect(packet, expected)?;
    let is_over = |endpoint: &Endpoint| endpoint.ended().is_some();
    if finding.verdict != Verdict::Note || is_over(connection.endpoint()) {
        return Ok(finding);
    }
    // TLS may read it long after it was acknowledged, and the answer may be lost.
    let patience = connection.patience / 2;
    connection.wait_for(is_over, patience);
    let reaction = connection.reaction();
    if !matches!(reaction, Reaction::LivesOn { .. }) {
        return Ok(connection.judge(&reaction, expected));
    }
    let (offset, data) = (message.len() as u64, END_OF_EARLY_DATA);
    let behind = one_rtt([Frame::Crypto { offset, data }]);
    Ok(match connection.reaction_to(behind) {
        Reaction::Closed(close) if !close.application && close.code == UNEXPECTED_MESSAGE => {
            let seen = "acknowledged; only what comes behind it is refused:";
            Finding::new(Verdict::Fail, format!("{seen} {}", close_words(&close)))
        }
        _ => finding,
    })
}

/// Sends KeyUpdate in one CRYPTO frame with Finished: behind it the keys of Handshake packets are
/// gone.
pub(super) fn key_update_behind_finished(run: &mut Run<'_>) -> Judged {
    let mut connection = run.before_finished(|_| {})?;
    connection.send_message(Level::Handshake, &Message::KeyUpdate(0));
    connection.endpoint_mut().behaviour.sends_crypto = true;
    unless_finished_is_lost(&mut connection)
}

/// Sends EndOfEarlyData and Finished in one CRYPTO frame: TLS may wait until it has a whole flight
/// (RFC 9001 §4.1.3).
pub(super) fn end_of_early_data_before_finished(run: &mut Run<'_>) -> Judged {
    let finished = Arc::new(OnceLock::new());
    let replaced = Arc::clone(&finished);
    let edit = move |message: &mut Message| {
        if matches!(message, Message::Finished(_)) {
            // There is one.
            let _ = replaced.set(std::mem::replace(message, Message::EndOfEarlyData));
        }
    };
    let mut connection = run.before_finished(|config| config.tls.edit = Some(Arc::new(edit)))?;
    let Some(finished) = finished.get() else {
        return Err(not_reached("there is no Finished to be sent"));
    };
    connection.send_message(Level::Handshake, finished);
    connection.endpoint_mut().behaviour.sends_crypto = true;
    unless_finished_is_lost(&mut connection)
}

/// Judges what becomes of a message that came with Finished: both may have been lost each time.
fn unless_finished_is_lost(connection: &mut Connection) -> Judged {
    let finding = connection.expect_in_the_end(UNEXPECTED)?;
    match finding.verdict {
        Verdict::Fail if !connection.endpoint().is_confirmed() => {
            Err(not_reached("the server takes no Finished"))
        }
        _ => Ok(finding),
    }
}
