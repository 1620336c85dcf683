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
        accounting::LoadAccounting,
        failure::{ConnectionFailure, ErrorKind},
        ordered_messages::OrderedMessages,
    },
    tcp::{self, ReadOutcome, TlsStream},
};

/// Times that a connection is read from before others have their turn.
const READS_PER_TURN_MAX: usize = 16;

/// A connection and the messages on it.
pub(super) struct TlsConnection {
    pub(super) stream: TlsStream,
    pub(super) messages: OrderedMessages,
    pub(super) is_connected: bool,
    pub(super) began: Instant,
}

impl TlsConnection {
    pub(super) fn begin(
        now: Instant,
        remote: SocketAddr,
        name: &ServerName<'static>,
        tls: &Arc<ClientConfig>,
        number: usize,
    ) -> io::Result<Self> {
        let tls = ClientConnection::new(tls.clone(), name.clone()).map_err(io::Error::other)?;
        let mut stream = TlsStream::new(tcp::begin_connecting(remote)?, tls.into())?;
        stream.flush()?;
        Ok(Self {
            stream,
            messages: OrderedMessages::new(number as u64),
            is_connected: false,
            began: now,
        })
    }

    /// Reads what has come, and sends what there is room for.
    pub(super) fn serve(
        &mut self,
        now: Instant,
        accounting: &mut LoadAccounting,
        buffer: &mut [u8],
    ) -> Result<(), ConnectionFailure> {
        for _ in 0..READS_PER_TURN_MAX {
            match self.read(now, accounting, buffer)? {
                ReadOutcome::Data => {}
                ReadOutcome::Blocked => break,
                ReadOutcome::End => return Err(self.failure("peer closed the connection")),
            }
        }
        self.send_pending(now, accounting)
    }

    fn read(
        &mut self,
        now: Instant,
        accounting: &mut LoadAccounting,
        buffer: &mut [u8],
    ) -> Result<ReadOutcome, ConnectionFailure> {
        let (messages, mut failure) = (&mut self.messages, None);
        let read = self.stream.read(buffer, |data, _| {
            let echoes =
                accounting.account_for(now, |pattern, events| messages.read(data, pattern, events));
            if let Err(differs) = echoes {
                failure.get_or_insert(differs);
            }
            Ok(())
        });
        match failure {
            Some(failure) => Err(failure),
            None => read.map_err(|error| self.failure(error.to_string())),
        }
    }

    /// Sends as much as may be sent.
    pub(super) fn send_pending(
        &mut self,
        now: Instant,
        accounting: &mut LoadAccounting,
    ) -> Result<(), ConnectionFailure> {
        let granted = accounting.refill(now, self.messages.len());
        granted.for_each(|message| self.messages.add(message));
        self.write(now, accounting)
    }

    /// Sends as much as the kernel takes.
    pub(super) fn write(
        &mut self,
        now: Instant,
        accounting: &mut LoadAccounting,
    ) -> Result<(), ConnectionFailure> {
        accounting.account_for(now, |pattern, _| {
            let mut write = || -> io::Result<()> {
                self.stream.flush()?;
                while !self.stream.is_handshaking()
                    && !self.stream.is_blocked()
                    && let Some(piece) = self.messages.unwritten(pattern)
                {
                    let length = self.stream.write(&piece)?;
                    self.messages.wrote(length);
                    self.stream.flush()?;
                }
                Ok(())
            };
            let written = write();
            written.map_err(|error| self.failure(error.to_string()))
        })
    }

    /// Fails if the connection has waited too long.
    pub(super) fn check_timeout(
        &self,
        now: Instant,
        accounting: &LoadAccounting,
    ) -> Result<(), ConnectionFailure> {
        let timeout = accounting.timeout;
        match self.is_connected {
            true => accounting.check_timeout(now, self.messages.oldest()),
            false if now - self.began >= timeout => Err(ConnectionFailure::no_handshake(timeout)),
            false => Ok(()),
        }
    }

    fn failure(&self, reason: impl Into<String>) -> ConnectionFailure {
        let kind = match self.is_connected {
            true => ErrorKind::Closed,
            false => ErrorKind::Handshake,
        };
        ConnectionFailure::new(kind, reason)
    }
}

impl AsFd for TlsConnection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
