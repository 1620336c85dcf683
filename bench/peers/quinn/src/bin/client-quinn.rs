//! An echo client on quinn: one message and its echo, with quinn's own settings.

use std::{env, net::SocketAddr, sync::Arc};

use peer_scaffold::{Failure, Visit};
use quinn::{ClientConfig, Endpoint, crypto::rustls::QuicClientConfig};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio::runtime::Builder;

fn main() -> Result<(), Failure> {
    let visit = Visit::read(env::args().skip(1))?;
    let mut builder = Builder::new_current_thread();
    builder.enable_all().build()?.block_on(echo(&visit))
}

async fn echo(visit: &Visit) -> Result<(), Failure> {
    let mut endpoint = Endpoint::client(SocketAddr::new(visit.unspecified(), 0))?;
    endpoint.set_default_client_config(config(visit)?);
    let connection = endpoint.connect(visit.address, &visit.host)?.await?;
    let (mut send, mut receive) = connection.open_bi().await?;
    send.write_all(Visit::MESSAGE).await?;
    send.finish()?;
    let echo = receive.read_to_end(Visit::MESSAGE.len()).await?;
    connection.close(0_u32.into(), b"");
    endpoint.wait_idle().await;
    Visit::check(&echo)
}

fn config(visit: &Visit) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(&visit.ca)? {
        roots.add(certificate?)?;
    }
    let mut tls = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![visit.alpn.clone().into_bytes()];
    Ok(ClientConfig::new(Arc::new(QuicClientConfig::try_from(
        tls,
    )?)))
}
