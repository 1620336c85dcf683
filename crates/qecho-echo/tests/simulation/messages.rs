//! Outcomes that the client tool tells of its messages.

use std::{
    sync::{
        Arc,
        mpsc::{channel, sync_channel},
    },
    time::Duration,
};

use bytes::Bytes;
use qecho_echo::{
    client::{CHUNKS_MAX, ClientApplication, Command, Failure, Mode, TransferIo},
    dial::Alpn,
};
use qecho_engine::{CloseReason, Dir, Event, ReadEnd, Side, StreamId};
use qecho_netsim::{link::Conditions, simulation::FAR};

use qecho_testkit::{
    identity::Identity,
    scenario::{Scenario, dead_path, good_path},
    scripted::Script,
};

use crate::talk::{Conversation, TIMEOUT, config, failure_of, with_echo, with_scripted};

#[test]
fn every_message_comes_back_over_every_way() {
    for seed in 0..10 {
        let conditions = Conditions {
            loss: if seed % 2 == 0 { 0.0 } else { 0.05 },
            ..good_path()
        };
        let mut conversation = with_echo(seed, &conditions);
        for over in [Mode::Stream, Mode::Uni, Mode::StreamPerMessage] {
            for message in ["", "one", "two", &"long ".repeat(50_000)] {
                conversation.say(over, message.as_bytes());
            }
        }
        conversation.tell(Command::Finish);
        let (outcome, _) = conversation.outcome();
        let report = outcome.unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
        assert_eq!((report.messages, report.lost), (12, 0), "seed {seed}");
        assert_eq!(report.bytes_sent, report.bytes_received, "seed {seed}");
    }
}

#[test]
fn datagrams_come_back_or_are_reported_as_lost() {
    let mut conversation = with_echo(20, &good_path());
    for message in ["", "one", &"x".repeat(1_000)] {
        conversation.say(Mode::Datagram, message.as_bytes());
    }
    conversation.tell(Command::Finish);
    let report = conversation.outcome().0.expect("the path is good");
    assert_eq!(report.messages, 3);

    let mut conversation = with_echo(21, &good_path());
    conversation.say(Mode::Stream, b"are you there");
    conversation.simulation.run_for(Duration::from_secs(1));
    conversation
        .simulation
        .links()
        .0
        .set_conditions(dead_path());
    conversation.say(Mode::Datagram, b"lost");
    conversation.simulation.run_for(Duration::from_millis(100));
    conversation
        .simulation
        .links()
        .0
        .set_conditions(good_path());
    conversation.tell(Command::Finish);
    let failure = conversation.failure();
    assert_eq!(failure, Failure::Lost { lost: 1, total: 2 });
}

#[test]
fn a_server_that_ends_the_stream_early_is_found_out() {
    let finish: Script = |connection, event| {
        if let Event::Opened(id) = event {
            connection.finish(*id);
        }
    };
    let (missing, total) = (17, 17);
    let not_echoed = Failure::NotEchoed { missing, total };
    assert_eq!(failure_of(finish, b"seventeen bytes !"), not_echoed);
}

#[test]
fn a_server_that_changes_a_byte_is_found_out() {
    let change: Script = |connection, event| {
        if let Event::Opened(id) | Event::Readable(id) = event {
            let mut data = connection.read(*id, 1_000).data.to_vec();
            if let Some(byte) = data.get_mut(2) {
                *byte = b'!';
            }
            connection.write(*id, data.into());
        }
    };
    let differs = Failure::Differs {
        offset: 2,
        sent: b'l',
        received: b'!',
    };
    assert_eq!(failure_of(change, b"hello"), differs);
}

#[test]
fn a_server_that_sends_more_than_it_got_is_found_out() {
    let add: Script = |connection, event| {
        if let Event::Opened(id) = event {
            let data = connection.read(*id, 1_000).data;
            connection.write(*id, [&data[..], b"more"].concat().into());
        }
    };
    assert_eq!(failure_of(add, b"hello"), Failure::TooMuch { bytes: 4 });
}

#[test]
fn a_server_that_resets_stops_or_closes_is_reported_with_its_code() {
    let reset: Script = |connection, event| {
        if let Event::Opened(id) = event {
            connection.reset(*id, 7);
        }
    };
    let (code, missing, total) = (7, 5, 5);
    let expected = Failure::Reset {
        code,
        missing,
        total,
    };
    assert_eq!(failure_of(reset, b"hello"), expected);

    let stop: Script = |connection, event| {
        if let Event::Opened(id) = event {
            connection.stop(*id, 8);
        }
    };
    let stopped = failure_of(stop, b"hello");
    let is_told = matches!(
        stopped,
        Failure::Stopped { code: 8, .. } | Failure::NoEcho { .. }
    );
    assert!(is_told, "{stopped:?}");

    let close: Script = |connection, event| {
        if let Event::Opened(_) = event {
            connection.close(9, "go away");
        }
    };
    let closed = failure_of(close, b"hello");
    let is_told = matches!(
        closed,
        Failure::Closed(CloseReason::Application { code: 9, .. })
    );
    assert!(is_told, "{closed:?}");
}

#[test]
fn a_server_that_says_nothing_runs_out_of_patience() {
    let mut conversation = with_scripted(|_, _| {});
    conversation.say(Mode::Stream, b"hello");
    let (outcome, took) = conversation.outcome();
    let no_echo = Failure::NoEcho {
        after: TIMEOUT,
        missing: 5,
        total: 5,
    };
    assert_eq!(outcome, Err(no_echo));
    assert!(took < TIMEOUT + Duration::from_secs(2), "{took:?}");
}

#[test]
fn a_pipe_brings_every_byte_back_through_small_ends() {
    for direction in [Dir::Bidirectional, Dir::Unidirectional] {
        let identity = Identity::generate();
        let config = config(&identity, &[FAR], Alpn::Auto);
        let (give, input) = sync_channel(CHUNKS_MAX);
        let (output, take) = sync_channel(1);
        let (tell, events) = channel();
        let ends = TransferIo {
            input,
            output: Some(output),
            progress: Arc::default(),
            direction,
        };
        let listener = Box::new(move |event| {
            // The test may have seen enough.
            let _ = tell.send(event);
        });
        let client = ClientApplication::transfer(&config, listener, ends).expect("good settings");
        let far = Scenario::seeded(60).server(&identity);
        let mut pipe = Conversation::with(client, events, far, &good_path(), 60);
        let sent: Vec<u8> = (0..500_000_u32)
            .map(|number| (number / 251) as u8)
            .collect();
        let mut pieces = sent.chunks(10_000).map(Bytes::copy_from_slice).peekable();
        let mut give = Some(give);
        let mut came = Vec::new();
        for _ in 0..10_000 {
            if came.len() >= sent.len() {
                break;
            }
            while let (Some(piece), Some(giver)) = (pieces.peek(), &give) {
                if giver.try_send(Ok(piece.clone())).is_err() {
                    break;
                }
                pieces.next();
            }
            if pieces.peek().is_none() {
                give = None;
            }
            let now = pipe.simulation.now();
            pipe.simulation.near.handle_wake(now);
            pipe.simulation.run_for(Duration::from_millis(10));
            came.extend(take.try_iter().flat_map(|piece| piece.to_vec()));
        }
        assert!(came == sent, "{direction:?}: the bytes differ");
        let report = pipe.outcome().0.expect("everything came back");
        assert_eq!(report.bytes_received, sent.len() as u64);
    }
}

#[test]
fn a_server_cannot_touch_a_stream_before_the_client_opens_it() {
    let mut conversation = with_scripted(|connection, event| {
        let unopened = StreamId::new(Side::Client, Dir::Bidirectional, 5);
        match event {
            Event::Connected => {
                connection.stop(unopened, 1);
                connection.reset(unopened, 1);
                connection.write(unopened, Bytes::from_static(b"nobody asked"));
                connection.finish(unopened);
                assert_eq!(connection.read(unopened, 1).end, ReadEnd::Closed);
            }
            Event::Opened(id) | Event::Readable(id) => {
                let data = connection.read(*id, 1_000).data;
                connection.write(*id, data);
            }
            _ => {}
        }
    });
    conversation.say(Mode::Stream, b"hello");
    conversation.simulation.run_for(Duration::from_secs(1));
    conversation.tell(Command::Stop);
    let outcome = conversation.outcome().0;
    assert_eq!(outcome.map(|report| report.messages), Ok(1));
}
