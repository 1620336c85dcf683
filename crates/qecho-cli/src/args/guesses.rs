//! Tips for options that people know from other programs, or guess.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Guessed options, with the commands to which the tip applies.
const GUESSES: [(&[&str], &[&str], &str); 23] = [
    (
        &["--json", "-J"],
        &[
            "server", "client", "ping", "bench", "relay", "cert", "conform", "doctor",
        ],
        "'--format json' writes JSON",
    ),
    (
        &["--csv"],
        &["ping", "bench"],
        "'--format csv' writes comma-separated values",
    ),
    (
        &[
            "--port",
            "-p",
            "--bind",
            "-B",
            "--host",
            "--address",
            "--addr",
        ],
        &["server", "relay"],
        "'--listen localhost:PORT' says where to listen",
    ),
    (
        &["--port", "-p", "--host", "--server", "--connect"],
        &["client", "ping", "bench", "conform", "doctor"],
        "the port stands behind the host: HOST:PORT",
    ),
    (
        &["--server", "--target", "--upstream"],
        &["relay"],
        "'--to HOST:PORT' names the server",
    ),
    (
        &["--latency"],
        &["relay"],
        "'--delay 20ms' makes every datagram so late",
    ),
    (
        &["--bandwidth", "-b", "--bitrate"],
        &["relay"],
        "'--rate 10mbit' limits the line",
    ),
    (
        &["--bandwidth", "-b", "--bitrate", "--qps", "-r"],
        &["bench"],
        "'--rate 20k' offers so many messages a second",
    ),
    (
        &["--time", "-t"],
        &["bench"],
        "'-d 10s' is the time of measuring",
    ),
    (
        &["-P", "--parallel", "-c", "--clients"],
        &["bench"],
        "'--connections 8' makes so many at once",
    ),
    (
        &["-u", "--udp"],
        &["client", "ping", "bench"],
        "'--over datagram' sends DATAGRAM frames",
    ),
    (
        &["--cacert", "--cafile", "--CAfile"],
        &["client", "ping", "bench", "conform", "doctor"],
        "'--ca FILE' names whom to trust",
    ),
    (
        &["-k", "--no-verify-cert", "--skip-verify"],
        &["client", "ping", "bench", "conform", "doctor"],
        "'--insecure' trusts anybody",
    ),
    (
        &["--certificate"],
        &["server", "client", "ping"],
        "'--cert FILE' names a certificate",
    ),
    (
        &["--key-log", "--sslkeylogfile"],
        &["server", "client", "ping", "bench", "trace"],
        "'--keylog FILE' keeps the TLS secrets",
    ),
    (
        &["-v", "--verbose", "--debug"],
        &["server", "client", "demo", "ping", "bench"],
        "'--trace' shows the packets",
    ),
    (&["--message"], &["client"], "'-m TEXT' sends a message"),
    (
        &["--no-color", "--no-colour", "--color", "--colour"],
        &[
            "--no-color",
            "--no-colour",
            "--color",
            "--colour",
            "server",
            "client",
            "demo",
            "ping",
            "bench",
            "relay",
            "trace",
            "cert",
            "conform",
            "doctor",
        ],
        "'NO_COLOR=1' before the command turns colours off",
    ),
    (
        &["--junit", "--xml", "--html", "--report", "-o"],
        &["conform"],
        "'--output FILE.xml' or FILE.html keeps a report",
    ),
    (
        &["--html", "--report", "-o"],
        &["doctor"],
        "'--output FILE.html' writes a page",
    ),
    (
        &["--pcap", "--keylog"],
        &["conform"],
        "'--pcap-dir DIR' keeps the packets, with the secrets inside",
    ),
    (
        &["--prometheus"],
        &["server"],
        "'--metrics 9433' serves metrics for Prometheus",
    ),
    // Before any command.
    (&["-v"], &["-v"], "'-V' tells the version"),
];

/// Puts the fitting tip in place of clap's, if the option is one that people guess.
pub(super) fn with_tip(mut error: clap::Error, typed: &[OsString]) -> clap::Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let command = typed
        .get(1)
        .and_then(|word| word.to_str()?.split('=').next())
        .unwrap_or_default();
    let option = option.split('=').next().unwrap_or_default();
    let tip = GUESSES
        .iter()
        .find(|(options, commands, _)| options.contains(&option) && commands.contains(&command));
    if let Some((.., tip)) = tip {
        error.remove(ContextKind::SuggestedArg);
        error.remove(ContextKind::SuggestedSubcommand);
        error.remove(ContextKind::TrailingArg);
        let tip = ContextValue::StyledStrs(vec![(*tip).into()]);
        error.insert(ContextKind::Suggested, tip);
    }
    error
}
