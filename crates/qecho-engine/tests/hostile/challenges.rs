//! PATH_CHALLENGE while nothing else can be sent.

use crate::{
    attack::{Attack, Server},
    forgery::forged,
    frames::Frames,
};

/// Fills the congestion window of a server that echoes, by acknowledging nothing.
fn crowded() -> Attack {
    let mut attack = Attack::on(Server::parrot());
    attack.deaf = true;
    let mut streams = attack.attacker.connection.streams();
    let id = streams.open(quinn_proto::Dir::Bi).expect("it is allowed");
    let mut stream = attack.attacker.connection.send_stream(id);
    stream.write(&[7; 300_000]).expect("the window is large");
    attack.run(5);
    attack
}

fn challenge(attack: &mut Attack) {
    let frames = Frames::default().varint(0x1a).bytes(&[9; 8]).into_packet();
    let mut datagrams = attack.attacker.connection.datagrams();
    let sent = datagrams.send(forged(&frames).into(), false);
    sent.expect("the queue is long");
}

#[test]
fn a_challenge_is_answered_at_once_although_the_congestion_window_is_full() {
    let mut attack = crowded();
    attack.sent.clear();
    attack.run(5);
    assert_eq!(attack.sent.len(), 0, "nothing more can be sent");
    attack.deaf = false;
    challenge(&mut attack);
    attack.turn();
    assert_eq!(attack.attacker.connection.stats().frame_rx.path_response, 0);
    attack.turn();
    assert_eq!(attack.attacker.connection.stats().frame_rx.path_response, 1);
}

#[test]
fn many_challenges_do_not_open_the_congestion_window() {
    let mut attack = crowded();
    attack.sent.clear();
    for _ in 0..40 {
        challenge(&mut attack);
        attack.turn();
    }
    // Each 25 ms one, and as many that acknowledge; no more than without challenges.
    assert!(attack.sent.len() <= 4, "{}", attack.sent.len());
}
