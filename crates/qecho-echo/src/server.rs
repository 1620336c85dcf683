//! The echo server: [`Echo`] as the application of a [`qecho_io::Server`]. [`start`] runs one.

mod config;
mod echo;
mod ending;
mod rate_limit;
mod report;
mod server_log;
mod start;
mod unsent;

pub use self::{
    config::{End, config},
    echo::{CODE_MESSAGE_ENDED, CODE_NO_UNIDIRECTIONAL_STREAMS, Command, Echo, EchoConnection},
    ending::Ending,
    rate_limit::{EVENTS_PER_SECOND_MAX, LINES_PER_SECOND_MAX},
    report::Report,
    server_log::{NOTICES_MAX, Notice, NoticeKind},
    start::{start, start_on},
};
