//! One connection over TLS 1.3 on TCP.

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
    time::Instant,
};

use rustls::{ClientConfig, ClientConnection, pki_types::ServerName};

use crate::{
    bench::{
        book::{Book, Fault},
        flow::Flow,
        report::ErrorKind,
    },
    tcp::{self, Came, ReadBuffer, Secured},
};

/// Times that a connection is read from before others have their turn.
const READS_PER_TURN_MAX: usize = 16;

/// What was agreed on, in words.
#[derive(Clone, Debug, Default)]
pub(in crate::bench::baseline) struct Agreed {
    pub(in crate::bench::baseline) alpn: Option<String>,
    pub(in crate::bench::baseline) cipher_suite: String,
    pub(in crate::bench::baseline) key_exchange: Option<String>,
}

impl Agreed {
    pub(super) fn on(secured: &Secured) -> Self {
        let tls = secured.tls();
        let alpn = tls.alpn_protocol();
        let suite = tls.negotiated_cipher_suite();
        let suite = suite.map(|suite| format!("{:?}", suite.suite()));
        let group = tls.negotiated_key_exchange_group();
        Self {
            alpn: alpn.map(|name| String::from_utf8_lossy(name).into_owned()),
            cipher_suite: suite.unwrap_or_default().replacen("TLS13_", "TLS_", 1),
            key_exchange: group.map(|group| format!("{:?}", group.name())),
        }
    }
}

/// A connection and the messages on it.
pub(super) struct Peer {
    pub(super) secured: Secured,
    pub(super) flow: Flow,
    pub(super) connected: bool,
    pub(super) began: Instant,
}

impl Peer {
    pub(super) fn connect(
        now: Instant,
        remote: SocketAddr,
        name: &ServerName<'static>,
        tls: &Arc<ClientConfig>,
        number: usize,
    ) -> io::Result<Self> {
        let tls = ClientConnection::new(tls.clone(), name.clone()).map_err(io::Error::other)?;
        let mut secured = Secured::new(tcp::begin_connecting(remote)?, tls.into())?;
        secured.flush()?;
        Ok(Self {
            secured,
            flow: Flow::new(number as u64),
            connected: false,
            began: now,
        })
    }

    /// Reads what has come, and sends what there is room for.
    pub(super) fn serve(
        &mut self,
        now: Instant,
        book: &mut Book,
        buffer: &mut ReadBuffer,
    ) -> Result<(), Fault> {
        for _ in 0..READS_PER_TURN_MAX {
            let (flow, mut fault) = (&mut self.flow, None);
            let came = self.secured.read(buffer, |data, _| {
                if let Err(differs) = flow.read(now, data, book) {
                    fault.get_or_insert(differs);
                }
                Ok(())
            });
            if let Some(fault) = fault {
                return Err(fault);
            }
            match came.map_err(|error| self.fault(&error))? {
                Came::Some => {}
                Came::Nothing => break,
                Came::End => return Err(Fault::new(self.kind(), "peer closed the connection")),
            }
        }
        self.press_on(now, book)
    }

    /// Sends as much as may be sent; a connection that is work itself has the
    /// message that it began with.
    pub(super) fn press_on(&mut self, now: Instant, book: &mut Book) -> Result<(), Fault> {
        if !book.work.way.is_connecting() {
            self.flow.top_up(now, book);
        }
        self.write(book)
    }

    /// Sends as much as the kernel takes.
    pub(super) fn write(&mut self, book: &Book) -> Result<(), Fault> {
        let mut write = || -> io::Result<()> {
            self.secured.flush()?;
            while !self.secured.is_handshaking()
                && !self.secured.is_blocked()
                && let Some(piece) = self.flow.unwritten(book)
            {
                let length = self.secured.write(&piece)?;
                self.flow.wrote(length);
                self.secured.flush()?;
            }
            Ok(())
        };
        let written = write();
        written.map_err(|error| self.fault(&error))
    }

    /// Returns the fault of a connection that has waited too long.
    pub(super) fn check_patience(&self, now: Instant, book: &Book) -> Result<(), Fault> {
        match self.connected {
            true => book.check_patience(now, self.flow.oldest()),
            false if now - self.began >= book.timeout => {
                let time = qecho_packet::text::duration(book.timeout);
                let words = format!("no answer within {time}");
                Err(Fault::new(ErrorKind::Handshake, words))
            }
            false => Ok(()),
        }
    }

    fn kind(&self) -> ErrorKind {
        match self.connected {
            true => ErrorKind::Closed,
            false => ErrorKind::Handshake,
        }
    }

    fn fault(&self, error: &io::Error) -> Fault {
        Fault::new(self.kind(), error.to_string())
    }
}

impl AsFd for Peer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.secured.as_fd()
    }
}
