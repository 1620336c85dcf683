//! One connection and its echo.

use std::{io, time::Instant};

use peer_scaffold::{BatchSocket, SEND_MAX};
use quiche::{Connection, ConnectionId};

pub(crate) struct Client {
    pub(crate) connection: Connection,
    /// The connection IDs that lead here: ours, and the one of the client's first packets.
    pub(crate) ids: [ConnectionId<'static>; 2],
    /// Entry among the deadlines of all, if any.
    pub(crate) deadline: Option<Instant>,
    pub(crate) is_dirty: bool,
}

impl Client {
    /// Passes on whatever has come, as far as the other side lets us.
    pub(crate) fn echo(&mut self, room: &mut [u8]) {
        while let Some(stream) = self.connection.stream_readable_next() {
            self.echo_stream(stream, room);
        }
        while let Some(stream) = self.connection.stream_writable_next() {
            self.echo_stream(stream, room);
        }
        while let Ok(length) = self.connection.dgram_recv(room) {
            // One that finds the queue full is lost, as DATAGRAM frames may be.
            let _ = self.connection.dgram_send(&room[..length]);
        }
    }

    fn echo_stream(&mut self, stream: u64, room: &mut [u8]) {
        loop {
            let Ok(capacity) = self.connection.stream_capacity(stream) else {
                return;
            };
            if capacity == 0 && !self.connection.stream_finished(stream) {
                // It will be told as writable.
                let _ = self.connection.stream_writable(stream, 1);
                return;
            }
            // No more is read than can be written.
            let length = capacity.min(room.len());
            let Ok((read, fin)) = self.connection.stream_recv(stream, &mut room[..length]) else {
                return;
            };
            let sent = self.connection.stream_send(stream, &room[..read], fin);
            if fin || sent.is_err() {
                return;
            }
        }
    }

    /// Sends what the connection has to send; packets of one length leave together.
    pub(crate) fn flush(&mut self, socket: &BatchSocket, room: &mut [u8]) -> io::Result<()> {
        while let Ok((segment, info)) = self.connection.send(&mut room[..SEND_MAX]) {
            let mut filled = segment;
            for _ in 1..socket.segments_max() {
                if filled + segment > SEND_MAX {
                    break;
                }
                // None longer than the first: a probe of the path's MTU goes alone.
                let rest = &mut room[filled..filled + segment];
                let Ok((length, _)) = self.connection.send(rest) else {
                    break;
                };
                filled += length;
                if length < segment {
                    break;
                }
            }
            socket.send(info.to, &room[..filled], segment)?;
        }
        Ok(())
    }
}
