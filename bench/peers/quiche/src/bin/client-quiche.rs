//! An echo client on quiche, with the event loop that quiche leaves to its user: one message and
//! its echo, with the limits of quiche's own example.

use std::{
    env,
    hash::{BuildHasher, RandomState},
    io,
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use peer_scaffold::{Failure, Visit, unless_blocked};
use quiche::{Config, Connection, ConnectionId, RecvInfo};

/// Windows of the connection and of each stream, and streams that the server may open.
const CONNECTION_WINDOW: u64 = 10_000_000;
const STREAM_WINDOW: u64 = 1_000_000;
const STREAMS: u64 = 100;
/// Milliseconds of silence after which the connection is given up.
const IDLE_TIMEOUT: u64 = 30_000;
/// The first bidirectional stream of a client.
const STREAM: u64 = 0;

fn main() -> Result<(), Failure> {
    let visit = Visit::read(env::args().skip(1))?;
    let socket = UdpSocket::bind(SocketAddr::new(visit.unspecified(), 0))?;
    socket.connect(visit.address)?;
    let local = socket.local_addr()?;
    let id = RandomState::new().hash_one(local).to_be_bytes();
    let id = ConnectionId::from_ref(&id);
    let host = Some(visit.host.as_str());
    let mut config = config(&visit)?;
    let mut connection = quiche::connect(host, &id, local, visit.address, &mut config)?;
    let mut echo = Vec::new();
    let mut rest = Visit::MESSAGE;
    let mut room = vec![0; 65_536];
    while !connection.is_closed() {
        // What cannot be sent waits: for credit, or for the end that the connection has to tell of.
        if connection.is_established()
            && !rest.is_empty()
            && let Ok(length) = connection.stream_send(STREAM, rest, true)
        {
            rest = &rest[length..];
        }
        flush(&mut connection, &socket, &mut room)?;
        wait(&mut connection, &socket, &mut room)?;
        while let Ok((length, fin)) = connection.stream_recv(STREAM, &mut room) {
            echo.extend_from_slice(&room[..length]);
            if fin {
                // It may be closed already.
                let _ = connection.close(true, 0, b"");
            }
        }
    }
    Visit::check(&echo)
}

fn config(visit: &Visit) -> Result<Config, Failure> {
    let mut config = Config::new(quiche::PROTOCOL_VERSION)?;
    config.load_verify_locations_from_file(&visit.ca.to_string_lossy())?;
    config.verify_peer(true);
    config.set_application_protos(&[visit.alpn.as_bytes()])?;
    config.set_max_idle_timeout(IDLE_TIMEOUT);
    config.set_initial_max_data(CONNECTION_WINDOW);
    config.set_initial_max_stream_data_bidi_local(STREAM_WINDOW);
    config.set_initial_max_stream_data_bidi_remote(STREAM_WINDOW);
    config.set_initial_max_stream_data_uni(STREAM_WINDOW);
    config.set_initial_max_streams_bidi(STREAMS);
    config.set_initial_max_streams_uni(STREAMS);
    Ok(config)
}

/// Sends what the connection has to send.
fn flush(connection: &mut Connection, socket: &UdpSocket, room: &mut [u8]) -> io::Result<()> {
    while let Ok((length, _)) = connection.send(room) {
        match socket.send(&room[..length]) {
            // Nobody listens any more: the connection ends by its timeout.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            sent => drop(sent?),
        }
    }
    Ok(())
}

/// Waits for a datagram, at most as long as the connection likes.
fn wait(connection: &mut Connection, socket: &UdpSocket, room: &mut [u8]) -> io::Result<()> {
    // A socket takes no wait for nothing.
    let limit = connection
        .timeout()
        .map(|it| it.max(Duration::from_millis(1)));
    socket.set_read_timeout(limit)?;
    let (from, to) = (socket.peer_addr()?, socket.local_addr()?);
    let received = match socket.recv(room) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(()),
        received => unless_blocked(received)?,
    };
    match received {
        // What makes no sense ends in a closed connection or in nothing.
        Some(length) => drop(connection.recv(&mut room[..length], RecvInfo { from, to })),
        None => connection.on_timeout(),
    }
    Ok(())
}
