//! The command line, as the program describes it itself.

use std::fmt::Write as _;

use clap::{Arg, Command};

use super::{cell, title};

/// The page of the command line.
pub(super) fn page(command: &mut Command) -> String {
    command.build();
    let mut page = title("Command line");
    page.push_str(
        "`ebb COMMAND --help` shows the same. A variable gives an option that the command line does not give.\n\n",
    );
    page.push_str("| command | |\n|---|---|\n");
    let commands = || command.get_subcommands().filter(|command| command.get_name() != "help");
    for command in commands() {
        let name = command.get_name();
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(page, "| [`ebb {name}`](#ebb-{name}) | {} |", cell(&about));
    }
    for command in commands() {
        add_command(command, &mut page);
    }
    page
}

fn add_command(command: &Command, page: &mut String) {
    let name = command.get_name();
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let _ = write!(page, "\n## ebb {name}\n\n{}\n\n", about.trim());
    // clap's own are the same for all commands, and KEDA's without an effect are hidden.
    let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set());
    let arguments: Vec<_> =
        arguments.filter(|argument| !["help", "version"].contains(&argument.get_id().as_str())).collect();
    if name == "run" {
        page.push_str("[Settings](../settings.md) describes these options in full, and those of KEDA.\n\n");
    }
    page.push_str("| option | variable | default | |\n|---|---|---|---|\n");
    for argument in arguments {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} |",
            option(argument),
            variable(argument),
            default(argument),
            help(argument)
        );
    }
    if let Some(text) = command.get_after_help() {
        let text = text.to_string();
        page.push('\n');
        for line in text.trim_end().lines() {
            let _ = writeln!(page, "{}", format!("    {line}").trim_end());
        }
    }
}

/// The option with its value, such as `--at RFC3339`.
fn option(argument: &Arg) -> String {
    let values = argument.get_value_names().into_iter().flatten().map(std::string::ToString::to_string);
    let values: Vec<_> = values.filter(|_| argument.get_action().takes_values()).collect();
    let name = match (argument.get_long(), argument.get_short()) {
        (Some(long), Some(short)) => format!("-{short}, --{long}"),
        (Some(long), None) => format!("--{long}"),
        (None, Some(short)) => format!("-{short}"),
        (None, None) => String::new(),
    };
    let parts: Vec<_> = [name].into_iter().filter(|name| !name.is_empty()).chain(values).collect();
    format!("`{}`", parts.join(" "))
}

fn variable(argument: &Arg) -> String {
    argument.get_env().map(|name| format!("`{}`", name.to_string_lossy())).unwrap_or_default()
}

fn default(argument: &Arg) -> String {
    let values = argument.get_default_values().iter().map(|value| value.to_string_lossy());
    let values: Vec<_> = values.filter(|value| !value.is_empty()).map(|value| format!("`{value}`")).collect();
    if argument.is_hide_default_value_set() || !argument.get_action().takes_values() {
        String::new()
    } else {
        values.join(", ")
    }
}

fn help(argument: &Arg) -> String {
    let text = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
    // Words in angle brackets would be HTML.
    cell(&text.replace('<', "&lt;"))
}
