//! Notes: what is kept of them, and what is counted only.

use std::net::Ipv4Addr;

use super::*;

#[expect(clippy::disallowed_methods, reason = "some time")]
fn now() -> Instant {
    Instant::now()
}

fn foreign(length: usize) -> Told {
    Told::Foreign {
        from: (Ipv4Addr::LOCALHOST, 4_433).into(),
        contents: vec![7; length],
    }
}

fn not_sent() -> Told {
    Told::NotSent {
        why: SendFailure::Other,
        words: "no buffer space".into(),
    }
}

#[test]
fn a_datagram_that_was_not_sent_is_counted_though_others_have_filled_the_notes() {
    let notes = Notes::default();
    for _ in 0..2 * NOTES_MAX {
        notes.add(now(), foreign(1_200));
    }
    let first = notes.len();
    assert_eq!((first, notes.unsent_since(first)), (NOTES_MAX, 0));
    notes.add(now(), not_sent());
    assert_eq!((notes.len(), notes.unsent_since(first)), (NOTES_MAX, 1));
    assert!(
        notes
            .all()
            .iter()
            .all(|note| note.what == foreign(CONTENTS_MAX))
    );
}

#[test]
fn notes_after_so_many_are_those_that_came_later() {
    let notes = Notes::default();
    assert!(notes.is_empty());
    notes.add(now(), not_sent());
    notes.add(now(), foreign(3));
    notes.add(now(), not_sent());
    let since: Vec<_> = notes.since(1).into_iter().map(|note| note.what).collect();
    assert_eq!(since, [foreign(3), not_sent()]);
    assert_eq!(notes.unsent_since(1), 1);
    assert_eq!(notes.since(9), []);
}
