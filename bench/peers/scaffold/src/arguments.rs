//! The command line.

use std::{env, net::SocketAddr, path::PathBuf};

use crate::Failure;

/// What a peer is told when it is started.
#[derive(Debug)]
pub struct Arguments {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The certificate chain, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Largest UDP payload that is taken.
    pub receive_payload_max: u16,
    /// Largest UDP payload to search the path for.
    pub send_payload_max: u16,
    /// Whether DATAGRAM frames are wanted; where they cost memory even if none comes, they are
    /// left off otherwise.
    pub datagrams: bool,
    /// Which of the stack's runtimes, where there are several.
    pub runtime: Option<String>,
}

impl Arguments {
    /// Reads the process's own command line.
    pub fn parse() -> Result<Self, Failure> {
        let mut arguments = Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            cert: PathBuf::new(),
            key: PathBuf::new(),
            receive_payload_max: 1_452,
            send_payload_max: 1_452,
            datagrams: false,
            runtime: None,
        };
        let mut words = env::args().skip(1);
        while let Some(word) = words.next() {
            if word == "--datagrams" {
                arguments.datagrams = true;
                continue;
            }
            let value = words.next().ok_or(format!("{word} needs a value"))?;
            match word.as_str() {
                "--listen" => arguments.listen = value.parse()?,
                "--cert" => arguments.cert = value.into(),
                "--key" => arguments.key = value.into(),
                "--receive-payload-max" => arguments.receive_payload_max = value.parse()?,
                "--send-payload-max" => arguments.send_payload_max = value.parse()?,
                "--runtime" => arguments.runtime = Some(value),
                _ => return Err(format!("unexpected argument {word}").into()),
            }
        }
        Ok(arguments)
    }
}
