//! `ebb completions`: the script with which a shell completes commands and flags after `ebb`.

use std::io::{self, Write};

use clap_complete::Shell;

use crate::cli::args::{self, Completions};

/// Writes the completions for the shell that `question` names.
///
/// # Errors
/// `output` cannot be written. A reader that has seen enough is no error.
pub fn run(question: &Completions, mut output: impl Write) -> io::Result<()> {
    // clap_complete panics where it cannot write.
    let mut text = Vec::new();
    clap_complete::generate(Shell::from(question.shell), &mut args::command(), "ebb", &mut text);
    match output.write_all(&text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::cli::args::CompletionShell;

    fn text(shell: CompletionShell) -> String {
        let mut text = Vec::new();
        run(&Completions { shell }, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    /// The words that bash offers for the last of `words`.
    fn offered(words: &[&str]) -> Vec<String> {
        let script = format!(
            "{}\nCOMP_WORDS=({}); COMP_CWORD={}\n_ebb ebb \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
            text(CompletionShell::Bash),
            words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
            words.len() - 1,
        );
        let output = Command::new("bash").args(["--norc", "-c", &script]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().lines().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn bash_offers_commands_flags_and_values() {
        assert_eq!(offered(&["ebb", "ch"]), ["check"]);
        assert_eq!(offered(&["ebb", "uninstall", "--pur"]), ["--purge"]);
        assert_eq!(offered(&["ebb", "run", "--leader-election-renew"]), ["--leader-election-renew-deadline"]);
        assert_eq!(offered(&["ebb", "completions", "f"]), ["fish"]);
        assert_eq!(offered(&["ebb", "schema", "Cl"]), ["ClusterTriggerAuthentication"]);
    }

    #[test]
    fn each_shell_has_every_command() {
        for shell in [CompletionShell::Bash, CompletionShell::Zsh, CompletionShell::Fish] {
            let text = text(shell);
            for command in args::command().get_subcommands() {
                assert!(text.contains(command.get_name()), "{shell:?} lacks {}", command.get_name());
            }
        }
    }
}
