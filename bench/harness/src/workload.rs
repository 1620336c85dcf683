//! The loads that servers are measured under.

/// One kind of load.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// Options of `qecho bench`.
    pub(crate) arguments: &'static str,
    pub(crate) measure: Measure,
    /// Largest UDP payload that the generator searches the path for.
    pub(crate) udp_payload_max: u16,
    /// Largest UDP payload that servers may search it for.
    pub(crate) server_payload_max: u16,
    /// True if servers need DATAGRAM frames.
    pub(crate) datagrams: bool,
    /// Package in `bench/peers` whose generator drives QUIC servers; none: `qecho bench` does.
    pub(crate) generator: &'static str,
    /// Options of the `qecho relay` between both ends; none: there is none.
    pub(crate) path: &'static str,
    /// Seconds of measuring, where a run has fewer.
    pub(crate) seconds_min: f64,
}

/// Unit of work that a server's cost is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Processor time for each message.
    Message,
    /// Processor time for each megabyte.
    Megabyte,
    /// Processor time for each connection, from handshake to close.
    Handshake,
    /// Memory for each connection.
    Memory,
}

/// Connections that are held for [`Measure::Memory`].
pub(crate) const IDLE_CONNECTIONS: u32 = 5_000;

/// Usual payload: what an Ethernet carries with IPv6.
const USUAL: u16 = 1_452;
/// Payload that it carries with IPv4; the generator takes so much, and our server finds that out.
const USUAL_TO_GENERATOR: u16 = 1_472;
/// Largest payload that IPv4 carries, and so loopback.
const LARGEST: u16 = 65_507;

/// Workloads, in the order of the tables.
pub(crate) const WORKLOADS: &[Workload] = &[
    Workload::of(
        "a",
        "ping-pong, 64 B messages on one stream",
        Measure::Message,
        "--over stream",
    ),
    Workload::of(
        "b",
        "64 connections of one client socket, 16 messages of 64 B in flight on each",
        Measure::Message,
        "--over stream --connections 64 --in-flight 16",
    ),
    Workload::of(
        "b1",
        "64 connections of one client socket, 1 message of 64 B in flight on each",
        Measure::Message,
        "--over stream --connections 64",
    ),
    Workload::of(
        "b1-sockets",
        "64 connections with a client socket each, 1 message of 64 B in flight on each",
        Measure::Message,
        "--over stream --connections 64 --sockets per-connection",
    ),
    Workload::of(
        "b-crowd",
        "64 connections, 1 message of 64 B in flight on each, among 9,900 that are idle",
        Measure::Message,
        "--over stream --connections 64 --idle-connections 9900 --timeout 60s",
    ),
    Workload::of(
        "c",
        "a stream for each message of 64 B, 16 connections, 16 in flight on each",
        Measure::Message,
        "--over stream-per-message --connections 16 --in-flight 16",
    ),
    Workload::of(
        "d",
        "bulk echo on one stream, UDP payloads of at most 1,452 B to the server and 1,472 B back",
        Measure::Megabyte,
        "--over bulk",
    ),
    Workload {
        udp_payload_max: LARGEST,
        server_payload_max: LARGEST,
        ..Workload::of(
            "d-largest",
            "bulk echo on one stream, UDP payloads as large as the path and both ends allow",
            Measure::Megabyte,
            "--over bulk",
        )
    },
    Workload {
        path: "--delay 10ms --loss 1%",
        seconds_min: 5.0,
        // Smaller pieces, so that there are enough of them for a p99.
        ..Workload::of(
            "d-lossy",
            "bulk echo on one stream through a relay: 10 ms and 1 % loss each way",
            Measure::Megabyte,
            "--over bulk --size 16KiB --in-flight 64",
        )
    },
    Workload::of(
        "e",
        "full handshake, echo of 64 B and close, 16 at once",
        Measure::Handshake,
        "--over handshake --connections 16",
    ),
    Workload {
        generator: "quinn",
        ..Workload::of(
            "b-quinn",
            "as b, by a client on quinn with quinn's own settings",
            Measure::Message,
            "--over stream --connections 64 --in-flight 16",
        )
    },
    Workload {
        generator: "quinn",
        ..Workload::of(
            "d-quinn",
            "as d, by a client on quinn with quinn's own settings",
            Measure::Megabyte,
            "--over bulk",
        )
    },
    Workload {
        generator: "quinn",
        ..Workload::of(
            "e-quinn",
            "as e, by a client on quinn with quinn's own settings",
            Measure::Handshake,
            "--over handshake --connections 16",
        )
    },
    Workload::of(
        "f",
        "memory of each of 5,000 idle connections",
        Measure::Memory,
        "--over idle --connections 5000 --timeout 60s",
    ),
    Workload {
        datagrams: true,
        ..Workload::of(
            "g",
            "DATAGRAM frames of 64 B, 64 connections, 16 in flight on each",
            Measure::Message,
            "--over datagram --connections 64 --in-flight 16",
        )
    },
];

impl Workload {
    const fn of(
        name: &'static str,
        title: &'static str,
        measure: Measure,
        arguments: &'static str,
    ) -> Self {
        Self {
            name,
            title,
            arguments,
            measure,
            udp_payload_max: USUAL,
            server_payload_max: USUAL_TO_GENERATOR,
            datagrams: false,
            generator: "",
            path: "",
            seconds_min: 0.0,
        }
    }

    /// Returns the unit of the cost.
    pub(crate) fn unit(&self) -> &'static str {
        match self.measure {
            Measure::Message => "µs/message",
            Measure::Megabyte => "ms/MB",
            Measure::Handshake => "µs/connection",
            Measure::Memory => "kB/connection",
        }
    }

    /// Returns the unit of the rate.
    pub(crate) fn rate_unit(&self) -> &'static str {
        match self.measure {
            Measure::Message => "messages/s",
            Measure::Megabyte => "MB/s",
            Measure::Handshake => "connections/s",
            Measure::Memory => "",
        }
    }
}

/// Returns the workload of a name.
#[cfg(test)]
pub(crate) fn named(name: &str) -> &'static Workload {
    let named = WORKLOADS.iter().find(|workload| workload.name == name);
    named.expect("tests name workloads that exist")
}
