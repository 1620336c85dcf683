//! An echo server on bare UDP: what sending and receiving alone costs.

use peer_scaffold::{Arguments, BatchSocket, Failure, announce};

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse()?;
    let mut receiver = BatchSocket::bind(arguments.listen)?;
    let sender = receiver.try_clone()?;
    announce(receiver.local_addr()?)?;
    loop {
        receiver.wait(None)?;
        receiver.receive_joined(|joined, segment, from| {
            // What cannot be sent is lost, as datagrams may be.
            let _ = sender.send(from, joined, segment);
        })?;
    }
}
