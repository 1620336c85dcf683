//! Versions of QUIC, and what they are called.

/// Families of versions that somebody has reserved for experiments
/// (<https://github.com/quicwg/base-drafts/wiki/QUIC-Versions>): the bits that they share.
const FAMILIES: [(u32, u32, &str); 11] = [
    (0xffff_fff0, 0x0700_7000, "Tencent"),
    (0xffff_ff00, 0x4547_4700, "quicly"),
    (0xffff_fff0, 0x5043_5130, "picoquic"),
    (0xffff_ff00, 0x5147_4f00, "quic-go"),
    (0xffff_ff00, 0x91c1_7000, "quant"),
    (0xffff_fff0, 0xabcd_0000, "msquic"),
    (0xffff_fff0, 0xf0f0_f0f0, "ETH"),
    (0xffff_fff0, 0xf0f0_f1f0, "Telefónica"),
    (0xffff_fff0, 0xf123_f0c0, "mozquic"),
    (0xffff_ff00, 0xface_b000, "mvfst"),
    // RFC 9000 §15: reserved, to exercise version negotiation.
    (0x0f0f_0f0f, 0x0a0a_0a0a, "grease"),
];

/// The draft of version 2 (RFC 9369) that was spoken before it had its number.
const VERSION_2_DRAFT: u32 = 0x709a_50c4;

/// The drafts of version 1, by their number.
const DRAFTS: std::ops::RangeInclusive<u32> = 1..=34;

/// Returns the name of a version, if it has one: `1`, `2`, `draft-29`, `Q046`; those of
/// experiments with their number, as `0xfaceb002 (mvfst)`.
pub fn version_name(version: u32) -> Option<String> {
    let family = |(mask, bits, _): &&(u32, u32, &str)| version & mask == *bits;
    match version {
        1 => Some("1".into()),
        0x6b33_43cf => Some("2".into()),
        VERSION_2_DRAFT => Some("2 (draft)".into()),
        _ => draft(version)
            .map(|number| format!("draft-{number:02}"))
            .or_else(|| google(version))
            .or_else(|| {
                let (.., name) = FAMILIES.iter().find(family)?;
                Some(format!("{version:#010x} ({name})"))
            }),
    }
}

/// Tells whether the lengths of both connection IDs share a byte, as they did before draft 22.
pub(super) fn shares_lengths(version: u32) -> bool {
    draft(version).is_some_and(|number| number < 22)
        || google(version).is_some_and(|name| ("Q044"..="Q048").contains(&&*name))
}

fn draft(version: u32) -> Option<u32> {
    let number = version.checked_sub(0xff00_0000)?;
    DRAFTS.contains(&number).then_some(number)
}

/// Names a version of Google's: a letter and three digits.
fn google(version: u32) -> Option<String> {
    let [letter, digits @ ..] = version.to_be_bytes();
    let is_one = matches!(letter, b'Q' | b'T') && digits.iter().all(u8::is_ascii_digit);
    is_one.then(|| version.to_be_bytes().map(char::from).iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_the_names_that_people_know_them_by() {
        let cases = [
            (1, Some("1")),
            (0x6b33_43cf, Some("2")),
            (0x709a_50c4, Some("2 (draft)")),
            (0xff00_001d, Some("draft-29")),
            (0xff00_0009, Some("draft-09")),
            (0x5130_3436, Some("Q046")),
            (0x5430_3531, Some("T051")),
            (0xface_b002, Some("0xfaceb002 (mvfst)")),
            (0xabcd_0001, Some("0xabcd0001 (msquic)")),
            (0x1a2a_3a4a, Some("0x1a2a3a4a (grease)")),
            (0, None),
            (2, None),
            (0xff00_0000, None),
            (0xff00_0023, None),
            (0xdead_beef, None),
            (u32::MAX, None),
        ];
        for (version, name) in cases {
            assert_eq!(version_name(version).as_deref(), name, "{version:#x}");
        }
        assert!(shares_lengths(0xff00_0015) && !shares_lengths(0xff00_0016));
        assert!(shares_lengths(0x5130_3436) && !shares_lengths(0x5130_3530));
    }
}
