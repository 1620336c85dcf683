//! What one connection can make the echo server keep, in bytes that a
//! counting allocator has seen.

mod bounds;
#[path = "../../../qecho-engine/tests/hostile/counting.rs"]
mod counting;
mod dissector;
#[path = "../../../qecho-engine/tests/hostile/failing_seed.rs"]
mod failing_seed;
#[path = "../../../qecho-engine/tests/hostile/identity.rs"]
mod identity;
#[path = "../simulation/load.rs"]
#[expect(dead_code, reason = "the simulation uses more of it")]
mod load;
#[path = "../simulation/scenario.rs"]
#[expect(dead_code, reason = "the simulation uses more of it")]
mod scenario;
#[path = "../simulation/stream.rs"]
#[expect(dead_code, reason = "the simulation uses more of it")]
mod stream;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;
