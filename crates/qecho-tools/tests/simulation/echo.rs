//! Every byte comes back once and in order, however bad the path.

use crate::scenario::{MIB, Scenario};

#[test]
fn echo_survives_ten_percent_loss() {
    Scenario::seeded(7).loss(0.10).echo(MIB).check_all_returned();
}
