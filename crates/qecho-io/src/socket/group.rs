//! Groups of sockets on one address, one for each shard.

use std::io;

use qecho_engine::Steering;
use rustix::net::sockopt::set_socket_reuseport;

use super::Socket;

/// The sockets of a server, split among its shards.
#[derive(Debug)]
pub(crate) struct ShardSockets {
    /// Sockets of each shard, one on each address.
    pub(crate) shards: Vec<Vec<Socket>>,
    /// The reason that there is one shard alone, if more were wanted: the system cannot
    /// steer packets by their connection IDs.
    pub(crate) unsteered: Option<io::Error>,
}

/// Gives each shard a socket on each of the addresses that `sockets` are bound
/// to; the kernel then gives it the packets of its connections.
///
/// The sockets of an address must live until the last shard has ended: when
/// one is closed, the kernel numbers the others anew.
pub(crate) fn split(sockets: Vec<Socket>, steering: &Steering) -> ShardSockets {
    split_by(sockets, steering, attach)
}

/// Attaches the steering program to a group of sockets.
type AttachSteering = fn(&Socket, &Steering) -> io::Result<()>;

fn split_by(sockets: Vec<Socket>, steering: &Steering, attach: AttachSteering) -> ShardSockets {
    let mut shards: Vec<Vec<Socket>> = (0..steering.shards()).map(|_| Vec::new()).collect();
    let mut unsteered = None;
    if steering.shards() > 1 {
        for socket in &sockets {
            match others(socket, steering, attach) {
                Ok(others) => {
                    for (shard, other) in shards[1..].iter_mut().zip(others) {
                        shard.push(other);
                    }
                }
                Err(error) => {
                    unsteered = Some(error);
                    break;
                }
            }
        }
    }
    if unsteered.is_some() {
        shards.truncate(1);
        for socket in &sockets {
            // Nobody else is to come to this address.
            let _ = set_socket_reuseport(&socket.io, false);
        }
    }
    shards[0] = sockets;
    ShardSockets { shards, unsteered }
}

/// Opens the other sockets of a group in which `first` is the first: the order
/// of binding is what the program's result counts in.
///
/// `first` was bound alone, so a port that another process has was an error;
/// only then it lets others come to its address. Whoever else had wanted to
/// come in between would have had to be of our user, and to want it.
fn others(first: &Socket, steering: &Steering, attach: AttachSteering) -> io::Result<Vec<Socket>> {
    set_socket_reuseport(&first.io, true)?;
    let mut others = Vec::with_capacity(steering.shards() - 1);
    for _ in 1..steering.shards() {
        let other = Socket::open(first.address, first.errors, true)?;
        if others.is_empty() {
            // Once there is a group, and before it is of any size: a packet
            // that comes before the program does goes to any of its sockets.
            attach(first, steering)?;
        }
        others.push(other);
    }
    Ok(others)
}

#[cfg(target_os = "linux")]
fn attach(socket: &Socket, steering: &Steering) -> io::Result<()> {
    super::steering::attach(steering, &socket.io)
}

#[cfg(not(target_os = "linux"))]
fn attach(_: &Socket, _: &Steering) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{
        net::{SocketAddr, UdpSocket},
        num::NonZeroUsize,
        time::Duration,
    };

    use super::*;
    use crate::socket::ReceiveErrors;
    use qecho_engine::Secrets;

    const LIMIT: Duration = Duration::from_secs(30);

    fn steering(shards: usize) -> Steering {
        let shards = NonZeroUsize::new(shards).expect("not zero");
        Steering::new(&Secrets::from_master(&[9; 32]), shards)
    }

    fn bound(address: &str) -> Option<Socket> {
        let address: SocketAddr = address.parse().expect("an address");
        Socket::bind(address, ReceiveErrors::No).ok()
    }

    /// Waits for a datagram; returns it and its sender.
    fn receive(socket: &Socket) -> (Vec<u8>, SocketAddr) {
        socket.io.set_nonblocking(false).expect("it is a socket");
        let limit = socket.io.set_read_timeout(Some(LIMIT));
        limit.expect("it is a socket");
        let mut received = [0; 64];
        let (length, from) = socket.io.recv_from(&mut received).expect("it has come");
        (received[..length].to_vec(), from)
    }

    /// Returns a short or a long header with this connection ID.
    fn packet(long: bool, connection_id: &[u8]) -> Vec<u8> {
        let mut packet = match long {
            true => vec![0xc0, 0, 0, 0, 1, connection_id.len() as u8],
            false => vec![0x40],
        };
        packet.extend(connection_id);
        packet.extend([0x11; 20]);
        packet
    }

    #[test]
    fn the_kernel_gives_every_packet_to_the_shard_of_its_connection_id() {
        for (address, shards) in [
            ("127.0.0.1:0", 2),
            ("127.0.0.1:0", 3),
            ("[::1]:0", 8),
            ("0.0.0.0:0", 64),
        ] {
            // A host without IPv6 has nothing to steer there.
            let Some(first) = bound(address) else {
                continue;
            };
            let mut to = first.address();
            if to.ip().is_unspecified() {
                to.set_ip([127, 0, 0, 1].into());
            }
            let steering = steering(shards);
            let split = split(vec![first], &steering);
            assert!(split.unsteered.is_none(), "{:?}", split.unsteered);
            for round in 0..200_u32 {
                // A new port each time, as of a client behind a NAT.
                let client = UdpSocket::bind((if to.is_ipv4() { "127.0.0.1" } else { "::1" }, 0));
                let client = client.expect("there is a port");
                let is_long = round % 2 == 0;
                // Of every length that a client may choose.
                let length = if is_long {
                    8 + round as usize / 2 % 13
                } else {
                    8
                };
                let bytes = (0..length as u32).map(|at| (round * 7 + at * 31) as u8);
                let mut connection_id: Vec<u8> = bytes.collect();
                let at = round as usize % length;
                connection_id[at] = round.wrapping_mul(0x9e37_79b9).to_be_bytes()[0];
                let sent = packet(is_long, &connection_id);
                client.send_to(&sent, to).expect("it is sent");
                let shard = &split.shards[steering.owner(&sent)][0];
                let from = client.local_addr().expect("it is bound");
                assert_eq!(receive(shard), (sent, from));
            }
        }
    }

    #[test]
    fn a_port_that_shards_have_is_busy_for_a_second_server() {
        let first = bound("127.0.0.1:0").expect("loopback has ports");
        let address = first.address();
        let split = split(vec![first], &steering(2));
        assert_eq!(split.shards.len(), 2);
        let error = Socket::bind(address, ReceiveErrors::No).expect_err("it is busy");
        assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_system_that_cannot_steer_gives_one_shard_that_gets_everything() {
        let sockets: Vec<_> = (0..2).filter_map(|_| bound("127.0.0.1:0")).collect();
        let unable: AttachSteering = |_, _| Err(io::ErrorKind::Unsupported.into());
        let split = split_by(sockets, &steering(8), unable);
        assert!(split.unsteered.is_some());
        assert_eq!(split.shards.len(), 1);
        for shard in &split.shards[0] {
            let client = UdpSocket::bind("127.0.0.1:0").expect("there is a port");
            client.send_to(&[7; 3], shard.address).expect("it is sent");
            assert_eq!(receive(shard).0, [7; 3]);
        }
    }

    #[test]
    fn what_is_too_short_for_a_connection_id_goes_to_the_first_shard() {
        let first = bound("127.0.0.1:0").expect("loopback has ports");
        let address = first.address();
        let split = split(vec![first], &steering(8));
        let client = UdpSocket::bind("127.0.0.1:0").expect("there is a port");
        client.send_to(&[0xff, 1, 2], address).expect("it is sent");
        assert_eq!(receive(&split.shards[0][0]).0, [0xff, 1, 2]);
    }
}
