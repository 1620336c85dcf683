//! Messages are read as they were written, and nothing that comes makes anybody panic.

use qecho_peer::tls::{
    Certificate, CertificateRequest, CertificateVerify, ClientHello, Level, Message,
    NewSessionTicket, ServerHello,
};

use crate::ends::{End, Flight, World, our_client, our_server, talk};

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

#[test]
fn a_message_of_the_wrong_form_is_a_decode_error() {
    let world = World::new();
    let mut server = our_server(world.server());
    let hello = Message::Raw {
        kind: 1,
        body: vec![3; 20],
    };
    assert_eq!(server.read(Level::Initial, &hello.encode()), Err(0x132));
    let error = server.error.expect("it failed");
    assert_eq!((error.rule, error.alert()), (None, Some(50)));
}

#[test]
fn a_message_that_never_ends_is_refused_in_time() {
    let world = World::new();
    let mut server = our_server(world.server());
    let mut read = 0;
    let code = loop {
        let bytes = if read == 0 {
            &[1, 0xff, 0xff, 0xff]
        } else {
            &[0; 1_000][..]
        };
        read += bytes.len();
        if let Err(code) = server.read(Level::Initial, bytes) {
            break code;
        }
        assert!(read < 1 << 20);
    };
    // CRYPTO_BUFFER_EXCEEDED
    assert_eq!(code, 0x0d);
}

/// Changes each byte of what one side says, one at a time, and shows it to the other.
fn mutate(flight: &Flight, mut read: impl FnMut(&Flight)) {
    for (index, (_, bytes)) in flight.iter().enumerate() {
        for position in 0..bytes.len() {
            for flip in [0x01, 0xff] {
                let mut changed = flight.clone();
                changed[index].1[position] ^= flip;
                read(&changed);
            }
        }
    }
}

#[test]
fn no_byte_that_is_changed_makes_anybody_panic() {
    let world = World::new();
    let hello = our_client(world.client()).flight();
    let (mut refused, mut taken) = (0, 0);
    mutate(&hello, |hello| {
        let mut server = our_server(world.server());
        let results = hello
            .iter()
            .map(|(level, bytes)| server.read(*level, bytes));
        match results.collect::<Result<(), _>>() {
            Ok(()) => taken += 1,
            Err(_) => refused += 1,
        }
    });
    assert!(
        refused > 50 && taken > 50,
        "{refused} refused, {taken} taken"
    );

    let mut server = our_server(world.server());
    for (level, bytes) in &hello {
        server.read(*level, bytes).expect("the client behaves well");
    }
    mutate(&server.flight(), |flight| {
        let mut client = our_client(world.client());
        let results = flight
            .iter()
            .map(|(level, bytes)| client.read(*level, bytes));
        let result = results.collect::<Result<(), _>>();
        // Each byte is in the transcript, so that at the latest Finished shows the change.
        assert!(result.is_err() || !client.complete);
    });
}

#[test]
fn a_good_handshake_is_no_mutation() {
    let world = World::new();
    let (mut client, mut server) = (our_client(world.client()), our_server(world.server()));
    talk(&mut client, &mut server).expect("both behave well");
    assert!(client.complete && server.complete);
}
