//! An echo client on s2n-quic with its rustls provider: one message and its echo, with s2n-quic's
//! own settings.

use std::{env, net::SocketAddr};

use bytes::Bytes;
use peer_scaffold::{Failure, Visit};
use s2n_quic::{Client, client::Connect, provider::tls::rustls};

fn main() -> Result<(), Failure> {
    let visit = Visit::read(env::args().skip(1))?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(echo(&visit))
}

async fn echo(visit: &Visit) -> Result<(), Failure> {
    let tls = rustls::Client::builder()
        .with_certificate(visit.ca.as_path())?
        .with_application_protocols([visit.alpn.as_bytes()].into_iter())?
        .build()?;
    let mut client = Client::builder()
        .with_tls(tls)?
        .with_io(SocketAddr::new(visit.unspecified(), 0))?
        .start()?;
    let connect = Connect::new(visit.address).with_server_name(visit.host.as_str());
    let mut connection = client.connect(connect).await?;
    let mut stream = connection.open_bidirectional_stream().await?;
    stream.send(Bytes::from_static(Visit::MESSAGE)).await?;
    stream.finish()?;
    let mut echo = Vec::new();
    while let Some(piece) = stream.receive().await? {
        echo.extend_from_slice(&piece);
    }
    connection.close(0_u32.into());
    client.wait_idle().await?;
    Visit::check(&echo)
}
