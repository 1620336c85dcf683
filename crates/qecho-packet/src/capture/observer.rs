//! Turns what passes an event loop into blocks.

use std::sync::Arc;

use crate::{DatagramObserver, ObservedDatagram};

use super::{packet, pcapng, secrets::Secrets, writer::Queue};

/// Bytes of a block beside the packet and its comment.
const BLOCK_OVERHEAD: usize = 56;

/// Shows what passes one event loop to a capture.
pub(super) struct CaptureObserver {
    secrets: Arc<Secrets>,
    queue: Queue,
    /// Packets since the last flush.
    blocks: Vec<u8>,
}

impl CaptureObserver {
    pub(super) fn new(secrets: Arc<Secrets>, queue: Queue) -> Self {
        Self {
            secrets,
            queue,
            blocks: Vec::new(),
        }
    }
}

impl DatagramObserver for CaptureObserver {
    fn see(&mut self, passing: &ObservedDatagram<'_>) {
        if self.queue.is_over() {
            return;
        }
        for payload in passing.datagrams() {
            let length = payload.len() + packet::HEADERS_MAX + BLOCK_OVERHEAD;
            if !self.queue.has_room(self.blocks.len() + length) {
                self.queue.leave_out(passing.at);
                continue;
            }
            let comment = match self.queue.take_gap() {
                0 => None,
                gap => Some(gap_comment(gap)),
            };
            pcapng::packet(
                &mut self.blocks,
                passing.at,
                passing.direction,
                comment.as_deref(),
                |out| packet::write(out, passing, payload),
            );
            self.queue.count(passing.at);
        }
    }

    fn flush(&mut self) {
        // What was seen may need the secrets that it has brought forth.
        self.secrets
            .take(|key_log| self.queue.push(pcapng::secrets(key_log)));
        if !self.blocks.is_empty() {
            let empty = self.queue.empty();
            self.queue.push(std::mem::replace(&mut self.blocks, empty));
        }
    }
}

fn gap_comment(gap: u64) -> String {
    format!("datagrams left out before this one: {gap}; the file was written too slowly")
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{
            Mutex,
            mpsc::{Receiver, Sender, channel},
        },
        thread,
        time::Duration,
    };

    use crate::Direction;
    use rustls::KeyLog;

    use super::{
        super::{
            output::Output,
            writer::{QUEUE_BYTES_MAX, SECRETS_BYTES_MAX, Writer},
        },
        *,
    };

    /// A file that takes each write when it is told to, and all once nobody
    /// can tell it any more.
    struct SlowFile {
        allowed: Receiver<()>,
        content: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for SlowFile {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.allowed.recv();
            let mut content = self.content.lock().expect("nobody panics with it");
            content.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Fixture {
        secrets: Arc<Secrets>,
        writer: Writer,
        observer: CaptureObserver,
        allow: Option<Sender<()>>,
        content: Arc<Mutex<Vec<u8>>>,
    }

    impl Fixture {
        fn new() -> Self {
            let (allow, allowed) = channel();
            let (secrets, content) = (Arc::<Secrets>::default(), Arc::<Mutex<Vec<u8>>>::default());
            let file = SlowFile {
                allowed,
                content: Arc::clone(&content),
            };
            allow.send(()).expect("the file is there");
            let output = Output::begin(Box::new(file), "a test", None);
            let output = output.expect("it takes a beginning");
            content.lock().expect("nobody panics with it").clear();
            let writer = Writer::start(output).expect("there is a thread");
            Self {
                observer: CaptureObserver::new(secrets.clone(), writer.queue()),
                secrets,
                writer,
                allow: Some(allow),
                content,
            }
        }

        /// Shows datagrams of at most 1,200 bytes.
        fn see(&mut self, contents: &[u8]) {
            self.observer.see(&ObservedDatagram {
                at: Duration::from_nanos(1),
                direction: Direction::Sent,
                local: "127.0.0.1:1".parse().expect("an address"),
                remote: "127.0.0.1:2".parse().expect("an address"),
                ecn: 0,
                contents,
                segment_size: Some(1_200),
            });
        }

        /// Shows a batch of 50 datagrams.
        fn batch(&mut self) {
            self.see(&[0xaa; 60_000]);
            self.observer.flush();
        }

        /// Lets the file take all that waits.
        fn hurry(&mut self) {
            self.allow = None;
            while !self.observer.queue.has_room(QUEUE_BYTES_MAX) {
                thread::yield_now();
            }
        }

        /// Returns the kind and content of each block.
        fn blocks(&self) -> Vec<(u32, Vec<u8>)> {
            let content = self.content.lock().expect("nobody panics with it");
            let word =
                |at: usize| u32::from_le_bytes(content[at..at + 4].try_into().expect("four bytes"));
            let mut blocks = Vec::new();
            let mut at = 0;
            while at < content.len() {
                let length = word(at + 4) as usize;
                assert_eq!(word(at + length - 4) as usize, length);
                blocks.push((word(at), content[at..at + length].to_vec()));
                at += length;
            }
            blocks
        }
    }

    fn has(block: &(u32, Vec<u8>), words: &str) -> bool {
        String::from_utf8_lossy(&block.1).contains(words)
    }

    #[test]
    fn a_slow_file_lacks_packets_says_how_many_and_has_every_secret() {
        let mut fixture = Fixture::new();
        let batches = 2 * QUEUE_BYTES_MAX / 60_000;
        for _ in 0..batches {
            fixture.batch();
        }
        fixture.secrets.log("LABEL", &[1], &[2]);
        fixture.batch();
        fixture.hurry();
        fixture.batch();
        let report = fixture.writer.finish();
        assert!(report.failure.is_none());
        assert_eq!(report.seen as usize, 50 * (batches + 2));
        let blocks = fixture.blocks();
        let packets: Vec<_> = blocks.iter().filter(|(kind, _)| *kind == 6).collect();
        assert_eq!(packets.len() as u64, report.seen - report.left_out);
        assert!(report.left_out > report.seen / 3);
        let gap = format!("datagrams left out before this one: {};", report.left_out);
        let noted: Vec<_> = packets.iter().map(|packet| has(packet, &gap)).collect();
        let expected = (0..packets.len()).map(|at| at == packets.len() - 50);
        assert_eq!(noted, expected.collect::<Vec<_>>());
        assert!(
            blocks
                .iter()
                .any(|block| block.0 == 10 && has(block, "LABEL 01 02"))
        );
        let total = format!(
            "datagrams left out: {} of {};",
            report.left_out, report.seen
        );
        assert!(has(blocks.last().expect("there are blocks"), &total));
    }

    #[test]
    fn secrets_stand_before_the_packets_that_brought_them_forth() {
        let mut fixture = Fixture::new();
        fixture.allow = None;
        fixture.see(b"packet");
        fixture.secrets.log("A", &[1], &[2]);
        fixture.see(b"packet");
        fixture.observer.flush();
        fixture.see(b"packet");
        fixture.observer.flush();
        assert_eq!(fixture.writer.finish().seen, 3);
        let kinds: Vec<_> = fixture.blocks().iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [10, 6, 6, 6, 5]);
    }

    #[test]
    fn secrets_without_end_end_the_capture_and_not_the_memory() {
        let mut fixture = Fixture::new();
        fixture.observer.queue.push(vec![0; QUEUE_BYTES_MAX]);
        fixture.observer.queue.push(vec![0; SECRETS_BYTES_MAX]);
        assert!(!fixture.observer.queue.is_over());
        fixture.observer.queue.push(vec![0; 1]);
        assert!(fixture.observer.queue.is_over());
        fixture.batch();
        fixture.allow = None;
        let report = fixture.writer.finish();
        assert_eq!(report.seen, 0, "what passes later is not in the file");
        assert!(report.failure.is_some());
    }
}
