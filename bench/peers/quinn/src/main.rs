//! An echo server on quinn, as a user of quinn writes it: a task for each connection and stream.

use std::{sync::Arc, time::Duration};

use peer_scaffold::{ALPN, Arguments, Failure, IDLE_TIMEOUT_S, STREAMS, announce, bind};
use quinn::{
    Connection, Endpoint, EndpointConfig, Incoming, MtuDiscoveryConfig, RecvStream, SendStream,
    ServerConfig, TokioRuntime, TransportConfig, crypto::rustls::QuicServerConfig,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::runtime::Builder;

/// Bytes that are read at once.
const COALESCE: usize = 64 * 1024;

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse()?;
    let mut builder = match arguments.runtime.as_deref() {
        Some("multi-thread") => Builder::new_multi_thread(),
        _ => Builder::new_current_thread(),
    };
    builder.enable_all().build()?.block_on(serve(arguments))
}

async fn serve(arguments: Arguments) -> Result<(), Failure> {
    let mut endpoint_config = EndpointConfig::default();
    endpoint_config.max_udp_payload_size(arguments.receive_payload_max.max(1_472))?;
    let endpoint = Endpoint::new(
        endpoint_config,
        Some(server_config(&arguments)?),
        bind(arguments.listen)?,
        Arc::new(TokioRuntime),
    )?;
    announce(endpoint.local_addr()?)?;
    while let Some(incoming) = endpoint.accept().await {
        tokio::spawn(handle_connection(incoming, arguments.datagrams));
    }
    Ok(())
}

fn server_config(arguments: &Arguments) -> Result<ServerConfig, Failure> {
    let chain = CertificateDer::pem_file_iter(&arguments.cert)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(&arguments.key)?;
    let mut tls = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    let mut mtu = MtuDiscoveryConfig::default();
    mtu.upper_bound(arguments.send_payload_max);
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(Duration::from_secs(IDLE_TIMEOUT_S).try_into()?))
        .max_concurrent_bidi_streams(u32::try_from(STREAMS)?.into())
        .mtu_discovery_config(Some(mtu));
    config.transport_config(Arc::new(transport));
    Ok(config)
}

async fn handle_connection(incoming: Incoming, datagrams: bool) -> Option<()> {
    let connection = incoming.await.ok()?;
    if datagrams {
        tokio::spawn(echo_datagrams(connection.clone()));
    }
    loop {
        let (send, receive) = connection.accept_bi().await.ok()?;
        tokio::spawn(echo_stream(send, receive));
    }
}

async fn echo_stream(mut send: SendStream, mut receive: RecvStream) -> Option<()> {
    let mut buffer = vec![0; 1024];
    while let Some(length) = receive.read(&mut buffer).await.ok()? {
        send.write_all(&buffer[..length]).await.ok()?;
        // Most streams are short; one that is not deserves larger steps.
        if length == buffer.len() && length < COALESCE {
            buffer.resize(COALESCE, 0);
        }
    }
    send.finish().ok()
}

async fn echo_datagrams(connection: Connection) -> Option<()> {
    loop {
        let datagram = connection.read_datagram().await.ok()?;
        // One that does not fit is lost, as DATAGRAM frames may be.
        let _ = connection.send_datagram(datagram);
    }
}
