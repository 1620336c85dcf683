//! The program by which the kernel steers packets to the sockets of shards.

use nix::{
    libc::{
        BPF_A, BPF_ABS, BPF_ALU, BPF_B, BPF_JA, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_MOD, BPF_MUL,
        BPF_RET, BPF_RSH, BPF_W, sock_filter, sock_fprog,
    },
    sys::socket::{setsockopt, sockopt::AttachReusePortCbpf},
};
use qecho_engine::Steering;

/// Lets the kernel compute the shard of every packet for a group of sockets, of which
/// `socket` is one.
///
/// # Errors
/// The system's, if it does not know how.
pub(super) fn attach(steering: &Steering, socket: &std::net::UdpSocket) -> std::io::Result<()> {
    let mut program = program(steering);
    let program = sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    Ok(setsockopt(socket, AttachReusePortCbpf, &program)?)
}

/// Returns the program. Its offsets count from the beginning of the UDP payload; a
/// datagram that is too short for it goes to the first shard.
fn program(steering: &Steering) -> [sock_filter; 9] {
    let step = |code: u32, jt: u8, jf: u8, k: u32| sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    [
        // RFC 8999 §5: a long header has its connection ID at offset 6,
        // behind the version and a length, a short header at offset 1.
        step(BPF_LD | BPF_B | BPF_ABS, 0, 0, 0),
        step(BPF_JMP | BPF_JSET | BPF_K, 0, 2, 0x80),
        step(BPF_LD | BPF_W | BPF_ABS, 0, 0, 6),
        step(BPF_JMP | BPF_JA, 0, 0, 1),
        step(BPF_LD | BPF_W | BPF_ABS, 0, 0, 1),
        step(BPF_ALU | BPF_MUL | BPF_K, 0, 0, steering.multiplier()),
        step(BPF_ALU | BPF_RSH | BPF_K, 0, 0, 16),
        step(BPF_ALU | BPF_MOD | BPF_K, 0, 0, steering.shards() as u32),
        step(BPF_RET | BPF_A, 0, 0, 0),
    ]
}
