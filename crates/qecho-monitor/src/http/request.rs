//! Requests, as far as they are understood.

use httparse::{EMPTY_HEADER, Error, Status as Parsed};

use super::{Format, Status};

/// Bytes of the largest request line and headers.
pub const HEAD_MAX: usize = 8 * 1024;

/// Headers of a request.
pub const HEADERS_MAX: usize = 64;

/// Request that is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) path: String,
    /// Whether the answer is to have no body.
    pub(super) is_head: bool,
    /// Format in which metrics are wanted.
    pub(super) format: Format,
}

/// What the bytes so far ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// More is to come.
    Unknown,
    For(Request),
    /// Something that is refused with this status.
    Badly(Status),
}

impl Request {
    /// Reads the head of a request.
    pub(super) fn read(bytes: &[u8]) -> Asked {
        let mut headers = [EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let is_too_large = bytes.len() > HEAD_MAX;
        match request.parse(&bytes[..bytes.len().min(HEAD_MAX)]) {
            Ok(Parsed::Complete(_)) => Self::check(&request),
            Ok(Parsed::Partial) if is_too_large => Asked::Badly(Status::HeadTooLarge),
            Ok(Parsed::Partial) => Asked::Unknown,
            Err(Error::TooManyHeaders) => Asked::Badly(Status::HeadTooLarge),
            Err(Error::Version) => Asked::Badly(Status::VersionNotSupported),
            Err(_) => Asked::Badly(Status::BadRequest),
        }
    }

    fn check(request: &httparse::Request<'_, '_>) -> Asked {
        let header = |name: &str| {
            let mut headers = request.headers.iter();
            headers.find(|header| header.name.eq_ignore_ascii_case(name))
        };
        let hosts = request.headers.iter();
        let hosts = hosts.filter(|header| header.name.eq_ignore_ascii_case("host"));
        // RFC 9112 §3.2: exactly one, in version 1.1.
        if hosts.count() != 1 && request.version == Some(1) {
            return Asked::Badly(Status::BadRequest);
        }
        let is_head = match request.method {
            Some("GET") => false,
            Some("HEAD") => true,
            _ => return Asked::Badly(Status::MethodNotAllowed),
        };
        let target = request.path.unwrap_or_default();
        let accept = header("accept").map(|header| String::from_utf8_lossy(header.value));
        Asked::For(Self {
            path: path(target).to_owned(),
            is_head,
            format: Format::accepted_by(&accept.unwrap_or_default()),
        })
    }
}

/// Returns the path of a request's target, which may be a whole URL (RFC 9112 §3.2.2).
fn path(target: &str) -> &str {
    let target = match target.strip_prefix("http://") {
        Some(url) => url.find('/').map_or("/", |slash| &url[slash..]),
        None => target,
    };
    target.split('?').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &str) -> Asked {
        Request::read(head.as_bytes())
    }

    fn asks(path: &str, is_head: bool, format: Format) -> Asked {
        Asked::For(Request {
            path: path.into(),
            is_head,
            format,
        })
    }

    #[test]
    fn requests_of_every_form_are_understood() {
        let older = Format::Prometheus;
        for (head, asked) in [
            (
                "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
                asks("/metrics", false, older),
            ),
            (
                "HEAD /healthz?x=1 HTTP/1.0\r\n\r\n",
                asks("/healthz", true, older),
            ),
            (
                "GET http://a:1/readyz HTTP/1.1\nhost: a:1\n\n",
                asks("/readyz", false, older),
            ),
            (
                "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n",
                asks("/", false, older),
            ),
            (
                "GET / HTTP/1.1\r\nHost: a\r\naccept: application/openmetrics-text\r\n\r\n",
                asks("/", false, Format::OpenMetrics),
            ),
        ] {
            assert_eq!(read(head), asked, "{head:?}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused_for_what_it_is() {
        let many = format!(
            "GET / HTTP/1.1\r\n{}\r\n",
            "a: b\r\n".repeat(HEADERS_MAX + 1)
        );
        let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(HEAD_MAX));
        for (head, status) in [
            ("GET / HTTP/1.1\r\n\r\n", Status::BadRequest),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                Status::BadRequest,
            ),
            ("GET / HTTP/2.0\r\n\r\n", Status::VersionNotSupported),
            ("\0\u{1}\r\n\r\n", Status::BadRequest),
            (
                "POST /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
                Status::MethodNotAllowed,
            ),
            (&many, Status::HeadTooLarge),
            (&long, Status::HeadTooLarge),
        ] {
            assert_eq!(read(head), Asked::Badly(status), "{head:?}");
        }
    }

    #[test]
    fn a_request_is_read_only_when_it_is_whole() {
        let whole = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]), Asked::Unknown, "{length}");
        }
    }
}
