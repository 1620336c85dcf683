//! Which datagrams of a run are the odd ones: what a requirement does to the peer.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering::Relaxed},
};

use qecho_packet::wire::{Frame, frames};
use qecho_peer::{
    endpoint::{ClientConfig, ServerConfig},
    received::Record,
    tls::{Edit, Level, Message},
};

/// Levels at which the TLS messages of a connection are odd, as far as they have been made.
#[derive(Clone, Debug, Default)]
pub(super) struct OddLevels {
    levels: Arc<AtomicU8>,
    /// Datagrams of the record that only prepare what is odd, whoever has told so.
    preparations: usize,
}

impl OddLevels {
    /// Compares a client's settings with those of one that behaves well.
    pub(super) fn of_client(plain: &ClientConfig, config: &mut ClientConfig) -> Self {
        let odd = Self::default();
        let is_plain = config.edit_parameters.is_none()
            && config.parameters == plain.parameters
            && config.version == plain.version
            && config.destination == plain.destination
            && config.source == plain.source
            && config.token == plain.token
            && config.tls.alpn == plain.tls.alpn;
        if !is_plain {
            odd.add(Level::Initial);
        }
        config.tls.edit = config.tls.edit.take().map(|edit| odd.watch(edit));
        odd
    }

    /// Looks for what is odd in a server's settings.
    pub(super) fn of_server(config: &mut ServerConfig) -> Self {
        let odd = Self::default();
        if config.edit_parameters.is_some() {
            odd.add(Level::Handshake);
        }
        config.tls.edit = config.tls.edit.take().map(|edit| odd.watch(edit));
        odd
    }

    /// Notes which messages are changed.
    fn watch(&self, edit: Edit) -> Edit {
        let odd = self.clone();
        Arc::new(move |message| {
            let before = message.clone();
            edit(message);
            if *message != before {
                odd.add(match before {
                    Message::ClientHello(_) | Message::ServerHello(_) => Level::Initial,
                    Message::NewSessionTicket(_) => Level::OneRtt,
                    _ => Level::Handshake,
                });
            }
        })
    }

    /// Notes that a message is odd.
    pub(super) fn add(&self, level: Level) {
        self.levels.fetch_or(1 << level as u8, Relaxed);
    }

    /// Notes that so many datagrams of the record prepare what is odd.
    pub(super) fn prepared(&mut self, datagrams: usize) {
        self.preparations = datagrams;
    }

    /// Tells whether a datagram that was sent is odd: the script has told so, or it carries odd
    /// messages.
    pub(super) fn concern(&self, record: &Record, datagram: usize) -> bool {
        let is_odd = |level: Level| self.levels.load(Relaxed) & 1 << level as u8 != 0;
        let mut sent = record.sent.iter().filter(|sent| sent.datagram == datagram);
        datagram >= self.preparations && record.datagrams[datagram].is_told
            || sent.any(|packet| {
                let mut frames = frames(&packet.payload);
                is_odd(packet.level)
                    && frames.any(|frame| matches!(frame, Ok(Frame::Crypto { .. })))
            })
    }
}
