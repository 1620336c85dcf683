//! A small HTTP/1.1 server (RFC 9112) for scrapes and probes.
//!
//! Each connection has one request, a thread, and a bounded time; where there are too many, the
//! oldest makes room: nobody who is slow or silent keeps others waiting. Shards are asked, and never
//! wait for any of it.

mod request;

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use self::request::{Asked, Request};
pub use self::request::{HEAD_MAX, HEADERS_MAX};
use crate::{
    Monitor, MonitorSockets,
    metrics::{Format, Snapshot, exposition},
};

/// Connections at once; for one more, the oldest is closed.
pub const HTTP_CONNECTIONS_MAX: usize = 16;

/// Time within which a request must have come, and again within which its answer must have been
/// taken.
pub const HTTP_PATIENCE: Duration = Duration::from_secs(5);

/// Time to wait when the system gives no connection or thread, for lack of files or memory.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Bytes that are read and thrown away after an answer, so that the system does not take the
/// answer back because something was left unread.
const LEFTOVER_MAX: usize = 64 * 1024;

impl Monitor {
    /// Answers requests on these sockets from now on, on threads of its own, for as long as the
    /// process lives.
    ///
    /// # Errors
    /// The system's, if it gives no thread.
    pub fn serve(&self, sockets: MonitorSockets) -> io::Result<()> {
        let open = Arc::new(OpenConnections::default());
        for listener in sockets.listeners {
            let (monitor, open) = (self.clone(), open.clone());
            let accept = move || accept(&listener, &monitor, &open);
            thread::Builder::new()
                .name("metrics".into())
                .spawn(accept)?;
        }
        Ok(())
    }
}

/// Connections of all listeners, the oldest first.
#[derive(Debug, Default)]
struct OpenConnections {
    streams: Mutex<VecDeque<Arc<TcpStream>>>,
    closed: Condvar,
}

impl OpenConnections {
    /// Adds a connection; waits until it has a place.
    fn add(&self, stream: &Arc<TcpStream>) {
        let mut streams = self.lock();
        while streams.len() >= HTTP_CONNECTIONS_MAX {
            // Its thread is woken by this, and leaves. A peer that has gone is no matter.
            let _ = streams[0].shutdown(Shutdown::Both);
            let waited = self.closed.wait(streams);
            streams = waited.unwrap_or_else(PoisonError::into_inner);
        }
        streams.push_back(stream.clone());
    }

    fn remove(&self, stream: &Arc<TcpStream>) {
        self.lock().retain(|other| !Arc::ptr_eq(other, stream));
        self.closed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<TcpStream>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &TcpListener, monitor: &Monitor, open: &Arc<OpenConnections>) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            thread::sleep(RETRY_INTERVAL);
            continue;
        };
        let stream = Arc::new(stream);
        open.add(&stream);
        let (monitor, others, mine) = (monitor.clone(), open.clone(), stream.clone());
        let work = move || {
            // A peer that goes or is too slow is no matter of ours.
            let _ = serve(&mine, &monitor);
            others.remove(&mine);
        };
        if thread::Builder::new()
            .name("scrape".into())
            .spawn(work)
            .is_err()
        {
            open.remove(&stream);
            thread::sleep(RETRY_INTERVAL);
        }
    }
}

/// Answers the one request of a connection.
fn serve(mut stream: &TcpStream, monitor: &Monitor) -> io::Result<()> {
    let deadline = clock() + HTTP_PATIENCE;
    let mut head = Vec::new();
    let request = loop {
        match Request::read(&head) {
            Asked::Unknown => {}
            Asked::For(request) => break Ok(request),
            Asked::Badly(status) => break Err(status),
        }
        let mut buffer = [0; 1024];
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => head.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if is_timeout(&error) => break Err(Status::RequestTimeout),
            Err(error) => return Err(error),
        }
    };
    let answer = match &request {
        Ok(request) => Answer::to(request, monitor),
        Err(status) => Answer::plain(*status, format!("{}\n", status.words())),
    };
    let has_body = !request.is_ok_and(|request| request.is_head);
    send(stream, &answer.bytes(has_body))?;
    stream.shutdown(Shutdown::Write)?;
    let deadline = clock() + HTTP_PATIENCE;
    let mut leftover = 0;
    while leftover < LEFTOVER_MAX {
        let mut buffer = [0; 1024];
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut buffer)? {
            0 => break,
            length => leftover += length,
        }
    }
    Ok(())
}

/// Sends all within its time.
fn send(mut stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    let deadline = clock() + HTTP_PATIENCE;
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(left(deadline)?))?;
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(length) => bytes = &bytes[length..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Returns the time until a deadline, which is never none.
fn left(deadline: Instant) -> io::Result<Duration> {
    match deadline.saturating_duration_since(clock()) {
        Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// Status of an answer (RFC 9110 §15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Ok,
    BadRequest,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    HeadTooLarge,
    VersionNotSupported,
    Unavailable,
}

impl Status {
    fn words(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::RequestTimeout => "408 Request Timeout",
            Self::HeadTooLarge => "431 Request Header Fields Too Large",
            Self::VersionNotSupported => "505 HTTP Version Not Supported",
            Self::Unavailable => "503 Service Unavailable",
        }
    }
}

/// Answer to a request.
#[derive(Debug)]
struct Answer {
    status: Status,
    media_type: &'static str,
    body: String,
}

impl Answer {
    fn plain(status: Status, body: impl Into<String>) -> Self {
        Self {
            status,
            media_type: "text/plain; charset=utf-8",
            body: body.into(),
        }
    }

    fn to(request: &Request, monitor: &Monitor) -> Self {
        match request.path.as_str() {
            "/metrics" => Self {
                status: Status::Ok,
                media_type: request.format.media_type(),
                body: exposition(Snapshot::take(monitor), request.format),
            },
            "/healthz" => match monitor.health() {
                Ok(()) => Self::plain(Status::Ok, "ok\n"),
                Err(silent) => {
                    let silent: Vec<_> = silent.iter().map(usize::to_string).collect();
                    let body = format!("no answer from shard {}\n", silent.join(", "));
                    Self::plain(Status::Unavailable, body)
                }
            },
            "/readyz" => match monitor.is_ready() {
                true => Self::plain(Status::Ok, "ok\n"),
                false => Self::plain(Status::Unavailable, "shutting down\n"),
            },
            _ => Self::plain(
                Status::NotFound,
                "there are /metrics, /healthz and /readyz\n",
            ),
        }
    }

    fn bytes(&self, has_body: bool) -> Vec<u8> {
        let allow = match self.status {
            Status::MethodNotAllowed => "Allow: GET, HEAD\r\n",
            _ => "",
        };
        let mut text = format!(
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{allow}\
             Cache-Control: no-store\r\nConnection: close\r\n\r\n",
            self.status.words(),
            self.media_type,
            self.body.len(),
        );
        if has_body {
            text += &self.body;
        }
        text.into_bytes()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a reader's patience is real time, and no shard's"
)]
fn clock() -> Instant {
    Instant::now()
}
