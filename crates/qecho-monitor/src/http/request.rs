//! Requests, as far as they are understood.

use httparse::{EMPTY_HEADER, Error, Status as Parsed};

use super::{Format, HttpStatus};

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

/// Meaning of the bytes so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// More is to come.
    Unknown,
    For(Request),
    /// Something that is refused with this status.
    Badly(HttpStatus),
}

impl Request {
    /// Reads the head of a request.
    pub(super) fn read(bytes: &[u8]) -> Asked {
        let mut headers = [EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let is_too_large = bytes.len() > HEAD_MAX;
        match request.parse(&bytes[..bytes.len().min(HEAD_MAX)]) {
            Ok(Parsed::Complete(_)) => Self::check(&request),
            Ok(Parsed::Partial) if is_too_large => Asked::Badly(HttpStatus::HeadTooLarge),
            Ok(Parsed::Partial) => Asked::Unknown,
            Err(Error::TooManyHeaders) => Asked::Badly(HttpStatus::HeadTooLarge),
            Err(Error::Version) => Asked::Badly(HttpStatus::VersionNotSupported),
            Err(_) => Asked::Badly(HttpStatus::BadRequest),
        }
    }

    fn check(request: &httparse::Request<'_, '_>) -> Asked {
        let headers = |name: &'static str| {
            let headers = request.headers.iter();
            headers.filter(move |header| header.name.eq_ignore_ascii_case(name))
        };
        // RFC 9112 §3.2: exactly one, in version 1.1.
        if headers("host").count() != 1 && request.version == Some(1) {
            return Asked::Badly(HttpStatus::BadRequest);
        }
        let is_head = match request.method {
            Some("GET") => false,
            Some("HEAD") => true,
            _ => return Asked::Badly(HttpStatus::MethodNotAllowed),
        };
        let target = request.path.unwrap_or_default();
        let accept: Vec<_> = headers("accept")
            .map(|header| String::from_utf8_lossy(header.value))
            .collect();
        Asked::For(Self {
            path: path(target).to_owned(),
            is_head,
            // Several lines are one list (RFC 9110 §5.3).
            format: Format::accepted_by(&accept.join(",")),
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
            (
                "GET / HTTP/1.0\r\nAccept: text/plain\r\nAccept: application/openmetrics-text\r\n\r\n",
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
            ("GET / HTTP/1.1\r\n\r\n", HttpStatus::BadRequest),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                HttpStatus::BadRequest,
            ),
            ("GET / HTTP/2.0\r\n\r\n", HttpStatus::VersionNotSupported),
            ("\0\u{1}\r\n\r\n", HttpStatus::BadRequest),
            (
                "POST /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
                HttpStatus::MethodNotAllowed,
            ),
            (&many, HttpStatus::HeadTooLarge),
            (&long, HttpStatus::HeadTooLarge),
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
