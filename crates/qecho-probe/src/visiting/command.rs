//! A client that a command starts, once for each visit.

use std::{
    collections::VecDeque,
    io::{self, Read},
    net::SocketAddr,
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use qecho_io::Listen;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::Invitation;
use crate::{conform::Crash, remote::locked};

/// Time for which a program may go on whose connection is over.
const ENDING: Duration = Duration::from_millis(300);
/// Time in which a program connects that was left in the background by one that has ended well,
/// and writes to no stderr of ours.
const GRACE: Duration = Duration::from_secs(3);
/// Time after SIGTERM until SIGKILL.
const TERMINATION: Duration = Duration::from_secs(1);
/// Time from one look at a program to the next.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// Last bytes of what a program writes to stderr that are kept.
const STDERR_MAX: usize = 64 << 10;
/// Last lines of it that are told of a program that did not connect.
const LINES_TOLD: usize = 4;
/// Characters of a line that are told.
const LINE_MAX: usize = 300;
/// Signals by which the system ends programs that go wrong.
const CRASHES: [(Signal, &str); 6] = [
    (Signal::ILL, "SIGILL"),
    (Signal::TRAP, "SIGTRAP"),
    (Signal::ABORT, "SIGABRT"),
    (Signal::BUS, "SIGBUS"),
    (Signal::FPE, "SIGFPE"),
    (Signal::SEGV, "SIGSEGV"),
];
/// Exit code of a program in Rust that panics.
const RUST_PANIC: i32 = 101;
/// Exit code of a program in Go that panics.
const GO_PANIC: i32 = 2;
/// Number that a shell, or whatever runs containers, adds to that of a signal.
const SHELL_SIGNAL: i32 = 128;

/// What the words `{host}`, `{port}`, `{ca}` and `{alpn}` of a command stand for; the port is that
/// of the address that is to be visited.
#[derive(Clone, Debug)]
pub struct Places {
    /// A name or an address.
    pub host: String,
    /// Path of the file with the CA.
    pub ca: String,
    /// An application protocol; empty if none was named.
    pub alpn: String,
}

impl Places {
    /// Returns those of a client that comes to this place.
    pub fn at(place: Listen, ca: impl Into<String>, alpn: &[u8]) -> Self {
        let host = match place {
            Listen::Address(address) if !address.ip().is_unspecified() => address.ip().to_string(),
            _ => "localhost".to_owned(),
        };
        Self {
            host,
            ca: ca.into(),
            alpn: String::from_utf8_lossy(alpn).into_owned(),
        }
    }
}

/// A client that a command starts, once for each visit, in a process group of its own, and that is
/// ended when its visit has been judged.
///
/// It reads from a pipe to which nothing is written, and what it writes is told only if it does
/// not connect, or crashes.
#[derive(Debug)]
pub struct ClientCommand {
    words: Vec<String>,
    places: Places,
    running: Option<Running>,
    start_failure: Option<io::Error>,
}

/// A program that was started.
#[derive(Debug)]
struct Running {
    child: Child,
    /// Open, as the end of the input means the end to some.
    _stdin: Option<ChildStdin>,
    stderr: Arc<Mutex<VecDeque<u8>>>,
    /// Its end, once its number may be another's.
    status: Option<ExitStatus>,
    /// The time at which it was first seen to have ended.
    ended: Option<Instant>,
    reader: Option<thread::JoinHandle<()>>,
}

impl ClientCommand {
    /// Takes the words of a command, of which the first is the program.
    pub fn new(words: Vec<String>, places: Places) -> Self {
        Self {
            words,
            places,
            running: None,
            start_failure: None,
        }
    }

    /// Tells whether the command is told where to connect.
    pub fn has_place(&self) -> bool {
        let mut words = self.words.iter();
        words.any(|word| word.contains("{host}") || word.contains("{port}"))
    }

    /// Returns why the command could not be started, if so.
    pub fn take_start_failure(&mut self) -> Option<io::Error> {
        self.start_failure.take()
    }

    /// Returns the words with all that they stand for.
    fn words_for(&self, port: u16) -> Vec<String> {
        let Places { host, ca, alpn } = &self.places;
        // As in a URL, where a port follows.
        let bracketed = match host.contains(':') {
            true => format!("[{host}]:"),
            false => format!("{host}:"),
        };
        let port = port.to_string();
        let replaced = |word: &String| {
            let word = word.replace("{host}:", &bracketed).replace("{host}", host);
            let word = word.replace("{port}", &port).replace("{ca}", ca);
            word.replace("{alpn}", alpn)
        };
        self.words.iter().map(replaced).collect()
    }
}

impl Invitation for ClientCommand {
    fn invite(&mut self, addresses: &[SocketAddr]) -> io::Result<()> {
        self.running = None;
        let port = addresses.first().map_or(0, SocketAddr::port);
        let words = self.words_for(port);
        let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        match Running::start(program, arguments) {
            Ok(running) => self.running = Some(running),
            Err(error) => {
                let why = format!("cannot start {program}: {error}");
                self.start_failure = Some(error);
                return Err(io::Error::other(why));
            }
        }
        Ok(())
    }

    fn refusal(&mut self, now: Instant) -> Option<String> {
        let running = self.running.as_mut()?;
        let exit_code = running.exit_code()?;
        let ended = *running.ended.get_or_insert(now);
        // One that has ended well may have left another that works on.
        let may_come = running.may_be_written_to() || now.saturating_duration_since(ended) < GRACE;
        if exit_code == Some(0) && may_come {
            return None;
        }
        let (status, stderr) = running.end();
        let how = how_words(status);
        let lines: Vec<_> = lines(&stderr).collect();
        let told = lines[lines.len().saturating_sub(LINES_TOLD)..].join(" | ");
        let said = match told.is_empty() {
            true => String::new(),
            false => format!("; it said: {told}"),
        };
        Some(format!(
            "the command ended with {how} and did not connect{said}"
        ))
    }

    fn dismiss(&mut self) -> Option<Crash> {
        let mut running = self.running.take()?;
        if !running.ends_within(ENDING) {
            return None;
        }
        let (status, stderr) = running.end();
        crash(status, &stderr)
    }
}

impl Running {
    fn start(program: &str, arguments: &[String]) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let stderr = Arc::new(Mutex::new(VecDeque::new()));
        let kept = Arc::clone(&stderr);
        let reader = child.stderr.take();
        let reader = reader.map(|pipe| thread::spawn(move || keep(pipe, &kept)));
        Ok(Self {
            _stdin: child.stdin.take(),
            child,
            stderr,
            status: None,
            ended: None,
            reader,
        })
    }

    /// Returns the exit code of the program once it has ended, unless a signal has done that. It
    /// stays a zombie, so that its number is no other's.
    fn exit_code(&self) -> Option<Option<i32>> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(Pid::from_child(&self.child)), options) {
            Ok(status) => status.map(|status| status.exit_status()),
            // It has ended long ago.
            Err(_) => Some(self.status.and_then(|status| status.code())),
        }
    }

    fn has_ended(&self) -> bool {
        self.exit_code().is_some()
    }

    /// Tells whether somebody is left who could write to stderr: the program, or one that it has
    /// started.
    fn may_be_written_to(&self) -> bool {
        self.reader
            .as_ref()
            .is_some_and(|reader| !reader.is_finished())
    }

    fn ends_within(&self, time: Duration) -> bool {
        let mut rest = time;
        while !self.has_ended() {
            if rest.is_zero() {
                return false;
            }
            thread::sleep(LOOK_INTERVAL);
            rest = rest.saturating_sub(LOOK_INTERVAL);
        }
        true
    }

    fn signal(&self, signal: Signal) {
        // It may be gone already.
        let _ = kill_process_group(Pid::from_child(&self.child), signal);
    }

    /// Ends the program, if it has not, and all that it has started; returns how it ended, and the
    /// last that it wrote.
    fn end(&mut self) -> (ExitStatus, Vec<u8>) {
        if self.status.is_none() {
            if !self.has_ended() {
                self.signal(Signal::TERM);
                self.ends_within(TERMINATION);
            }
            self.signal(Signal::KILL);
            self.status = self.child.wait().ok();
        }
        let status = self.status.unwrap_or_default();
        // Nobody is left who could write, unless it has moved to another group.
        for _ in 0..20 {
            if !self.may_be_written_to() {
                break;
            }
            thread::sleep(LOOK_INTERVAL);
        }
        let stderr = locked(&self.stderr).iter().copied().collect();
        (status, stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Reads what a program writes, and keeps the last of it.
fn keep(mut pipe: ChildStderr, kept: &Mutex<VecDeque<u8>>) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = pipe.read(&mut buffer) {
        let mut kept = locked(kept);
        kept.extend(&buffer[..count]);
        let excess = kept.len().saturating_sub(STDERR_MAX);
        kept.drain(..excess);
    }
}

fn how_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => signal_name(signal).map_or(format!("signal {signal}"), Into::into),
        (None, None) => "no exit code".into(),
    }
}

fn signal_name(number: i32) -> Option<&'static str> {
    let mut crashes = CRASHES.into_iter();
    let crash = crashes.find(|(signal, _)| signal.as_raw() == number);
    crash.map(|(_, name)| name)
}

/// Returns how a program has crashed, if its end is that of one that has. Most clients end with
/// an exit code when their connection does, which is none.
fn crash(status: ExitStatus, stderr: &[u8]) -> Option<Crash> {
    let lines: Vec<_> = lines(stderr).collect();
    let has_said = |words: &str| lines.iter().rposition(|line| line.contains(words));
    let (how, line) = match (status.signal(), status.code()) {
        (_, Some(0)) => return None,
        (Some(signal), _) => (signal_name(signal)?.to_owned(), None),
        (_, Some(code)) => {
            let panic = match code {
                RUST_PANIC => has_said("panicked at").map(|line| ("a panic".to_owned(), line)),
                GO_PANIC => has_said("goroutine ")
                    .and_then(|_| has_said("panic: ").or_else(|| has_said("fatal error: ")))
                    .map(|line| ("a panic".to_owned(), line)),
                _ => None,
            };
            let sanitizer = || has_said("Sanitizer: ").map(|line| ("a sanitizer".to_owned(), line));
            match panic.or_else(sanitizer) {
                Some((how, line)) => (how, Some(line)),
                None => (signal_name(code - SHELL_SIGNAL)?.to_owned(), None),
            }
        }
        (None, None) => return None,
    };
    // A panic of Rust says its place first, and then what it is.
    let said = match line {
        Some(line) => lines[line..].iter().take(2).cloned().collect::<Vec<_>>(),
        None => lines.last().cloned().into_iter().collect(),
    };
    let said = Some(said.join(" ")).filter(|said| !said.is_empty());
    Some(Crash { how, said })
}

/// Returns the lines that say something, each of some length at most.
fn lines(stderr: &[u8]) -> impl Iterator<Item = String> {
    let text = String::from_utf8_lossy(stderr).into_owned();
    let lines: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| line.chars().take(LINE_MAX).collect())
        .collect();
    lines.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places {
            host: "::1".into(),
            ca: "/a b/rootCA.pem".into(),
            alpn: "h3".into(),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a test has some time")]
    fn now() -> Instant {
        Instant::now()
    }

    /// Runs a script of the shell to its end.
    fn end_of(script: &str) -> Option<Crash> {
        let words = ["sh", "-c", script].map(str::to_owned).into();
        let mut command = ClientCommand::new(words, places());
        command.invite(&[]).expect("there is a shell");
        let running = command.running.as_ref().expect("it was started");
        while !running.has_ended() {
            thread::sleep(LOOK_INTERVAL);
        }
        command.dismiss()
    }

    #[test]
    fn words_are_replaced_wherever_they_stand() {
        let words = ["c", "{host}", "--to={host}:{port}", "{ca}", "{alpn}{x}"];
        let command = ClientCommand::new(words.map(str::to_owned).into(), places());
        let replaced = command.words_for(4433);
        let expected = ["c", "::1", "--to=[::1]:4433", "/a b/rootCA.pem", "h3{x}"];
        assert_eq!(replaced, expected);
        assert!(command.has_place());
        assert!(!ClientCommand::new(vec!["c".into(), "{ca}".into()], places()).has_place());
    }

    #[test]
    fn a_crash_is_told_from_an_exit_code() {
        for script in ["exit 0", "exit 1", "exit 2", "exit 101", "kill -TERM $$"] {
            assert_eq!(end_of(script), None, "{script}");
        }
        let how = |script| end_of(script).expect(script).how;
        assert_eq!(how("kill -SEGV $$"), "SIGSEGV");
        assert_eq!(how("sh -c 'kill -ABRT $$'; exit $?"), "SIGABRT");
        let rust = "echo \"thread 'main' panicked at src/main.rs:5:3:\" >&2; echo oh >&2; exit 101";
        let crash = end_of(rust).expect("a panic");
        assert_eq!(crash.how, "a panic");
        let said = "thread 'main' panicked at src/main.rs:5:3: oh";
        assert_eq!(crash.said.as_deref(), Some(said));
        let go = "printf 'panic: oh\\n\\ngoroutine 1 [running]:\\nmain.go\\n' >&2; exit 2";
        assert_eq!(end_of(go).expect("a panic").how, "a panic");
        let address = "echo '==1==ERROR: AddressSanitizer: heap-use-after-free' >&2; exit 1";
        assert_eq!(how(address), "a sanitizer");
    }

    #[test]
    fn one_that_does_not_end_is_ended_with_all_that_it_has_started() {
        let words = ["sh", "-c", "trap '' TERM; sleep 600 & sleep 600; sleep 600"];
        let mut command = ClientCommand::new(words.map(str::to_owned).into(), places());
        command.invite(&[]).expect("there is a shell");
        let running = command.running.as_mut().expect("it was started");
        let reader = running.reader.take().expect("it reads");
        assert_eq!(command.dismiss(), None);
        // It ends when nobody is left who could write.
        reader.join().expect("it reads on");
    }

    #[test]
    fn one_that_ends_well_without_a_visit_is_waited_for_a_little_and_no_longer() {
        let mut command = ClientCommand::new(vec!["true".into()], places());
        command.invite(&[]).expect("there is one");
        let running = command.running.as_ref().expect("it was started");
        while !running.has_ended() || running.may_be_written_to() {
            thread::sleep(LOOK_INTERVAL);
        }
        let ended = now();
        assert_eq!(command.refusal(ended), None);
        assert_eq!(command.refusal(ended + GRACE / 2), None);
        let why = command.refusal(ended + GRACE);
        let expected = "the command ended with exit code 0 and did not connect";
        assert_eq!(why.as_deref(), Some(expected));
    }

    #[test]
    fn one_that_leaves_another_in_the_background_is_waited_for() {
        let words = ["sh", "-c", "sleep 600 &"].map(str::to_owned).into();
        let mut command = ClientCommand::new(words, places());
        command.invite(&[]).expect("there is a shell");
        while !command.running.as_ref().is_some_and(Running::has_ended) {
            thread::sleep(LOOK_INTERVAL);
        }
        let ended = now();
        for time in [Duration::ZERO, GRACE, 100 * GRACE] {
            assert_eq!(command.refusal(ended + time), None, "{time:?}");
        }
    }

    #[test]
    fn one_that_ends_without_a_visit_says_why() {
        let words = ["sh", "-c", "echo usage: c HOST >&2; exit 64"];
        let mut command = ClientCommand::new(words.map(str::to_owned).into(), places());
        command.invite(&[]).expect("there is a shell");
        let why = loop {
            match command.refusal(now()) {
                Some(why) => break why,
                None => thread::sleep(LOOK_INTERVAL),
            }
        };
        let expected = "the command ended with exit code 64 and did not connect; \
                        it said: usage: c HOST";
        assert_eq!(why, expected);
        let mut missing = ClientCommand::new(vec!["/nowhere/client".into()], places());
        let error = missing.invite(&[]).expect_err("there is none").to_string();
        assert!(
            error.starts_with("cannot start /nowhere/client: "),
            "{error}"
        );
        let kind = missing.take_start_failure().expect("it is kept").kind();
        assert_eq!(kind, io::ErrorKind::NotFound);
    }
}
