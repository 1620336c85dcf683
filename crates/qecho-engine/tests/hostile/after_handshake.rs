//! Clients whose TLS goes on when there is nothing left to say.

use qecho_engine::CloseReason;

use crate::{
    attack::{Attack, Server},
    frames::Frames,
};

/// TLS messages without their contents: the type and the length.
const KEY_UPDATE: &[u8] = &[24, 0, 0, 1, 0];
const CERTIFICATE: &[u8] = &[11, 0, 0, 1, 0];
const FINISHED: &[u8] = &[20, 0, 0, 1, 0];

/// RFC 9001 §4.8: the alert unexpected_message.
const UNEXPECTED_MESSAGE: u64 = 0x10a;

#[test]
fn no_tls_message_is_taken_after_the_handshake_not_even_a_part() {
    for message in [KEY_UPDATE, CERTIFICATE, FINISHED, &KEY_UPDATE[..2]] {
        let mut attack = Attack::on(Server::deaf());
        attack.send([Frames::default().crypto(0, message).into_packet()]);
        let closed = &attack.victim.application().closed;
        let code = match closed.as_slice() {
            [CloseReason::Violation { code, .. }] => *code,
            other => panic!("{message:?}: {other:?}"),
        };
        assert_eq!(code, UNEXPECTED_MESSAGE, "{message:?}");
    }
}
