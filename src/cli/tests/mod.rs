use super::*;

mod reference;

#[test]
fn the_command_line_is_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn wrong_usage_exits_with_64_and_help_with_0() {
    let run = |words: &[&str]| run(words.iter().map(OsString::from));
    assert_eq!(run(&["pcd-platform", "levitate"]), Exit::Usage);
    assert_eq!(run(&["pcd-platform"]), Exit::Usage);
    assert_eq!(run(&["pcd-platform", "--version"]), Exit::Done);
}
