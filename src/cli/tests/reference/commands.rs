//! The command line as a page.

use std::collections::BTreeMap;

use clap::{Arg, Command};

use super::Table;
use crate::cli::exit::Exit;

/// Exit codes, options of every command, and each command with its arguments.
pub(super) fn page(mut root: Command) -> String {
    root.build();
    let mut text = "## Exit codes\n\n".to_owned();
    let mut codes = Table::new(&["code", "meaning"]);
    for exit in Exit::ALL {
        codes.row(&[&(exit as u8).to_string(), exit.meaning()]);
    }
    text.push_str(&codes.text());
    text.push_str("\n## Options of every command\n\n");
    let mut shared = BTreeMap::new();
    global_options(&root, &mut shared);
    text.push_str(&options(shared.values().copied()));
    commands(&root, &mut text);
    text
}

fn global_options<'a>(command: &'a Command, found: &mut BTreeMap<String, &'a Arg>) {
    for argument in command.get_arguments().filter(|argument| argument.is_global_set()) {
        found.entry(argument.get_id().to_string()).or_insert(argument);
    }
    command.get_subcommands().for_each(|inner| global_options(inner, found));
}

/// The commands below `command`, each with a heading.
fn commands(command: &Command, text: &mut String) {
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        let name = inner.get_bin_name().unwrap_or_else(|| inner.get_name());
        let about = inner.get_long_about().or_else(|| inner.get_about());
        let about = about.map(ToString::to_string).unwrap_or_default();
        text.push_str(&format!("\n## {name}\n\n{}\n", wrapped(&about)));
        if inner.has_subcommands() {
            commands(inner, text);
            continue;
        }
        let usage = inner.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ").split_whitespace().collect::<Vec<_>>().join(" ");
        text.push_str(&format!("\n    {usage}\n"));
        let own = |argument: &&Arg| !argument.is_global_set() && !argument.is_hide_set();
        let own: Vec<_> = inner.get_arguments().filter(own).collect();
        if !own.iter().all(|argument| is_help(argument)) {
            text.push_str(&format!("\n{}", options(own.into_iter())));
        }
    }
}

fn options<'a>(arguments: impl Iterator<Item = &'a Arg>) -> String {
    let mut table = Table::new(&["argument", "meaning"]);
    for argument in arguments.filter(|argument| !is_help(argument)) {
        table.row(&[&format!("`{}`", spelled(argument)), &meaning(argument)]);
    }
    table.text()
}

fn is_help(argument: &Arg) -> bool {
    ["help", "version"].contains(&argument.get_id().as_str())
}

/// `--ward WARD`, `-o`, `CN`.
fn spelled(argument: &Arg) -> String {
    let takes_value = argument.get_num_args().is_none_or(|count| count.takes_values());
    let names = argument.get_value_names().unwrap_or_default();
    let values = names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let name = match (argument.get_long(), argument.get_short()) {
        (Some(long), _) => format!("--{long}"),
        (None, Some(short)) => format!("-{short}"),
        (None, None) => return values,
    };
    if takes_value && !values.is_empty() { format!("{name} {values}") } else { name }
}

fn meaning(argument: &Arg) -> String {
    let help = argument.get_long_help().or_else(|| argument.get_help());
    let mut text = help.map(ToString::to_string).unwrap_or_default();
    let is_flag = !argument.get_num_args().is_none_or(|count| count.takes_values());
    let values: Vec<_> = argument.get_possible_values();
    if !is_flag && !values.is_empty() {
        let values: Vec<_> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
        text.push_str(&format!("; one of {}", values.join(", ")));
    }
    let defaults = argument.get_default_values();
    if !is_flag && !defaults.is_empty() {
        let defaults: Vec<_> =
            defaults.iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
        text.push_str(&format!("; default {}", defaults.join(", ")));
    }
    if let Some(variable) = argument.get_env() {
        text.push_str(&format!("; or the variable `{}`", variable.to_string_lossy()));
    }
    text
}

/// Paragraphs at the width of the documentation.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for paragraph in text.split("\n\n") {
        for word in paragraph.split_whitespace() {
            let line = lines.last_mut().unwrap();
            if line.chars().count() + 1 + word.chars().count() > WIDTH {
                lines.push(word.to_owned());
            } else {
                let blank = if line.is_empty() { "" } else { " " };
                line.push_str(&format!("{blank}{word}"));
            }
        }
        lines.extend([String::new(), String::new()]);
    }
    lines.join("\n").trim_end().to_owned()
}

const WIDTH: usize = 110;
