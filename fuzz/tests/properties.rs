//! Every target holds on its corpus, and for some seconds on inputs that are new each time.

use std::{
    env,
    time::{Duration, Instant},
};

use qecho_fuzz::{TARGETS, Target, mutation::mutated};
use qecho_testkit::seed::ShowsSeed;
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// Time for the new inputs of one target.
const TIME: Duration = Duration::from_secs(3);

/// Name of the variable that repeats the input of a seed that was shown.
const SEED: &str = "QECHO_FUZZ_SEED";

/// Runs a target on its corpus, then on new inputs, each with a seed of its own.
#[expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "new inputs are made until time is over, and a reader wants to know how many"
)]
fn holds(name: &str) {
    let target = Target::named(name).expect("tests name targets that exist");
    let corpus = target.corpus();
    for input in &corpus {
        (target.run)(input);
    }
    let try_seed = |seed| {
        let _shows_seed = ShowsSeed(seed);
        let mut random = StdRng::seed_from_u64(seed);
        let [one, other] = [(); 2].map(|()| random.random_range(0..corpus.len()));
        (target.run)(&mutated(&corpus[one], &corpus[other], &mut random));
    };
    if let Ok(seed) = env::var(SEED) {
        return try_seed(seed.parse().expect("the seed is a number"));
    }
    let first: u64 = rand::random();
    let end = Instant::now() + TIME;
    let mut seed = first;
    while Instant::now() < end {
        try_seed(seed);
        seed = seed.wrapping_add(1);
    }
    println!(
        "{name}: {} inputs from seed {first}",
        seed.wrapping_sub(first)
    );
}

macro_rules! targets {
    ($($test:ident $name:literal,)*) => {
        $(#[test]
        fn $test() {
            holds($name);
        })*

        #[test]
        fn every_target_is_run() {
            let run = [$($name),*];
            let all: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(all, run);
        }
    };
}

targets! {
    any_datagram_is_read_as_packets_within_it "packets",
    any_payload_is_read_as_frames_within_it "frames",
    any_bytes_are_read_as_transport_parameters "parameters",
    any_file_is_read_as_a_capture "captures",
    any_datagrams_are_dissected "dissector",
    any_text_is_read_as_a_key_log "key-log",
    any_file_is_read_as_a_report "report",
    any_text_is_read_as_conditions_within_their_limits "relay_conditions",
    any_opening_gets_at_most_three_times_its_bytes "handshake",
    any_bytes_are_read_as_tls_messages "tls",
    any_forged_packets_leave_other_clients_their_echo "connection",
}
