//! Nothing that comes makes anybody panic, or wait forever.

use qecho_peer::tls::{Level, Message};

use crate::ends::{End, Flight, World, our_client, our_server, talk};

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
