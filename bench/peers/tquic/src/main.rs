//! An echo server on tquic, with the event loop that tquic leaves to its user.
#![expect(
    clippy::disallowed_methods,
    reason = "this program is its own event loop"
)]

use std::{
    collections::HashMap,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use peer_scaffold::{
    ALPN, Arguments, BatchSocket, Failure, IDLE_TIMEOUT_S, SEND_MAX, STREAMS, announce,
};
use tquic::{
    Config, Connection, Endpoint, PacketInfo, PacketSendHandler, TlsConfig, TransportHandler,
};

/// Bytes that are read at once.
const COALESCE: usize = 64 * 1024;

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse()?;
    let mut socket = BatchSocket::bind(arguments.listen)?;
    let local = socket.local_addr()?;
    let sender = Rc::new(Sender(socket.try_clone()?));
    let config = Box::new(config(&arguments)?);
    let echo = Echo {
        room: vec![0; COALESCE],
        unsent: HashMap::new(),
    };
    let mut endpoint = Endpoint::new(config, true, Box::new(echo), sender);
    announce(local)?;
    loop {
        // Its timers count whole milliseconds: a wait for nothing would not end.
        let limit = endpoint.timeout();
        socket.wait(limit.map(|it| it.max(Duration::from_millis(1))))?;
        let time = Instant::now();
        socket.receive(|datagram, src| {
            let info = PacketInfo {
                src,
                dst: local,
                time,
            };
            // A datagram that makes no sense ends in a closed connection or in nothing.
            let _ = endpoint.recv(datagram, &info);
        })?;
        endpoint.on_timeout(Instant::now());
        endpoint.process_connections()?;
    }
}

fn config(arguments: &Arguments) -> Result<Config, Failure> {
    let mut config = Config::new()?;
    config.set_max_idle_timeout(IDLE_TIMEOUT_S * 1_000);
    config.set_initial_max_streams_bidi(STREAMS);
    config.set_recv_udp_payload_size(arguments.receive_payload_max);
    config.set_send_udp_payload_size(arguments.send_payload_max.into());
    config.enable_dplpmtud(true);
    config.enable_pacing(false);
    config.set_tls_config(TlsConfig::new_server_config(
        &arguments.cert.to_string_lossy(),
        &arguments.key.to_string_lossy(),
        vec![ALPN.to_vec()],
        false,
    )?);
    Ok(config)
}

/// What is read and not yet written, and whether the stream ends behind it.
type Unsent = (Bytes, bool);

struct Echo {
    room: Vec<u8>,
    /// By connection and stream.
    unsent: HashMap<(u64, u64), Unsent>,
}

impl Echo {
    fn echo(&mut self, connection: &mut Connection, stream: u64) {
        let place = (connection.index().unwrap_or_default(), stream);
        let mut next = self.unsent.remove(&place);
        loop {
            let Some((mut data, fin)) = next.or_else(|| self.read(connection, stream)) else {
                return;
            };
            let written = match connection.stream_write(stream, data.clone(), fin) {
                Ok(written) => written,
                Err(tquic::Error::Done) => 0,
                Err(_) => return,
            };
            if written < data.len() {
                let _ = data.split_to(written);
                self.unsent.insert(place, (data, fin));
                let _ = connection.stream_want_write(stream, true);
                return;
            }
            if fin {
                return;
            }
            next = None;
        }
    }

    fn read(&mut self, connection: &mut Connection, stream: u64) -> Option<Unsent> {
        let mut length = 0;
        while length < self.room.len() {
            match connection.stream_read(stream, &mut self.room[length..]) {
                Ok((read, true)) => {
                    return Some((Bytes::copy_from_slice(&self.room[..length + read]), true));
                }
                Ok((0, false)) | Err(_) => break,
                Ok((read, false)) => length += read,
            }
        }
        (length > 0).then(|| (Bytes::copy_from_slice(&self.room[..length]), false))
    }
}

impl TransportHandler for Echo {
    fn on_conn_created(&mut self, _: &mut Connection) {}

    fn on_conn_established(&mut self, _: &mut Connection) {}

    fn on_conn_closed(&mut self, _: &mut Connection) {}

    fn on_stream_created(&mut self, _: &mut Connection, _: u64) {}

    fn on_stream_readable(&mut self, connection: &mut Connection, stream: u64) {
        let place = (connection.index().unwrap_or_default(), stream);
        // What waits goes first, when there is room for it.
        if !self.unsent.contains_key(&place) {
            self.echo(connection, stream);
        }
    }

    fn on_stream_writable(&mut self, connection: &mut Connection, stream: u64) {
        let _ = connection.stream_want_write(stream, false);
        self.echo(connection, stream);
    }

    fn on_stream_closed(&mut self, connection: &mut Connection, stream: u64) {
        let place = (connection.index().unwrap_or_default(), stream);
        self.unsent.remove(&place);
    }

    fn on_new_token(&mut self, _: &mut Connection, _: Vec<u8>) {}
}

/// Sends neighbours of one length and destination together.
struct Sender(BatchSocket);

impl PacketSendHandler for Sender {
    fn on_packets_send(&self, packets: &[(Vec<u8>, PacketInfo)]) -> tquic::Result<usize> {
        let mut sent = 0;
        while let Some((first, info)) = packets.get(sent) {
            let fitting = SEND_MAX / first.len().max(1);
            let most = self.0.segments_max().min(fitting).max(1);
            let rest = packets[sent..].iter().take(most);
            let mut contents = Vec::with_capacity(rest.len() * first.len());
            let mut count = 0;
            for (packet, other) in rest {
                if other.dst != info.dst || packet.len() > first.len() {
                    break;
                }
                contents.extend_from_slice(packet);
                count += 1;
                if packet.len() < first.len() {
                    break;
                }
            }
            if self.0.send(info.dst, &contents, first.len()).is_err() {
                return Ok(sent);
            }
            sent += count;
        }
        Ok(sent)
    }
}
