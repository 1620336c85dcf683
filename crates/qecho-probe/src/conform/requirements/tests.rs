use std::collections::BTreeSet;

use super::*;
use crate::conform::{Level, Side};

/// Every identifier that ever was, by its letter and its numbers: none is given away again.
const EVER: [(&str, std::ops::RangeInclusive<u32>); 9] = [
    ("F", 1..=66),
    ("P", 1..=27),
    ("T", 1..=20),
    ("L", 1..=10),
    ("V", 1..=38),
    ("K", 1..=26),
    ("M", 1..=7),
    ("N", 1..=1),
    ("C", 1..=148),
];

#[test]
fn every_identifier_stands_once_and_none_is_lost() {
    let ever = EVER
        .into_iter()
        .flat_map(|(letter, numbers)| numbers.map(move |number| format!("{letter}{number:02}")));
    let ever: BTreeSet<_> = ever.collect();
    let ids: BTreeSet<_> = all().map(|row| row.id.to_owned()).collect();
    assert_eq!(ids, ever);
    assert_eq!(all().count(), ids.len(), "an identifier stands twice");
}

#[test]
fn clients_have_the_letter_c_and_servers_all_others() {
    for row in all() {
        let is_client = row.id.starts_with('C');
        assert_eq!(row.side == Side::Client, is_client, "{}", row.id);
    }
}

#[test]
fn sections_are_numbers_of_an_rfc_that_is_judged() {
    for section in all().flat_map(Requirement::sections) {
        let known = [8446, 8999, 9000, 9001, 9002, 9221, 9287, 9368, 9369];
        assert!(known.contains(&section.rfc.0), "{section}");
        let parts: Vec<_> = section.number.split('.').collect();
        assert!((1..=4).contains(&parts.len()), "{section}");
        for part in parts {
            let number: u32 = part.parse().unwrap();
            assert!((1..=30).contains(&number), "{section}");
            assert_eq!(number.to_string(), part, "{section}");
        }
    }
}

#[test]
fn texts_are_there_and_fit_into_their_sentences() {
    for row in all() {
        assert!(row.text.ends_with('.'), "{}", row.id);
        for text in [row.stimulus, row.expected] {
            assert!(!text.is_empty() && !text.ends_with('.'), "{}", row.id);
        }
        for text in [row.text, row.stimulus, row.expected] {
            assert!(!text.contains("  ") && text.is_ascii(), "{}", row.id);
        }
        let mut sections: Vec<_> = row.sections().collect();
        let count = sections.len();
        sections.sort_by_key(|section| (section.rfc, section.number));
        sections.dedup();
        assert_eq!(sections.len(), count, "{}: a section stands twice", row.id);
    }
}

#[test]
fn what_an_rfc_recommends_or_allows_is_no_must() {
    let of_level = |level| {
        let rows = all().filter(move |row| row.level == level);
        let mut ids: Vec<_> = rows.map(|row| row.id).collect();
        ids.sort_unstable();
        ids
    };
    let should = [
        "C09", "C135", "C142", "C26", "C27", "C31", "C61", "C62", "C63", "C64", "C67", "C68",
        "C71", "C72", "F29", "F35", "F36", "F37", "F38", "F43", "F44", "F47", "F48", "F59", "K14",
        "K20", "K21", "K26", "N01", "P13", "T05", "V04", "V16", "V26", "V32",
    ];
    assert_eq!(of_level(Level::Should), should);
    let may = [
        "C55", "C56", "C65", "C66", "C90", "F24", "F26", "F41", "F42", "F62", "L07", "T19", "V25",
    ];
    assert_eq!(of_level(Level::May), may);
}
