//! Echoes bare UDP datagrams: each once, to its source address.

mod repeats;

use std::{collections::VecDeque, io, net::SocketAddr, time::Instant};

use qecho_engine::{Datagram, Forwarder, ForwarderOutput, Received};

use self::repeats::Repeats;

/// Ports below this belong to the system's own services: an echo to one of them
/// may start a conversation that does not end.
const PORT_MIN: u16 = 1_024;

/// Datagrams that wait to be sent; more are dropped.
const WAITING_MAX: usize = 4_096;

/// An echo of datagrams, which amplifies nothing.
pub(super) struct UdpEcho {
    own: Vec<SocketAddr>,
    repeats: Repeats,
    outputs: VecDeque<ForwarderOutput>,
    is_finished: bool,
}

impl UdpEcho {
    /// Makes an echo on sockets that are bound to `own`.
    pub(super) fn new(own: Vec<SocketAddr>) -> Self {
        Self {
            own,
            repeats: Repeats::default(),
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

impl Forwarder for UdpEcho {
    type Command = ();

    fn handle_datagram(&mut self, now: Instant, received: Received) {
        if self.outputs.len() < WAITING_MAX
            && self.may_answer(received.remote)
            && self.repeats.admit(now, received.remote, &received.data)
        {
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

    fn handle_unsent(&mut self, _: Instant, _: &Datagram, _: &io::Error) {}

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
        let echo = UdpEcho::new(vec![address("127.0.0.1:4434")]);
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
        let mut echo = UdpEcho::new(vec![]);
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let now = Instant::now();
        for number in 0..WAITING_MAX + 5 {
            let remote = ([127, 0, 0, 1], 50_000).into();
            let data = number.to_be_bytes();
            echo.handle_datagram(now, Received::from_remote(remote, &data));
        }
        let mut count = 0;
        while let Some(ForwarderOutput::Send(datagram)) = echo.poll_output() {
            assert_eq!(datagram.contents, usize::to_be_bytes(count));
            count += 1;
        }
        assert_eq!(count, WAITING_MAX);
    }

    /// Lets two echoes answer each other, and returns how often they did.
    fn conversation(forged: usize, between: std::time::Duration) -> usize {
        let addresses: [SocketAddr; 2] = [
            ([192, 0, 2, 1], 4_434).into(),
            ([192, 0, 2, 2], 5_434).into(),
        ];
        let mut echoes = addresses.map(|own| UdpEcho::new(vec![own]));
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let mut now = Instant::now();
        let mut flying: Vec<Vec<u8>> = (0..forged)
            .map(|number| number.to_be_bytes().to_vec())
            .collect();
        for turn in 0..100_000 {
            let (to, from) = (turn % 2, addresses[1 - turn % 2]);
            now += between;
            for data in flying.drain(..) {
                echoes[to].handle_datagram(now, Received::from_remote(from, &data));
            }
            while let Some(ForwarderOutput::Send(datagram)) = echoes[to].poll_output() {
                flying.push(datagram.contents);
            }
            if flying.is_empty() {
                return turn;
            }
        }
        usize::MAX
    }

    #[test]
    fn two_echoes_do_not_answer_each_other_for_ever() {
        use std::time::Duration;
        for (forged, between) in [
            (1, Duration::from_micros(10)),
            (1, Duration::from_millis(20)),
            (1, Duration::from_millis(400)),
            (1_000, Duration::from_micros(10)),
        ] {
            let turns = conversation(forged, between);
            assert!(turns < 5_000, "{forged} forged: {turns} turns");
        }
    }

    #[test]
    fn a_client_that_says_the_same_once_a_second_is_always_answered() {
        let mut echo = UdpEcho::new(vec![]);
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let mut now = Instant::now();
        for _ in 0..1_000 {
            let remote = ([127, 0, 0, 1], 50_000).into();
            echo.handle_datagram(now, Received::from_remote(remote, b"are you there?"));
            assert!(echo.poll_output().is_some());
            now += std::time::Duration::from_secs(1);
        }
    }
}
