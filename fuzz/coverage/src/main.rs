//! libFuzzer on one target of qecho-fuzz; `cargo xtask fuzz TARGET` builds and runs it.

#![no_main]

use std::{env, fs, path::PathBuf, sync::LazyLock};

use qecho_fuzz::Target;

/// The target that `QECHO_FUZZ_TARGET` names.
static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = env::var("QECHO_FUZZ_TARGET").expect("QECHO_FUZZ_TARGET names a target");
    Target::named(&name).expect("there is a target of this name")
});

/// Writes the inputs to begin with into the folder that libFuzzer reads.
fn write_corpus() {
    let folder = env::var_os("QECHO_FUZZ_CORPUS").expect("QECHO_FUZZ_CORPUS names a folder");
    for (number, input) in TARGET.corpus().iter().enumerate() {
        let file = PathBuf::from(&folder).join(format!("sample-{number}"));
        fs::write(file, input).expect("the corpus can be written");
    }
}

libfuzzer_sys::fuzz_target!(
    init: write_corpus(),
    |input: &[u8]| (TARGET.run)(input)
);
