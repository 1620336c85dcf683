//! What goes beyond the limits of streams and flow control (RFC 9000 §4).

use qecho_packet::{
    Dir,
    close::{FLOW_CONTROL_ERROR, STREAM_LIMIT_ERROR},
    wire::INTEGER_MAX,
};
use qecho_peer::packet::one_rtt;

use super::{STREAMS_MAX, data, reset};
use crate::conform::{Expected, Finding, Judged, Run, Verdict, connection::not_applicable};

const FLOW_CONTROL: Expected =
    Expected::close(&[FLOW_CONTROL_ERROR]).unless_the_application_closes();

/// Streams and bytes between a limit and what is far beyond it: limits may be raised meanwhile.
const STREAMS_BEYOND: u64 = 1_000;
const BYTES_BEYOND: u64 = 1 << 20;

pub(super) fn a_stream_beyond_the_limit(run: &mut Run<'_>, direction: Dir) -> Judged {
    let opens_one = |run: &mut Run<'_>, beyond: u64| {
        let mut connection = run.open()?;
        let index = connection.streams_granted(direction) + beyond;
        if index >= STREAMS_MAX {
            return Err(not_applicable(
                "the peer grants all streams that there can be",
            ));
        }
        let id = connection.own_stream(direction, index);
        let finding = connection.expect(
            one_rtt([data(id, 0)]),
            Expected::close(&[STREAM_LIMIT_ERROR]),
        )?;
        Ok((finding, connection.streams_granted(direction) > index))
    };
    at_the_limit_and_beyond(run, STREAMS_BEYOND, &opens_one)
}

pub(super) fn data_beyond_the_window_of_its_stream(run: &mut Run<'_>) -> Judged {
    let sends_a_byte = |run: &mut Run<'_>, beyond: u64| {
        let mut connection = run.open()?;
        let id = connection.open_stream(0)?;
        let offset = connection.stream_data_granted(id) + beyond;
        if offset >= INTEGER_MAX {
            return Err(not_applicable(
                "the peer grants all bytes that there can be",
            ));
        }
        let finding = connection.expect(one_rtt([data(id, offset)]), FLOW_CONTROL)?;
        Ok((finding, connection.stream_data_granted(id) > offset))
    };
    at_the_limit_and_beyond(run, BYTES_BEYOND, &sends_a_byte)
}

/// Goes beyond a limit by so many; returns what becomes of that, and whether the limit is such by
/// now that nothing was beyond it.
type Exceed<'e> = &'e dyn Fn(&mut Run<'_>, u64) -> Result<(Finding, bool), Finding>;

/// Goes beyond a limit by one, and then by far. Who takes one alone may have raised the limit by a
/// frame that was lost, and is not accused.
fn at_the_limit_and_beyond(run: &mut Run<'_>, far: u64, exceed: Exceed<'_>) -> Judged {
    let (by_one, is_raised) = exceed(run, 0)?;
    if by_one.verdict != Verdict::Fail {
        return Ok(by_one);
    }
    let (by_far, _) = exceed(run, far)?;
    Ok(match by_far.verdict {
        Verdict::Pass if !is_raised => Finding::new(
            Verdict::Note,
            format!(
                "{}; what goes beyond the limit by one was {}",
                by_far.seen, by_one.seen
            ),
        ),
        _ => by_far,
    })
}

/// Resets of streams that one packet has place for.
const RESETS_MAX: u64 = 64;

/// Tells whether one packet has place for so many resets, and a stream is left that was not reset:
/// whatever comes on one that was may be ignored (RFC 9000 §4.5).
fn leaves_one(resets: u64, streams: u64) -> bool {
    resets <= RESETS_MAX && resets < streams
}

/// Each stream stays within its own window, if that can be: the connection's is broken by all
/// together.
pub(super) fn a_final_size_beyond_the_window_of_the_connection(run: &mut Run<'_>) -> Judged {
    let mut connection = run.open()?;
    let id = connection.open_stream(0)?;
    let (window, all) = (
        connection.stream_data_granted(id),
        connection.data_granted(),
    );
    let final_size = all + BYTES_BEYOND;
    if final_size >= INTEGER_MAX {
        return Err(not_applicable(
            "the peer grants all bytes that there can be",
        ));
    }
    let count = all / window.max(1) + 1;
    let streams = connection.streams_granted(id.direction());
    if !leaves_one(count, streams) {
        return connection.expect(one_rtt([reset(id, final_size)]), FLOW_CONTROL);
    }
    let ids = (0..count).map(|index| connection.own_stream(id.direction(), index));
    let resets: Vec<_> = ids.map(|id| reset(id, window)).collect();
    let finding = connection.expect(one_rtt(resets), FLOW_CONTROL)?;
    if finding.verdict != Verdict::Fail {
        return Ok(finding);
    }
    // Windows that grow as fast as they are used would have the same effect.
    let id = connection.own_stream(id.direction(), count);
    let far = connection.expect(one_rtt([reset(id, INTEGER_MAX)]), FLOW_CONTROL)?;
    Ok(match far.verdict {
        Verdict::Fail => far,
        _ => {
            let seen = format!(
                "{count} streams in one packet, each within its own window, were {}; \
                 one of 2^62-1 bytes was {}",
                finding.seen, far.seen
            );
            Finding::new(Verdict::Note, seen)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_left_for_the_last_resort() {
        assert!(leaves_one(2, 3));
        assert!(!leaves_one(3, 3));
        assert!(!leaves_one(RESETS_MAX + 1, 100));
    }
}
