//! Starts an echo server.
//!
//! The event loop is generic, and generic code is optimised as the crate is that names its types:
//! these functions have it compiled here, whatever a program chooses for itself.

use qecho_io::{Server, ServerConfig, Socket, StartError, listen};

use super::Echo;

/// Binds the addresses and starts a copy of `echo` on each shard, as [`ServerConfig::start`] does.
///
/// # Errors
/// [`StartError`] if it cannot; nothing keeps running then.
pub fn start(config: &ServerConfig, echo: Echo) -> Result<Server<Echo>, StartError> {
    start_on(config, listen::bind(&config.listen)?, echo)
}

/// Starts serving as [`start`] does, on sockets that are bound already.
///
/// # Errors
/// [`StartError`] if it cannot; nothing keeps running then.
pub fn start_on(
    config: &ServerConfig,
    sockets: Vec<Socket>,
    echo: Echo,
) -> Result<Server<Echo>, StartError> {
    config.start_on(sockets, |_shard| echo.clone())
}
