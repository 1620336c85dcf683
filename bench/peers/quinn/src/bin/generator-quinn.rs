//! Puts load on any QUIC echo server as a client on quinn does that changes none of quinn's
//! settings, and compares every byte that comes back.
#![expect(
    clippy::disallowed_methods,
    reason = "this program looks at the clock for itself"
)]

use std::{
    cell::RefCell, collections::VecDeque, net::SocketAddr, rc::Rc, sync::Arc, time::Instant,
};

use peer_scaffold::{
    ALPN, Failure,
    generator::{Load, Meter},
};
use quinn::{ClientConfig, Connection, Endpoint, crypto::rustls::QuicClientConfig};
use rustls::{
    RootCertStore,
    client::Resumption,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio::{runtime::Builder, sync::mpsc, task::LocalSet};

/// Bytes that are read at once.
const ROOM: usize = 64 * 1024;

/// Words of the report in place of the cipher suite, which quinn does not tell.
const SUITE: &str = "as quinn chooses";

/// State that all connections share.
struct Run {
    load: Load,
    endpoint: Endpoint,
    meter: RefCell<Meter>,
}

fn main() -> Result<(), Failure> {
    let load = Load::parse()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(LocalSet::new().run_until(generate(load)))
}

async fn generate(load: Load) -> Result<(), Failure> {
    let mut endpoint = Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    endpoint.set_default_client_config(config(&load)?);
    let connections = load.connections;
    let meter = RefCell::new(Meter::start(&load, Instant::now())?);
    let run = Rc::new(Run {
        load,
        endpoint,
        meter,
    });
    let (ends, mut ended) = mpsc::channel(1);
    for _ in 0..connections {
        let (run, ends) = (run.clone(), ends.clone());
        tokio::task::spawn_local(async move {
            let outcome = match run.load.is_handshake {
                true => run.connect_again_and_again().await,
                false => run.exchange().await,
            };
            // The first end is enough.
            let _ = ends.send(outcome).await;
        });
    }
    ended.recv().await.ok_or("there is no connection")??;
    println!(
        "{}",
        run.meter.borrow().report(Instant::now(), Some(SUITE))?
    );
    Ok(())
}

fn config(load: &Load) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(&load.ca)? {
        roots.add(certificate?)?;
    }
    let mut tls = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    // Handshakes are to be full ones.
    tls.resumption = Resumption::disabled();
    Ok(ClientConfig::new(Arc::new(QuicClientConfig::try_from(
        tls,
    )?)))
}

impl Run {
    async fn connect(&self) -> Result<Connection, Failure> {
        Ok(self
            .endpoint
            .connect(self.load.server, "localhost")?
            .await?)
    }

    fn goes_on(&self) -> Result<bool, Failure> {
        Ok(self.meter.borrow_mut().goes_on(Instant::now())?)
    }

    /// Keeps messages under way on one stream.
    async fn exchange(&self) -> Result<(), Failure> {
        let load = &self.load;
        let (mut send, mut receive) = self.connect().await?.open_bi().await?;
        let mut under_way = VecDeque::new();
        let (mut sent, mut received) = (0, 0);
        let mut room = vec![0; ROOM];
        while self.goes_on()? {
            let missing = load.in_flight - under_way.len();
            let now = Instant::now();
            send.write_all(load.pattern.piece(sent, missing * load.size))
                .await?;
            sent += (missing * load.size) as u64;
            under_way.extend((0..missing).map(|_| now));
            let length = receive.read(&mut room).await?;
            let length = length.ok_or("the server has closed")?;
            if room[..length] != *load.pattern.piece(received, length) {
                return Err("what came back differs".into());
            }
            let before = received / load.size as u64;
            received += length as u64;
            let now = Instant::now();
            for _ in before..received / load.size as u64 {
                let since = under_way.pop_front();
                let since = since.ok_or("more came back than was sent")?;
                self.meter.borrow_mut().echoed(since, now, load.size);
            }
        }
        Ok(())
    }

    /// Connects, has one message echoed and closes, again and again.
    async fn connect_again_and_again(&self) -> Result<(), Failure> {
        let message = self.load.pattern.piece(0, self.load.size);
        while self.goes_on()? {
            let begun = Instant::now();
            let connection = self.connect().await?;
            let (mut send, mut receive) = connection.open_bi().await?;
            send.write_all(message).await?;
            send.finish()?;
            if receive.read_to_end(message.len()).await? != message {
                return Err("what came back differs".into());
            }
            connection.close(0_u32.into(), b"");
            let mut meter = self.meter.borrow_mut();
            meter.echoed(begun, Instant::now(), message.len());
        }
        Ok(())
    }
}
