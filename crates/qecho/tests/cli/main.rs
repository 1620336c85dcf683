//! The built binary as a person or a script meets it: over real UDP on loopback,
//! with every file in a temporary folder, and every wait with a limit.

mod agreement;
mod bench;
mod cert;
mod colour;
mod completions;
mod conform;
mod demo;
mod doctor;
mod documented;
#[cfg(target_os = "linux")]
mod examples;
mod exchange;
mod help;
mod history;
mod identity;
mod key_log;
mod listening;
mod memory_max;
mod monitoring;
mod mutual;
mod names;
mod narration;
#[cfg(target_os = "linux")]
mod network;
#[cfg(target_os = "linux")]
mod networks;
#[cfg(target_os = "linux")]
mod notifying;
mod padding;
#[cfg(target_os = "linux")]
mod pages;
mod pcap;
mod pcap_limit;
mod ping;
mod ping_live;
mod ping_refused;
mod ping_stopped;
mod pipe;
mod progress;
mod prompt;
mod prompt_job;
mod relay;
mod relay_usage;
mod reloading;
mod shutdown;
mod signals;
mod silence;
mod silent_servers;
mod trace_file;
mod trace_partial;
mod tracing;
mod trust;
mod under_load;
mod unreachable;
mod unread;
mod unseen;
mod unusual_keys;
mod usage;

mod captured;
mod certificates;
mod cmd;
mod env;
mod rows;
mod terminal;
mod transcript;
mod tshark;
