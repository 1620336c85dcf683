//! Writes a capture's blocks into one file, or into one after another.

use std::{
    io::{self, Write},
    time::Duration,
};

use super::{pcapng, rotation_index::RotationIndex};

/// The smallest limit of a file: in its second half there is room for any
/// datagram.
pub const LIMIT_MIN: u64 = 256 << 10;

/// Bytes of secrets and packets that a next file repeats, if that is less than
/// half of it; as much memory may be taken to keep them.
pub const REPEATED_BYTES_MAX: usize = 64 << 20;

/// Bytes of the block that ends a file.
const CLOSING_MAX: usize = 256;

/// Puts what was written so far aside and gives the file that goes on.
pub type NextFile = Box<dyn FnMut() -> io::Result<Box<dyn Write + Send>> + Send>;

/// Settings of a capture that goes on in another file.
pub struct Rotation {
    /// Bytes that no file grows beyond, at least [`LIMIT_MIN`].
    pub limit: u64,
    /// Silence after which a connection has surely ended: it is not repeated.
    pub silence: Duration,
    /// Time after which a handshake that is not complete has surely ended.
    pub handshake_deadline: Duration,
    /// Gives the next file, when the last is complete.
    pub next: NextFile,
}

impl std::fmt::Debug for Rotation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rotation({} bytes)", self.limit)
    }
}

/// The file that is being written.
pub(super) struct Output {
    file: Box<dyn Write + Send>,
    limited: Option<Limited>,
}

/// State that it takes to go on in another.
struct Limited {
    rotation: Rotation,
    program: String,
    index: RotationIndex,
    written: u64,
    files: u64,
}

impl Output {
    /// Begins a file.
    pub(super) fn begin(
        mut file: Box<dyn Write + Send>,
        program: &str,
        rotation: Option<Rotation>,
    ) -> io::Result<Self> {
        let first = rotation.is_some().then(|| of_this_capture(1, 0));
        let opening = pcapng::opening(program, first.as_deref());
        file.write_all(&opening)?;
        file.flush()?;
        let limited = rotation.map(|mut rotation| {
            rotation.limit = rotation.limit.max(LIMIT_MIN);
            let half = usize::try_from(rotation.limit / 2).unwrap_or(REPEATED_BYTES_MAX);
            let mut index = RotationIndex::new(
                half.min(REPEATED_BYTES_MAX),
                rotation.silence,
                rotation.handshake_deadline,
            );
            pcapng::split(&opening).for_each(|block| index.see(block));
            Limited {
                index,
                rotation,
                program: program.to_owned(),
                written: opening.len() as u64,
                files: 1,
            }
        });
        Ok(Self { file, limited })
    }

    /// Writes blocks; after an error nothing may follow, for one may have been
    /// cut. `closing` ends each file.
    pub(super) fn write(&mut self, blocks: &[u8], closing: impl Fn() -> Vec<u8>) -> io::Result<()> {
        let Some(limited) = &mut self.limited else {
            return self.file.write_all(blocks);
        };
        let (mut start, mut end) = (0, 0);
        for block in pcapng::split(blocks) {
            if !limited.has_room(block.len()) {
                self.file.write_all(&blocks[start..end])?;
                self.file.write_all(&closing())?;
                self.file.flush()?;
                self.file = limited.next()?;
                start = end;
            }
            end += block.len();
            limited.written += block.len() as u64;
            // Here it is in the file already; the next may have to repeat it.
            limited.index.see(block);
        }
        self.file.write_all(&blocks[start..end])
    }

    /// Writes the last block.
    pub(super) fn end(mut self, closing: &[u8]) -> io::Result<()> {
        debug_assert!(closing.len() <= CLOSING_MAX, "room was kept for it");
        self.file.write_all(closing)?;
        self.file.flush()
    }
}

impl Limited {
    fn has_room(&self, length: usize) -> bool {
        self.written + (length + CLOSING_MAX) as u64 <= self.rotation.limit
    }

    /// Goes on in another file.
    fn next(&mut self) -> io::Result<Box<dyn Write + Send>> {
        let repeated = self.index.repeat();
        let mut file = (self.rotation.next)()?;
        self.files += 1;
        let comment = of_this_capture(self.files, repeated.forgotten);
        let mut opening = pcapng::opening(&self.program, Some(&comment));
        opening.extend(pcapng::secrets(&repeated.key_log));
        opening.extend(repeated.packets);
        file.write_all(&opening)?;
        file.flush()?;
        self.written = opening.len() as u64;
        Ok(file)
    }
}

fn of_this_capture(file: u64, forgotten: u64) -> String {
    let comment = format!("file {file} of this capture");
    match forgotten {
        0 => comment,
        _ => format!(
            "{comment}; connections forgotten so far for want of room, which cannot be read \
             here if they still live: {forgotten}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Files of a capture, the last at the end.
    #[derive(Clone, Default)]
    struct Files(Arc<Mutex<Vec<Vec<u8>>>>);

    impl Files {
        fn begin(&self) -> Box<dyn Write + Send> {
            let mut files = self.0.lock().expect("nobody panics with it");
            files.push(Vec::new());
            Box::new(self.clone())
        }

        fn take(&self) -> Vec<Vec<u8>> {
            std::mem::take(&mut *self.0.lock().expect("nobody panics with it"))
        }
    }

    impl Write for Files {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut files = self.0.lock().expect("nobody panics with it");
            files.last_mut().expect("a file was begun").extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn rotation(next: NextFile) -> Option<Rotation> {
        Some(Rotation {
            limit: LIMIT_MIN,
            handshake_deadline: Duration::from_secs(60),
            silence: Duration::from_secs(1),
            next,
        })
    }

    /// A capture that goes on in another file, and its files.
    fn rotating() -> (Files, Output) {
        let files = Files::default();
        let next = files.clone();
        let next = rotation(Box::new(move || Ok(next.begin())));
        let output = Output::begin(files.begin(), "a test", next);
        (files, output.expect("it begins"))
    }

    fn closing() -> Vec<u8> {
        pcapng::statistics(Duration::ZERO, 1, 0, None)
    }

    fn packets(number: usize, length: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for _ in 0..number {
            pcapng::packet(
                &mut out,
                Duration::ZERO,
                crate::Direction::Received,
                None,
                |out| out.resize(out.len() + length, 0x40),
            );
        }
        out
    }

    #[test]
    fn no_file_grows_beyond_its_limit_and_every_block_is_in_one() {
        let (files, mut output) = rotating();
        for length in [1_200, 65_000, 40] {
            let written = output.write(&packets(300, length), closing);
            written.expect("it writes");
        }
        output.end(&closing()).expect("it ends");
        let files = files.take();
        assert!(files.len() > 70);
        let mut total = 0;
        for (number, file) in files.iter().enumerate() {
            assert!(file.len() as u64 <= LIMIT_MIN);
            let blocks: Vec<_> = pcapng::split(file).collect();
            assert_eq!(blocks.concat().len(), file.len());
            let kinds: Vec<_> = blocks.iter().map(|block| block[0]).collect();
            assert_eq!((kinds[0], kinds[1]), (0x0a, 1), "section, interface");
            assert_eq!(kinds.last(), Some(&5), "statistics");
            total += kinds.iter().filter(|kind| **kind == 6).count();
            let comment = format!("file {} of this capture", number + 1);
            assert!(String::from_utf8_lossy(blocks[0]).contains(&comment));
        }
        assert_eq!(total, 900);
    }

    #[test]
    fn without_a_limit_there_is_one_file_of_any_length() {
        let files = Files::default();
        let mut output = Output::begin(files.begin(), "a test", None).expect("it begins");
        let written = output.write(&packets(300, 65_000), closing);
        written.expect("it writes");
        output.end(&closing()).expect("it ends");
        let files = files.take();
        assert_eq!(files.len(), 1);
        assert!(!String::from_utf8_lossy(&files[0][..200]).contains("of this capture"));
    }

    #[test]
    fn secrets_stand_in_the_next_file_before_any_packet() {
        let (files, mut output) = rotating();
        let line = format!("LABEL {} {}\n", "01".repeat(32), "02".repeat(32));
        let secrets = pcapng::secrets(&line);
        output.write(&secrets, closing).expect("it writes");
        let written = output.write(&packets(300, 1_200), closing);
        written.expect("it writes");
        output.end(&closing()).expect("it ends");
        let files = files.take();
        assert_eq!(files.len(), 2);
        for file in files {
            assert_eq!(pcapng::split(&file).nth(2), Some(&secrets[..]));
        }
    }

    #[test]
    fn without_a_next_file_the_last_is_complete_and_the_error_is_told() {
        let files = Files::default();
        let next = rotation(Box::new(|| Err(io::Error::other("no next file"))));
        let mut output = Output::begin(files.begin(), "a test", next).expect("it begins");
        let error = output.write(&packets(300, 1_200), closing);
        assert_eq!(error.expect_err("it fails").to_string(), "no next file");
        let file = files.take().remove(0);
        let blocks: Vec<_> = pcapng::split(&file).collect();
        assert_eq!(blocks.last(), Some(&&closing()[..]));
    }
}
