//! The program by which the kernel steers packets to the sockets of shards.

use nix::{
    libc::{
        BPF_A, BPF_ABS, BPF_ADD, BPF_ALU, BPF_B, BPF_IND, BPF_JGT, BPF_JMP, BPF_JSET, BPF_K,
        BPF_LD, BPF_LDX, BPF_MEM, BPF_MISC, BPF_MUL, BPF_RET, BPF_RSH, BPF_ST, BPF_SUB, BPF_TAX,
        BPF_W, BPF_X, sock_filter, sock_fprog,
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

/// Bytes of the connection IDs that we issue.
const LENGTH: u32 = 8;

/// Returns the program. Its offsets count from the beginning of the UDP payload; a
/// datagram that is too short for it goes to the first shard.
fn program(steering: &Steering) -> Vec<sock_filter> {
    let [first, second, more @ ..] = steering.multipliers();
    // RFC 8999 §5: a long header has its connection ID at offset 6, behind the version and a
    // length, a short header at offset 1.
    let [short, mut long] = [1, 6].map(|at| first_words(at, [first, second]));
    // A longer one has its other words.
    let others = last_words(more);
    long.push(step(BPF_LD | BPF_B | BPF_ABS, 5));
    long.push(jump(BPF_JGT, LENGTH, others.len()));
    long.extend(others);
    long.extend(end(steering));
    let mut program = vec![step(BPF_LD | BPF_B | BPF_ABS, 0)];
    program.push(jump(BPF_JSET, 0x80, long.len()));
    program.extend(long);
    program.extend(short);
    program.extend(end(steering));
    program
}

fn step(code: u32, k: u32) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    }
}

/// Goes on if the condition holds, else behind so many steps.
fn jump(condition: u32, k: u32, otherwise: usize) -> sock_filter {
    sock_filter {
        jf: otherwise as u8,
        ..step(BPF_JMP | condition | BPF_K, k)
    }
}

/// Returns the steps that put the sum of two words from an offset into the first cell.
fn first_words(at: u32, by: [u32; 2]) -> Vec<sock_filter> {
    vec![
        step(BPF_LD | BPF_W | BPF_ABS, at),
        step(BPF_ALU | BPF_MUL | BPF_K, by[0]),
        step(BPF_ST, 0),
        step(BPF_LD | BPF_W | BPF_ABS, at + 4),
        step(BPF_ALU | BPF_MUL | BPF_K, by[1]),
        step(BPF_LDX | BPF_MEM, 0),
        step(BPF_ALU | BPF_ADD | BPF_X, 0),
        step(BPF_ST, 0),
    ]
}

/// Returns the steps that add the last words of a connection ID to the first cell. It has its
/// length in A, and ends at offset 6 + A.
fn last_words(by: [u32; 3]) -> Vec<sock_filter> {
    let mut steps = vec![
        step(BPF_ALU | BPF_SUB | BPF_K, 6),
        step(BPF_MISC | BPF_TAX, 0),
    ];
    for (cell, by) in (1..).zip(by) {
        steps.extend([
            step(BPF_LD | BPF_W | BPF_IND, 4 * (cell - 1)),
            step(BPF_ALU | BPF_MUL | BPF_K, by),
            step(BPF_ST, cell),
        ]);
    }
    steps.push(step(BPF_LD | BPF_MEM, 0));
    for cell in 1..=3 {
        steps.extend([
            step(BPF_LDX | BPF_MEM, cell),
            step(BPF_ALU | BPF_ADD | BPF_X, 0),
        ]);
    }
    steps.push(step(BPF_ST, 0));
    steps
}

/// Returns the steps that make a shard of the sum in the first cell.
fn end(steering: &Steering) -> [sock_filter; 5] {
    [
        step(BPF_LD | BPF_MEM, 0),
        step(BPF_ALU | BPF_RSH | BPF_K, 16),
        step(BPF_ALU | BPF_MUL | BPF_K, steering.shards() as u32),
        step(BPF_ALU | BPF_RSH | BPF_K, 16),
        step(BPF_RET | BPF_A, 0),
    ]
}
