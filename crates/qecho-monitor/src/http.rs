//! A small HTTP/1.1 server (RFC 9112) for scrapes and probes.
//!
//! Each connection has one request, a thread, and a bounded time; where there are too many, the
//! oldest that is not being answered makes room: nobody who is slow or silent keeps others
//! waiting. Shards are asked, and never wait for any of it.

mod connections;
mod request;

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

pub use self::request::{HEAD_MAX, HEADERS_MAX};
use self::{
    connections::{OpenConnections, Place},
    request::{Asked, Request},
};
use crate::{
    Monitor, MonitorSockets,
    clock::clock,
    metrics::{Format, Snapshot, exposition},
    monitor::no_answer,
};

/// Connections at once; for one more, the oldest is closed that is not being answered, and if all
/// are, that one.
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

fn accept(listener: &TcpListener, monitor: &Monitor, open: &Arc<OpenConnections>) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            thread::sleep(RETRY_INTERVAL);
            continue;
        };
        let Some(place) = open.enter(stream) else {
            continue;
        };
        let monitor = monitor.clone();
        // A peer that goes or is too slow is no matter of ours.
        let work = move || drop(serve(&place, &monitor));
        let thread = thread::Builder::new().name("scrape".into());
        if thread.spawn(work).is_err() {
            thread::sleep(RETRY_INTERVAL);
        }
    }
}

/// Answers the one request of a connection.
fn serve(place: &Place, monitor: &Monitor) -> io::Result<()> {
    let stream: &TcpStream = &place.stream;
    let Some(request) = read(stream)? else {
        return Ok(());
    };
    if !place.answering() {
        return Ok(());
    }
    let answer = match &request {
        Ok(request) => Answer::to(request, monitor),
        Err(status) => Answer::plain(*status, format!("{}\n", status.words())),
    };
    let has_body = !request.is_ok_and(|request| request.is_head);
    send(stream, &answer.bytes(has_body))?;
    stream.shutdown(Shutdown::Write)?;
    place.answered();
    discard(stream)
}

/// Reads a request, or finds why it is refused; `None` if the peer ends before.
fn read(mut stream: &TcpStream) -> io::Result<Option<Result<Request, HttpStatus>>> {
    let deadline = clock() + HTTP_PATIENCE;
    let mut head = Vec::new();
    loop {
        match Request::read(&head) {
            Asked::Unknown => {}
            Asked::For(request) => return Ok(Some(Ok(request))),
            Asked::Badly(status) => return Ok(Some(Err(status))),
        }
        let mut buffer = [0; 1024];
        let read = left(deadline).and_then(|left| {
            stream.set_read_timeout(Some(left))?;
            stream.read(&mut buffer)
        });
        match read {
            Ok(0) => return Ok(None),
            Ok(length) => head.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if is_timeout(&error) => return Ok(Some(Err(HttpStatus::RequestTimeout))),
            Err(error) => return Err(error),
        }
    }
}

/// Reads what is left, until the peer ends.
fn discard(mut stream: &TcpStream) -> io::Result<()> {
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
enum HttpStatus {
    Ok,
    BadRequest,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    HeadTooLarge,
    VersionNotSupported,
    Unavailable,
}

impl HttpStatus {
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
    status: HttpStatus,
    media_type: &'static str,
    body: String,
}

impl Answer {
    fn plain(status: HttpStatus, body: impl Into<String>) -> Self {
        Self {
            status,
            media_type: "text/plain; charset=utf-8",
            body: body.into(),
        }
    }

    fn to(request: &Request, monitor: &Monitor) -> Self {
        match request.path.as_str() {
            "/metrics" => Self {
                status: HttpStatus::Ok,
                media_type: request.format.media_type(),
                body: exposition(Snapshot::take(monitor), request.format),
            },
            "/healthz" => match monitor.health() {
                Ok(()) => Self::plain(HttpStatus::Ok, "ok\n"),
                Err(silent) => {
                    let body = format!("{}\n", no_answer(&silent));
                    Self::plain(HttpStatus::Unavailable, body)
                }
            },
            "/readyz" => match monitor.is_ready() {
                true => Self::plain(HttpStatus::Ok, "ok\n"),
                false => Self::plain(HttpStatus::Unavailable, "shutting down\n"),
            },
            _ => Self::plain(
                HttpStatus::NotFound,
                "there are /metrics, /healthz and /readyz\n",
            ),
        }
    }

    fn bytes(&self, has_body: bool) -> Vec<u8> {
        let allow = match self.status {
            HttpStatus::MethodNotAllowed => "Allow: GET, HEAD\r\n",
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

#[cfg(test)]
mod tests;
