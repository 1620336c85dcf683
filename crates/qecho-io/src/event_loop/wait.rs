//! Waiting for commands and datagrams.

use std::{io, os::fd::AsFd, time::Duration};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{mailbox::Inbox, socket::Socket};

/// Waits for a command or one of the sockets, precisely: QUIC paces in less than milliseconds.
/// Tells of each socket whether there is something to do.
pub(super) fn wait_for<'s, M>(
    inbox: &Inbox<M>,
    sockets: impl ExactSizeIterator<Item = (&'s Socket, PollFlags)>,
    timeout: Option<Duration>,
    mut tell: impl FnMut(usize, bool),
) -> io::Result<()> {
    let mut descriptors = Vec::with_capacity(sockets.len() + 1);
    descriptors.push(PollFd::from_borrowed_fd(inbox.as_fd(), PollFlags::IN));
    descriptors.extend(
        sockets.map(|(socket, interest)| PollFd::from_borrowed_fd(socket.as_fd(), interest)),
    );
    let timeout = timeout.map(|timeout| Timespec {
        tv_sec: timeout.as_secs() as i64,
        tv_nsec: timeout.subsec_nanos().into(),
    });
    match poll(&mut descriptors, timeout.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    for (binding, descriptor) in descriptors[1..].iter().enumerate() {
        tell(binding, !descriptor.revents().is_empty());
    }
    Ok(())
}
