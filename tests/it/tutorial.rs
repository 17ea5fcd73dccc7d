//! The tutorial's own commands, with this program. On a clean Debian, typed and with a browser:
//! `tests/deploy/tutorial`.

use crate::harness::{command_at, finish, on_a_network_of_its_own, program};

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn the_commands_of_the_tutorial_lead_to_a_device_on_the_page() {
    let test = "tutorial::the_commands_of_the_tutorial_lead_to_a_device_on_the_page";
    on_a_network_of_its_own(test, || {
        let mut follow = command_at(&std::path::Path::new(PROJECT).join("tests/peers/tutorial/follow"));
        follow.arg(program()).current_dir(PROJECT).env_remove("PCD_CONFIG");
        let finished = finish(follow, b"", None);
        let held = finished.text().matches("HOLDS ").count();
        assert!(finished.success && held == 2, "{}", finished.text());
    });
}
