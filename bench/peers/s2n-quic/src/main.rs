//! An echo server on s2n-quic with its rustls provider.

use std::{
    future::poll_fn,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use peer_scaffold::{
    ALPN, Arguments, CONNECTION_WINDOW, DATAGRAM_QUEUE, Failure, IDLE_TIMEOUT_S, KERNEL_BUFFER,
    STREAM_WINDOW, STREAMS, announce,
};
use s2n_quic::{
    Connection, Server,
    connection::Handle,
    provider::{
        datagram::default::{Endpoint, Receiver, Sender},
        io::tokio::Builder,
        limits::Limits,
        tls::rustls,
    },
    stream::BidirectionalStream,
};

/// Bytes of an IPv6 and a UDP header: s2n-quic counts whole IP packets.
const HEADERS: u16 = 48;

/// Pieces of a stream that are passed on at once.
const PIECES: usize = 32;

/// Bytes of a piece from which on its stream counts as bulk: more than the 16 messages of 64 B that
/// come in one packet.
const LONG_PIECE: usize = 1_100;

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse()?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(serve(&arguments))
}

async fn serve(arguments: &Arguments) -> Result<(), Failure> {
    let tls = rustls::Server::builder()
        .with_certificate(arguments.cert.as_path(), arguments.key.as_path())?
        .with_application_protocols([ALPN].into_iter())?
        .build()?;
    let io = Builder::default()
        .with_receive_address(arguments.listen)?
        .with_recv_buffer_size(KERNEL_BUFFER)?
        .with_send_buffer_size(KERNEL_BUFFER)?
        .with_max_mtu(arguments.send_payload_max.saturating_add(HEADERS))?
        .build()?;
    let limits = Limits::new()
        .with_max_idle_timeout(Duration::from_secs(IDLE_TIMEOUT_S))?
        .with_data_window(CONNECTION_WINDOW)?
        .with_bidirectional_remote_data_window(STREAM_WINDOW)?
        .with_max_open_remote_bidirectional_streams(STREAMS)?;
    let builder = Server::builder()
        .with_tls(tls)?
        .with_io(io)?
        .with_limits(limits)?;
    let mut server = match arguments.datagrams {
        false => builder.start()?,
        true => builder.with_datagram(datagram_endpoint()?)?.start()?,
    };
    announce(server.local_addr()?)?;
    while let Some(connection) = server.accept().await {
        tokio::spawn(handle_connection(connection, arguments.datagrams));
    }
    Ok(())
}

fn datagram_endpoint() -> Result<Endpoint, Failure> {
    let builder = Endpoint::builder()
        .with_send_capacity(DATAGRAM_QUEUE)?
        .with_recv_capacity(DATAGRAM_QUEUE)?;
    Ok(builder.build()?)
}

async fn handle_connection(mut connection: Connection, datagrams: bool) {
    if datagrams {
        tokio::spawn(echo_datagrams(connection.handle()));
    }
    while let Ok(Some(stream)) = connection.accept_bidirectional_stream().await {
        tokio::spawn(echo_stream(stream));
    }
}

async fn echo_stream(mut stream: BidirectionalStream) -> Option<()> {
    while let Some(piece) = stream.receive().await.ok()? {
        let is_bulk = piece.len() >= LONG_PIECE;
        stream.send(piece).await.ok()?;
        if is_bulk {
            // Boxed: its array would make every task larger that never comes here.
            return Box::pin(echo_bulk(stream)).await;
        }
    }
    stream.finish().ok()
}

/// A lone piece is cheaper passed on alone, many are cheaper together.
async fn echo_bulk(mut stream: BidirectionalStream) -> Option<()> {
    loop {
        let mut pieces: [Bytes; PIECES] = std::array::from_fn(|_| Bytes::new());
        let (count, is_open) = stream.receive_vectored(&mut pieces).await.ok()?;
        stream.send_vectored(&mut pieces[..count]).await.ok()?;
        if !is_open {
            return stream.finish().ok();
        }
    }
}

async fn echo_datagrams(connection: Handle) -> Option<()> {
    loop {
        let received = poll_fn(|context| poll_received(&connection, context)).await?;
        // One that finds the queue full is lost, as DATAGRAM frames may be.
        let _ = connection.datagram_mut(|sender: &mut Sender| sender.send_datagram(received));
    }
}

fn poll_received(connection: &Handle, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
    let poll = |receiver: &mut Receiver| receiver.poll_recv_datagram(context);
    match connection.datagram_mut(poll) {
        Ok(poll) => poll.map(Result::ok),
        Err(_) => Poll::Ready(None),
    }
}
