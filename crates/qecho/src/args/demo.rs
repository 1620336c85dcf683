//! `qecho demo`.

/// Options of `qecho demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArguments {
    /// The text to send, at most 1,000 bytes
    #[arg(default_value = "Hello, QUIC!", value_parser = text)]
    pub(crate) text: String,
}

/// What surely fits into one DATAGRAM frame of a 1,200-byte packet.
const TEXT_MAX: usize = 1_000;

fn text(text: &str) -> Result<String, String> {
    if text.len() > TEXT_MAX {
        let length = text.len();
        return Err(format!(
            "{length} bytes do not fit into one DATAGRAM frame; use at most {TEXT_MAX}"
        ));
    }
    Ok(text.to_owned())
}
