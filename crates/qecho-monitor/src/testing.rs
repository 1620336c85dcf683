//! Servers whose shards stand still when a test wants it.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use qecho_echo::server::{self, Echo};
use qecho_engine::rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use qecho_io::{Listen, Server};

/// Time after which a test that waits has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Identity of a server that has no clients.
#[derive(Debug)]
struct NoCertificate;

impl ResolvesServerCert for NoCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

pub(crate) fn server(shards: usize) -> Server<Echo> {
    let echo = Echo::default();
    server::config(Arc::new(NoCertificate))
        .with_listen([Listen::Loopback { port: 0 }])
        .with_shards(NonZeroUsize::new(shards).expect("there are shards"))
        .start(|_| echo.clone())
        .expect("there is a free port")
}

/// Gate at which threads wait until it is open.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    pub(crate) const fn new() -> Self {
        Self {
            is_open: Mutex::new(false),
            opened: Condvar::new(),
        }
    }

    pub(crate) fn wait(&self) {
        let is_open = self.is_open.lock().expect("nobody panics");
        let waited = self.opened.wait_while(is_open, |is_open| !*is_open);
        drop(waited.expect("nobody panics"));
    }

    pub(crate) fn open(&self) {
        *self.is_open.lock().expect("nobody panics") = true;
        self.opened.notify_all();
    }
}
