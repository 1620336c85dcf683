//! The built binary as a person or a script meets it: over real UDP on loopback,
//! with every file in a temporary folder, and every wait with a limit.

mod agreement;
mod bench;
mod cert;
mod demo;
mod documented;
mod exchange;
mod identity;
mod key_log;
mod listening;
mod mutual;
mod narration;
mod pcap;
mod pcap_limit;
mod ping;
mod ping_live;
mod ping_refused;
mod pipe;
mod progress;
mod prompt;
mod relay;
mod relay_usage;
mod reloading;
mod shutdown;
mod signals;
mod silence;
mod trace_file;
mod tracing;
mod trust;
mod unreachable;
mod usage;

mod captured;
mod certificates;
mod cmd;
mod env;
mod rows;
mod terminal;
mod transcript;
mod tshark;
