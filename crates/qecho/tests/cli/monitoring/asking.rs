//! Asks a server about itself over plain HTTP, as written by hand.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use crate::{
    env::{Server, TestEnv},
    transcript::LIMIT,
};

/// Answer to a request.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Answer {
    /// Reads an answer, which must be whole.
    #[track_caller]
    fn read(text: &str, has_body: bool) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("a head ends");
        let status = head
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3));
        let status = status.and_then(|digits| digits.parse().ok());
        let answer = Self {
            status: status.expect("a status of three digits"),
            head: head.to_owned(),
            body: body.to_owned(),
        };
        let length = answer.header("content-length").expect("it has a length");
        if has_body {
            assert_eq!(length, body.len().to_string());
        }
        assert_eq!(answer.header("connection"), Some("close"));
        answer
    }

    /// Returns the value of a header, by its name in small letters.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1);
        lines.find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// Starts a server that serves metrics on a free port.
pub(super) fn monitored(arguments: &str) -> (TestEnv, Server) {
    TestEnv::with_server(&format!("--metrics 0 {arguments}"))
}

/// Connects to where a server serves metrics.
pub(super) fn connect(server: &Server) -> TcpStream {
    let address = server.listening["metrics"][0]
        .as_str()
        .expect("it has them");
    connect_to(address.parse().expect("it is an address"))
}

pub(super) fn connect_to(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream
        .set_read_timeout(Some(LIMIT))
        .expect("it has a timeout");
    stream
}

/// Asks by these bytes, and reads until the server closes.
#[track_caller]
pub(super) fn ask(mut stream: TcpStream, request: &[u8]) -> Answer {
    stream.write_all(request).expect("the server reads");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it answers");
    Answer::read(&text, !request.starts_with(b"HEAD "))
}

/// Gets a path with these headers, each with its line end.
#[track_caller]
pub(super) fn get(server: &Server, path: &str, headers: &str) -> Answer {
    get_from(connect(server), path, headers)
}

#[track_caller]
pub(super) fn get_from(stream: TcpStream, path: &str, headers: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    ask(stream, request.as_bytes())
}
