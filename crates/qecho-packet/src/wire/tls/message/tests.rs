//! Messages are read as they were written.

use super::*;

fn messages() -> Vec<Message> {
    let extensions = vec![(43, vec![3, 4]), (0xffff, vec![])];
    vec![
        Message::ClientHello(ClientHello {
            legacy_version: 0x0303,
            random: [1; 32],
            session_id: vec![2; 32],
            suites: vec![0x1301, 0x1a1a],
            compression: vec![0, 1],
            extensions: extensions.clone(),
        }),
        Message::ServerHello(ServerHello {
            legacy_version: 0x0303,
            random: ServerHello::RETRY_RANDOM,
            session_id: vec![],
            suite: 0x1302,
            compression: 0,
            extensions: extensions.clone(),
        }),
        Message::EncryptedExtensions(extensions.clone()),
        Message::CertificateRequest(CertificateRequest {
            context: vec![3],
            extensions: extensions.clone(),
        }),
        Message::Certificate(Certificate {
            context: vec![],
            entries: vec![(vec![4; 300], extensions.clone()), (vec![5], vec![])],
        }),
        Message::CertificateVerify(CertificateVerify {
            scheme: 0x0403,
            signature: vec![6; 70],
        }),
        Message::Finished(vec![7; 48]),
        Message::NewSessionTicket(NewSessionTicket {
            lifetime: 604_800,
            age_add: 0xfedc_ba98,
            nonce: vec![],
            ticket: vec![8; 100],
            extensions,
        }),
        Message::KeyUpdate(1),
        Message::EndOfEarlyData,
        Message::Raw {
            kind: 99,
            body: vec![9],
        },
    ]
}

#[test]
fn messages_are_read_as_they_were_written() {
    for message in messages() {
        assert_eq!(Message::read(&message.encode()).as_ref(), Ok(&message));
    }
    assert!(Message::None.encode().is_empty());
}

#[test]
fn messages_that_are_cut_or_too_long_are_refused() {
    for message in messages() {
        let bytes = message.encode();
        for length in 0..bytes.len() {
            assert!(
                Message::read(&bytes[..length]).is_err(),
                "{message:?} cut to {length}"
            );
        }
        assert!(Message::read(&[&bytes[..], &[0]].concat()).is_err());
    }
}
