use super::*;

/// Frames of one byte each, with a gap before each.
fn gaps(stream: Option<u64>, first: u64, count: u64) -> Vec<u8> {
    let frame = |offset: u64| {
        let position = (offset as u32 | 0x8000_0000).to_be_bytes();
        match stream {
            None => [&[0x06][..], &position, &[1, b'x']].concat(),
            Some(id) => {
                let id = (id as u16 | 0x4000).to_be_bytes();
                [&[0x0e][..], &id, &position, &[1, b'x']].concat()
            }
        }
    };
    (first..first + count)
        .flat_map(|number| frame(1 + 2 * number))
        .collect()
}

/// Notes a packet with the next number.
fn note(tracker: &Tracker, level: Level, payload: &[u8]) -> bool {
    tracker.complete();
    let number = tracker.lock().numbers.next;
    tracker.note(level, number, payload).is_ok()
}

/// Tells whether a packet is let through that is the first.
fn passes(level: Level, payload: &[u8]) -> bool {
    note(&Tracker::default(), level, payload)
}

/// Returns how many gaps are known, if anything is.
fn known_gaps(tracker: &Tracker) -> Option<usize> {
    let state = tracker.lock();
    state.fragments.as_ref().map(|fragments| fragments.gaps)
}

#[test]
fn a_connection_in_order_is_not_even_known() {
    let known = Tracker::default();
    for payload in [
        // ACK, PING, a stream's beginning, PADDING.
        &[0x02, 9, 0, 0, 9, 0x01, 0x0a, 0, 2, b'h', b'i', 0, 0, 0][..],
        &[0x08, 4, b'h', b'i'],
    ] {
        assert!(note(&known, Level::OneRtt, payload));
    }
    assert_eq!(known_gaps(&known), None);
    // More of a stream, packet after packet.
    for number in 1..5_000_u64 {
        let position = ((number as u32 * 2) | 0x8000_0000).to_be_bytes();
        let payload = [&[0x0c, 0][..], &position, b"hi"].concat();
        assert!(note(&known, Level::OneRtt, &payload));
    }
    assert_eq!(known_gaps(&known), Some(0));
}

#[test]
fn a_client_hello_in_many_pieces_is_let_through_and_one_of_gaps_is_not() {
    // Pieces of 20 bytes, every second first: some browsers do so.
    let mut pieces: Vec<u64> = (0..12).map(|piece| piece * 20).collect();
    pieces.sort_by_key(|offset| (offset / 20 % 2 == 0, *offset));
    let frame = |offset: u64| [&[0x06, 0x40, offset as u8, 20][..], &[b'x'; 20]].concat();
    let mut payload: Vec<u8> = pieces.into_iter().flat_map(frame).collect();
    payload.resize(1_162, 0);
    let known = Tracker::default();
    for _ in 0..10 {
        let repeated = note(&known, Level::Initial, &payload);
        assert!(repeated, "also when it is repeated");
    }
    for level in [Level::Initial, Level::Handshake] {
        assert!(!passes(level, &gaps(None, 0, 180)), "{level:?}");
    }
}

#[test]
fn few_gaps_at_a_time_add_up() {
    let known = Tracker::default();
    let let_through =
        (0..100).take_while(|packet| note(&known, Level::Initial, &gaps(None, packet * 10, 10)));
    assert!((10..60).contains(&let_through.count()));
}

#[test]
fn a_lossy_stream_of_single_bytes_is_let_through_and_a_large_packet_of_gaps_is_not() {
    // 100 bytes of a stream that were lost, in one packet.
    let known = Tracker::default();
    assert!(note(&known, Level::OneRtt, &gaps(Some(0), 0, 150)));
    assert!(note(&known, Level::OneRtt, &gaps(Some(0), 50, 150)));
    assert!(!note(
        &Tracker::default(),
        Level::OneRtt,
        &gaps(Some(0), 0, 7_000)
    ));
    assert!(!note(
        &Tracker::default(),
        Level::ZeroRtt,
        &gaps(Some(0), 0, 150)
    ));
    // The same by many streams.
    let streams: Vec<u8> = (0..8_000)
        .flat_map(|at| gaps(Some(at % 80 * 4), at / 80, 1))
        .collect();
    assert!(!passes(Level::OneRtt, &streams));
}

#[test]
fn large_packets_of_messages_on_streams_of_their_own_cost_nothing() {
    let message = |id: u64| {
        let id = (id as u16 | 0x4000).to_be_bytes();
        [&[0x0b][..], &id, &[1, b'x']].concat()
    };
    let payload: Vec<u8> = (0..12_000).flat_map(|number| message(4 * number)).collect();
    let known = Tracker::default();
    for _ in 0..100 {
        assert!(note(&known, Level::OneRtt, &payload));
    }
}

#[test]
fn gaps_on_many_streams_count_together_until_a_stream_is_reset() {
    let known = Tracker::default();
    let mut let_through = 0;
    for round in 0..60 {
        for stream in 0..100 {
            let packet = gaps(Some(stream * 4), round, 1);
            let_through += usize::from(note(&known, Level::OneRtt, &packet));
        }
    }
    // The first frame of a stream is taken for one that follows what came before.
    assert_eq!(let_through, 100 + GAPS_MAX);
    let known = Tracker::default();
    assert!(note(&known, Level::OneRtt, &gaps(Some(0), 0, 20)));
    assert_eq!(known_gaps(&known), Some(19));
    assert!(note(&known, Level::OneRtt, &[0x04, 0x40, 0, 7, 0]));
    assert_eq!(known_gaps(&known), Some(0));
}

#[test]
fn gaps_are_found_behind_every_other_frame_and_however_their_type_is_written() {
    let before: [&[u8]; 10] = [
        &[],
        // PADDING, PING and CRYPTO with types of eight, four and two bytes.
        &[0xc0, 0, 0, 0, 0, 0, 0, 0],
        &[0x80, 0, 0, 1],
        &[0x40, 6, 0, 1, b'x'],
        // ACK with a range, and with ECN counts.
        &[0x02, 9, 0, 1, 0, 2, 3],
        &[0x03, 9, 0, 0, 9, 1, 1, 1],
        // NEW_TOKEN, DATAGRAM with a length, MAX_DATA, PATH_CHALLENGE.
        &[0x07, 2, 1, 2],
        &[0x31, 2, 1, 2],
        &[0x10, 9],
        &[0x1a, 1, 2, 3, 4, 5, 6, 7, 8],
    ];
    for frames in before {
        for level in [Level::Initial, Level::OneRtt] {
            let payload = [frames, &gaps(None, 0, 600)].concat();
            assert!(!passes(level, &payload), "{frames:?}");
        }
    }
    let long_types = gaps(None, 0, 200);
    let long_types = long_types
        .chunks(7)
        .flat_map(|frame| [&[0xc0, 0, 0, 0, 0, 0, 0][..], frame].concat());
    let long_types: Vec<u8> = long_types.collect();
    assert!(!passes(Level::Initial, &long_types));
}

#[test]
fn gaps_are_found_in_whatever_order_their_pieces_come() {
    let frames = gaps(Some(0), 0, 7_000);
    let mut pieces: Vec<_> = frames.chunks(9).collect();
    pieces.reverse();
    assert!(!passes(Level::OneRtt, &pieces.concat()));
    let far = gaps(Some(0), 100_000, 1);
    let packet = [&far[..], &frames].concat();
    assert!(!passes(Level::OneRtt, &packet));
}

#[test]
fn packets_that_the_state_machine_throws_away_close_no_gaps() {
    let known = Tracker::default();
    assert!(note(&known, Level::OneRtt, &gaps(Some(0), 0, 200)));
    let before = known_gaps(&known);
    // RESET_STREAM, and all that is missing, in packets that have come before.
    let reset = [0x04, 0x40, 0, 7, 0];
    let all = [&[0x0f, 0x40, 0, 0, 0x43, 0xe8][..], &[0; 1_000]].concat();
    for payload in [&reset[..], &all] {
        assert_eq!(known.note(Level::OneRtt, 0, payload), Ok(Noted::default()));
        assert_eq!(known_gaps(&known), before);
    }
    // One that was refused has not come, and is refused again.
    let number = 1;
    for _ in 0..3 {
        let refused = known.note(Level::OneRtt, number, &gaps(Some(0), 0, 7_000));
        assert_eq!(refused, Err(TooFragmented));
    }
    // Before the handshake is complete, nothing of 1-RTT packets is kept.
    let known = Tracker::default();
    let noted = known.note(Level::OneRtt, 0, &gaps(Some(0), 0, 50));
    assert_eq!(noted, Ok(Noted::default()));
    assert_eq!(known_gaps(&known), None);
}

#[test]
fn what_seems_to_close_gaps_in_crypto_data_makes_no_room_for_more() {
    let known = Tracker::default();
    // A hole, then all of it in a packet that the state machine may throw away.
    assert!(note(&known, Level::Initial, &gaps(None, 1, 1)));
    let all = [&[0x06, 0, 0x44, 0xb0][..], &[0; 1_200]].concat();
    assert!(note(&known, Level::Initial, &all));
    let let_through =
        (0..200).filter(|packet| note(&known, Level::Initial, &gaps(None, packet * 3, 3)));
    assert!(let_through.count() * 3 <= CRYPTO_PIECES_MAX);
}

#[test]
fn streams_that_have_ended_are_forgotten_when_there_are_many() {
    let known = Tracker::default();
    let mut number = 0;
    let mut crowded = 0;
    for id in 0..10 * STREAMS_TRACKED_MIN as u64 {
        let packet = gaps(Some(id % 16_384), 1, 2);
        number += 1;
        known.complete();
        if known
            .note(Level::OneRtt, number, &packet)
            .is_ok_and(|noted| noted.is_crowded)
        {
            crowded += 1;
            known.forget_streams(|open| open >= id.saturating_sub(10));
        }
    }
    assert!((9..=11).contains(&crowded), "{crowded}");
    assert!(known_gaps(&known) <= Some(STREAMS_TRACKED_MIN + 11));
}

#[test]
fn unread_pieces_count_when_a_packet_has_many_frames_of_their_stream() {
    let known = Tracker::default();
    let piece = |number: u32| {
        let offset = ((1 + number * 128) | 0x8000_0000).to_be_bytes();
        [&[0x0c, 0][..], &offset, &[0; 128]].concat()
    };
    for number in 0..1_000 {
        assert!(note(&known, Level::OneRtt, &piece(number)));
    }
    assert!(!note(&known, Level::OneRtt, &gaps(Some(0), 70_000, 1_000)));
    let contiguous = (0..5_000).flat_map(|at: u32| {
        let offset = ((128_001 + at) | 0x8000_0000).to_be_bytes();
        [&[0x0e, 0][..], &offset, &[1, b'x']].concat()
    });
    let contiguous: Vec<u8> = contiguous.collect();
    assert!(!note(&known, Level::OneRtt, &contiguous));
}

#[test]
fn packet_numbers_are_known_as_the_state_machine_knows_them() {
    let mut numbers = ReceivedNumbers::default();
    let came = [0, 0, 5, 3, 3, 5, 0, 200, 5, 73, 73, 72, 71, 199];
    let known = came.map(|number| u8::from(numbers.insert(number)));
    assert_eq!(known, [0, 1, 0, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 0]);
}

#[test]
fn a_path_challenge_is_found_among_the_frames_of_any_packet() {
    let challenge = [&[0x1a][..], &[0; 8]].concat();
    let stream = [0x0a, 0, 1, 7];
    let gap = [0x0e, 0, 40, 1, 7];
    for (payload, expected) in [
        (challenge.clone(), true),
        ([&stream[..], &challenge].concat(), true),
        ([&gap[..], &challenge].concat(), true),
        ([&challenge[..], &gap].concat(), true),
        (gap.to_vec(), false),
        // Inside of a stream's data.
        ([&[0x0a, 0, 9][..], &challenge].concat(), false),
    ] {
        let known = Tracker::default();
        known.complete();
        let noted = known.note(Level::OneRtt, 0, &payload).expect("it is cheap");
        assert_eq!(noted.is_challenged, expected, "{payload:02x?}");
        let noted = known.note(Level::OneRtt, 1, &[0x01]).expect("it is cheap");
        assert!(!noted.is_challenged);
    }
}

#[test]
fn crypto_data_waits_within_its_bound_for_what_comes_before_it() {
    let bounded = || Tracker::with_crypto_ahead_max(Some(1_000));
    let crypto = |offset: u16, length: u16| {
        let [offset, bytes] = [offset, length].map(|number| (number | 0x4000).to_be_bytes());
        [&[0x06][..], &offset, &bytes, &vec![7; length.into()]].concat()
    };
    assert!(note(&bounded(), Level::Initial, &crypto(900, 100)));
    assert!(!note(&bounded(), Level::Initial, &crypto(900, 101)));
    assert!(note(&Tracker::default(), Level::Initial, &crypto(900, 101)));
    // What has come in order makes room.
    let known = bounded();
    let packet = [crypto(0, 500), crypto(1_400, 100)].concat();
    assert!(note(&known, Level::Initial, &packet));
}
