//! An echo on bidirectional streams, for requirements that need one.

use std::collections::HashMap;

use qecho_packet::{Dir, StreamId};

use crate::endpoint::Endpoint;

/// Record of what an endpoint has echoed of the streams that its peer has opened.
#[derive(Debug, Default)]
pub struct Echo {
    /// Bytes that were sent back, and whether the end was, by stream.
    sent: HashMap<StreamId, (usize, bool)>,
}

impl Echo {
    /// Sends back what has come since, and the end of streams.
    ///
    /// A stream that the peer has reset, or does not read any more, is left alone.
    pub fn advance(&mut self, endpoint: &mut Endpoint) {
        let mut answers = Vec::new();
        let own = endpoint.side();
        for (id, stream) in endpoint.streams() {
            let is_echoed = id.direction() == Dir::Bidirectional && id.initiator() != own;
            if !is_echoed || stream.reset.is_some() || stream.stopped.is_some() {
                continue;
            }
            let (sent, is_ended) = self.sent.entry(id).or_default();
            let new = &stream.data[*sent..];
            let is_whole = stream.final_size == Some(stream.data.len() as u64);
            let is_end = is_whole && !*is_ended;
            if !new.is_empty() || is_end {
                answers.push((id, new.to_vec(), is_end));
                *sent = stream.data.len();
                *is_ended |= is_end;
            }
        }
        for (id, data, is_end) in answers {
            endpoint.write(id, &data, is_end);
        }
    }
}
