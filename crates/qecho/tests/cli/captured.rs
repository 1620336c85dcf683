//! A capture, as tshark reads it.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use crate::{cmd::Cmd, env::TestEnv, transcript::LIMIT, tshark};

/// A capture, and who reads it.
pub(crate) struct Capture<'a> {
    env: &'a TestEnv,
    pub(crate) path: PathBuf,
}

impl<'a> Capture<'a> {
    pub(crate) fn new(env: &'a TestEnv, name: &str) -> Self {
        let path = env.path(name);
        Self { env, path }
    }

    /// Adds `--pcap` to a command.
    pub(crate) fn of(&self, launch: Cmd) -> Cmd {
        launch.arg("--pcap").arg(&self.path)
    }

    /// Returns fields (one for each word) of the packets that pass a filter, a line for each.
    pub(crate) fn fields(&self, filter: &str, fields: &str) -> Vec<String> {
        let mut command = tshark::reader(self.env, &self.path);
        for checked in ["ip", "udp"] {
            command.arg("-o");
            command.arg(format!("{checked}.check_checksum:TRUE"));
        }
        command.args(["-Y", filter, "-T", "fields"]);
        for field in fields.split(' ') {
            command.args(["-e", field]);
        }
        let output = command
            .output()
            .expect("tshark is here: `cargo xtask setup` installs it");
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().map(str::to_owned).collect()
    }

    /// Returns the packets that are not right or not decrypted.
    pub(crate) fn faults(&self) -> Vec<String> {
        let faults = [
            "!quic",
            "_ws.malformed",
            "udp.checksum.status == 0",
            "ip.checksum.status == 0",
            "quic.decryption_failed",
            // A Retry has no frames; all else has, once it is decrypted.
            "(!quic.frame && !(quic.long.packet_type == 3))",
            // The MTU of a network, that of loopback is larger.
            "frame.len > 1500",
        ];
        let fields = "frame.number frame.len _ws.col.Info _ws.expert.message";
        self.fields(&faults.join(" || "), fields)
    }

    /// Checks that every packet is right and decrypted; returns how many
    /// datagrams there are.
    #[track_caller]
    pub(crate) fn is_sound(&self) -> usize {
        let faults = self.faults();
        assert!(faults.is_empty(), "{faults:#?}");
        self.fields("quic", "frame.number").len()
    }

    /// Returns on how many streams bytes passed, to and fro counted apart. What
    /// is late is sent again and counts once.
    pub(crate) fn streamed(&self, bytes: &str) -> usize {
        let hex: String = bytes.bytes().map(|byte| format!("{byte:02x}")).collect();
        let fields = "frame.packet_flags_direction quic.stream.stream_id quic.stream_data";
        let lines = self.fields("quic.stream_data", fields);
        let mut ways = BTreeSet::new();
        for line in &lines {
            let columns: Vec<&str> = line.split('\t').collect();
            let streams: Vec<&str> = columns[1].split(',').collect();
            let data: Vec<&str> = columns[2].split(',').collect();
            assert_eq!(streams.len(), data.len(), "every frame has bytes: {line}");
            let frames = streams.into_iter().zip(data);
            let with_them = frames.filter(|(_, data)| data.contains(&hex));
            ways.extend(with_them.map(|(stream, _)| (columns[0], stream)));
        }
        ways.len()
    }

    /// Returns what tells the datagrams of one direction apart.
    pub(crate) fn datagrams(&self, direction: &str) -> Vec<String> {
        let fields = "ip.src ip.dst ipv6.src ipv6.dst udp.srcport udp.dstport udp.length \
                      udp.checksum ip.dsfield.ecn ipv6.tclass.ecn";
        self.fields(direction, fields)
    }

    /// Returns how long the file is, if there is one.
    pub(crate) fn length(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |file| file.len())
    }

    /// Waits until the file is so long.
    #[track_caller]
    pub(crate) fn grows_to(&self, length: u64) {
        let step = Duration::from_millis(10);
        for _ in 0..LIMIT.as_millis() / step.as_millis() {
            if self.length() >= length {
                return;
            }
            thread::sleep(step);
        }
        panic!("{} stays short", self.path.display());
    }
}

/// Returns the access rights of a file or a folder.
pub(crate) fn mode(path: &Path) -> u32 {
    let metadata = fs::metadata(path).expect("it is there");
    metadata.permissions().mode() & 0o777
}
