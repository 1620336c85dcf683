//! Echoes bare UDP datagrams: each once, to where it says it comes from.

use std::{collections::VecDeque, net::SocketAddr, time::Instant};

use qecho_engine::{Datagram, Forwarder, ForwarderOutput, Received};

/// Ports below this belong to the system's own services: an echo to one of them
/// may start a conversation that does not end.
const PORT_MIN: u16 = 1_024;

/// Datagrams that wait to be sent; more are dropped.
const WAITING_MAX: usize = 4_096;

/// An echo of datagrams. What comes back is never more than what came, so it
/// amplifies nothing.
pub(super) struct BareEcho {
    own: Vec<SocketAddr>,
    outputs: VecDeque<ForwarderOutput>,
    is_finished: bool,
}

impl BareEcho {
    /// Makes an echo on sockets that are bound to `own`.
    pub(super) fn new(own: Vec<SocketAddr>) -> Self {
        Self {
            own,
            outputs: VecDeque::new(),
            is_finished: false,
        }
    }

    /// Tells whether a sender may be answered: neither a service of the system
    /// nor an echo, such as ourselves, which would answer in turn.
    fn may_answer(&self, remote: SocketAddr) -> bool {
        let is_echo = self.own.iter().any(|own| own.port() == remote.port());
        remote.port() >= PORT_MIN && !is_echo
    }
}

impl Forwarder for BareEcho {
    type Command = ();

    fn handle_datagram(&mut self, _: Instant, received: Received) {
        if self.outputs.len() < WAITING_MAX && self.may_answer(received.remote) {
            let contents = received.data.to_vec();
            let datagram = Datagram::new(received.binding, received.remote, contents)
                .with_source_ip(received.local_ip);
            self.outputs.push_back(ForwarderOutput::Send(datagram));
        }
    }

    fn handle_timeouts(&mut self, _: Instant) {}

    fn handle_command(&mut self, _: Instant, (): ()) {
        self.is_finished = true;
    }

    fn handle_open_failed(&mut self, _: usize) {}

    fn handle_unsent(&mut self, _: &Datagram) {}

    fn poll_output(&mut self) -> Option<ForwarderOutput> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn is_finished(&self) -> bool {
        self.is_finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_of_the_system_and_other_echoes_are_not_answered() {
        let address = |text: &str| text.parse::<SocketAddr>().expect(text);
        let echo = BareEcho::new(vec![address("127.0.0.1:4434")]);
        for (remote, answered) in [
            ("127.0.0.1:7", false),
            ("127.0.0.1:1023", false),
            ("127.0.0.1:1024", true),
            ("127.0.0.1:4434", false),
            ("192.0.2.1:4434", false),
            ("[::1]:50000", true),
        ] {
            assert_eq!(echo.may_answer(address(remote)), answered, "{remote}");
        }
    }

    #[test]
    fn an_echo_has_no_byte_more_than_what_came_and_few_wait() {
        let mut echo = BareEcho::new(vec![]);
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let now = Instant::now();
        for _ in 0..WAITING_MAX + 5 {
            echo.handle_datagram(
                now,
                Received {
                    binding: 0,
                    remote: ([127, 0, 0, 1], 50_000).into(),
                    local_ip: None,
                    ecn: 0,
                    data: b"what came"[..].into(),
                },
            );
        }
        let mut count = 0;
        while let Some(ForwarderOutput::Send(datagram)) = echo.poll_output() {
            assert_eq!(datagram.contents, b"what came");
            count += 1;
        }
        assert_eq!(count, WAITING_MAX);
    }
}
