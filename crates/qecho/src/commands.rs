//! What each command does with what was typed.

mod bench;
mod capture;
mod cert;
mod client;
mod demo;
mod dialing;
mod key_log;
mod observers;
mod ping;
mod relay;
mod report;
mod resolve;
mod server;
mod signals;
mod trace;
mod tracing;
mod trust;

use crate::{
    args::{Arguments, Command},
    ending::{Ending, Failure},
};

/// Runs the command that was typed.
pub(crate) fn run(arguments: Arguments) -> Result<Ending, Failure> {
    match arguments.command {
        Command::Demo(arguments) => demo::run(arguments),
        Command::Server(arguments) => server::run(&arguments),
        Command::Client(arguments) => client::run(arguments),
        Command::Ping(arguments) => ping::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Relay(arguments) => relay::run(&arguments),
        Command::Trace(arguments) => trace::run(&arguments),
        Command::Cert(command) => cert::run(&command),
    }
}
