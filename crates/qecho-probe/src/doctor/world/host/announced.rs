//! Asks a web server for what it announces (RFC 7838), by HTTP/1.1 over TLS.

use std::{
    io::{self, Read, Write},
    net::Ipv6Addr,
    sync::Arc,
};

use httparse::{EMPTY_HEADER, Status};
use qecho_cert::TrustVerifier;
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, StreamOwned, crypto::aws_lc_rs,
    pki_types::ServerName, version::TLS13,
};

/// Bytes of an answer's fields.
const FIELDS_BYTES_MAX: usize = 16 * 1024;

/// Number of an answer's fields.
const FIELDS_MAX: usize = 128;

/// Asks a server of this name, and returns the values of its `Alt-Svc` fields.
///
/// TLS 1.3 alone is offered: version 1.2 would cost the program 150 kB for this one question.
pub(super) fn ask(
    connection: impl Read + Write,
    server_name: &str,
    port: u16,
    verifier: Arc<TrustVerifier>,
) -> io::Result<Vec<String>> {
    let distrust = Arc::clone(&verifier);
    exchange(connection, server_name, port, verifier).map_err(|error| in_words(error, &distrust))
}

/// Puts an error of the TLS library into plain words: its own are written for debugging.
fn in_words(error: io::Error, verifier: &TrustVerifier) -> io::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    let Some(tls) = inner else {
        return error;
    };
    let words = match tls {
        rustls::Error::AlertReceived(
            AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure,
        )
        | rustls::Error::PeerIncompatible(_) => {
            return io::Error::new(io::ErrorKind::Unsupported, "it takes no TLS 1.3 from here");
        }
        rustls::Error::InvalidCertificate(_) => match verifier.failure() {
            Some(failure) => failure.to_string(),
            None => "its certificate is refused".into(),
        },
        rustls::Error::AlertReceived(_) => "it refuses the TLS handshake".into(),
        rustls::Error::InvalidMessage(_) => "it does not speak TLS".into(),
        _ => "its TLS is at fault".into(),
    };
    invalid(&words)
}

fn exchange(
    connection: impl Read + Write,
    server_name: &str,
    port: u16,
    verifier: Arc<TrustVerifier>,
) -> io::Result<Vec<String>> {
    // The last dot says that a name is whole, and is no part of it (RFC 6066 §3).
    let host = server_name.strip_suffix('.').unwrap_or(server_name);
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let tls = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(tls, connection);
    stream.write_all(request(host, port).as_bytes())?;
    stream.flush()?;

    let mut answer = Vec::new();
    let mut bytes = [0; 2_048];
    while answer.len() < FIELDS_BYTES_MAX {
        let length = stream.read(&mut bytes)?;
        if length == 0 {
            return Err(invalid("the connection ends before its answer does"));
        }
        answer.extend(&bytes[..length]);
        if let Some(values) = alternative_services(&answer)? {
            return Ok(values);
        }
    }
    Err(invalid("its answer has too many fields"))
}

fn request(host: &str, port: u16) -> String {
    let host = match host.parse::<Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => host.to_owned(),
    };
    let port = match port {
        443 => String::new(),
        port => format!(":{port}"),
    };
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "HEAD / HTTP/1.1\r\nHost: {host}{port}\r\nUser-Agent: qecho/{version}\r\n\
         Accept: */*\r\nConnection: close\r\n\r\n"
    )
}

/// Returns the values of the `Alt-Svc` fields; none if the answer is not whole.
fn alternative_services(mut answer: &[u8]) -> io::Result<Option<Vec<String>>> {
    loop {
        let mut fields = [EMPTY_HEADER; FIELDS_MAX];
        let mut response = httparse::Response::new(&mut fields);
        let length = match response.parse(answer) {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) => return Ok(None),
            Err(error) => return Err(invalid(&format!("its answer is not HTTP: {error}"))),
        };
        // RFC 9110 §15.2: an interim answer comes before the one that counts.
        if response.code.is_some_and(|code| (100..200).contains(&code)) {
            answer = &answer[length..];
            continue;
        }
        let fields = response.headers.iter();
        let fields = fields.filter(|field| field.name.eq_ignore_ascii_case("alt-svc"));
        let values = fields.map(|field| String::from_utf8_lossy(field.value).into_owned());
        return Ok(Some(values.collect()));
    }
}

fn invalid(words: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_taken_of_the_answer_that_counts() {
        let answer = b"HTTP/1.1 103 Early Hints\r\nAlt-Svc: early\r\n\r\n\
            HTTP/1.1 301 Moved Permanently\r\nServer: s\r\n\
            alt-svc: h3=\":443\"; ma=86400\r\nALT-SVC: h3-29=\":443\"\r\n\r\nbody";
        let expected = ["h3=\":443\"; ma=86400", "h3-29=\":443\""].map(str::to_owned);
        let values = alternative_services(answer).expect("it is HTTP");
        assert_eq!(values, Some(expected.into()));
        let end = answer.len() - b"\r\nbody".len();
        for length in 0..end {
            let values = alternative_services(&answer[..length]).expect("it may become HTTP");
            assert_eq!(values, None, "{length}");
        }
        let none = alternative_services(b"HTTP/1.0 200 OK\r\n\r\n").expect("it is HTTP");
        assert_eq!(none, Some(Vec::new()));
    }

    #[test]
    fn what_is_not_http_or_endless_is_refused() {
        let many = "a: b\r\n".repeat(FIELDS_MAX + 1);
        for answer in [
            "SSH-2.0-OpenSSH\r\n",
            &format!("HTTP/1.1 200 OK\r\n{many}\r\n"),
        ] {
            assert!(alternative_services(answer.as_bytes()).is_err(), "{answer}");
        }
    }

    #[test]
    fn a_request_names_the_host_as_urls_do() {
        for (host, port, expected) in [
            ("example.com", 443, "Host: example.com\r\n"),
            ("example.com", 8_443, "Host: example.com:8443\r\n"),
            ("2001:db8::1", 443, "Host: [2001:db8::1]\r\n"),
        ] {
            assert!(request(host, port).contains(expected), "{host}");
        }
    }
}
