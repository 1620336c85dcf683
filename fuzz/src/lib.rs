//! Any bytes at all, for everything that reads what strangers send: nothing panics, nothing
//! takes for ever, and what each target says about its answer holds.
//!
//! One code for two uses. `cargo test -p qecho-fuzz` runs each target on its corpus and, for
//! some seconds, on inputs that are made of it at random; `cargo xtask fuzz TARGET` lets
//! libFuzzer look for inputs that reach code which none has reached before.

pub mod captures;
pub mod conditions;
pub mod connection;
pub mod handshake;
pub mod mutation;
pub mod packets;
pub mod texts;
pub mod tls;

use std::{fs, path::Path};

/// Something that reads what strangers send.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name on the command line, and that of its corpus.
    pub name: &'static str,
    /// Reads an input; panics if something does not hold.
    pub run: fn(&[u8]),
    /// Makes inputs that are as they should be: mutations of these reach further than noise.
    samples: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "packets",
        run: packets::read_packets,
        samples: packets::datagrams,
    },
    Target {
        name: "frames",
        run: packets::read_frames,
        samples: packets::payloads,
    },
    Target {
        name: "parameters",
        run: packets::read_parameters,
        samples: packets::parameters,
    },
    Target {
        name: "captures",
        run: captures::read_capture,
        samples: captures::files,
    },
    Target {
        name: "dissector",
        run: captures::dissect,
        samples: captures::conversations,
    },
    Target {
        name: "key-log",
        run: texts::read_key_log,
        samples: texts::key_logs,
    },
    Target {
        name: "report",
        run: texts::read_report,
        samples: texts::reports,
    },
    Target {
        name: "relay_conditions",
        run: conditions::read_conditions,
        samples: conditions::lists,
    },
    Target {
        name: "handshake",
        run: handshake::begin,
        samples: handshake::openings,
    },
    Target {
        name: "tls",
        run: tls::read_tls,
        samples: tls::handshakes,
    },
    Target {
        name: "connection",
        run: connection::forge,
        samples: connection::forgeries,
    },
];

impl Target {
    /// Returns the target of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Returns the inputs to begin with: well-formed ones, and those that are kept in
    /// `fuzz/corpus` because they once reached what no other did.
    pub fn corpus(&self) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(self.name);
        // A target that has found nothing yet has no folder.
        let files = fs::read_dir(folder).into_iter().flatten();
        let kept = files.map(|file| {
            let path = file.expect("the corpus can be listed").path();
            fs::read(path).expect("the corpus can be read")
        });
        (self.samples)().into_iter().chain(kept).collect()
    }
}
