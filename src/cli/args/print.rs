//! The input of the commands that print a file about Ebb itself: `ebb completions` and `ebb schema`.

use clap::ValueEnum;
use clap_complete::Shell;

/// The input of `ebb completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  source <(ebb completions bash)                                       # for this shell
  ebb completions bash > /etc/bash_completion.d/ebb                    # for every shell
  ebb completions zsh > \"${fpath[1]}/_ebb\"
  ebb completions fish > ~/.config/fish/completions/ebb.fish")]
pub struct Completions {
    /// The shell.
    #[arg(value_enum)]
    pub shell: CompletionShell,
}

/// A shell that there are completions for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CompletionShell {
    /// GNU bash.
    Bash,
    /// The Z shell.
    Zsh,
    /// fish.
    Fish,
}

impl From<CompletionShell> for Shell {
    fn from(shell: CompletionShell) -> Self {
        match shell {
            CompletionShell::Bash => Self::Bash,
            CompletionShell::Zsh => Self::Zsh,
            CompletionShell::Fish => Self::Fish,
        }
    }
}

/// The input of `ebb schema`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ebb schema > scaledobject.json
  ebb schema TriggerAuthentication > triggerauthentication.json

An editor with yaml-language-server uses a schema if the first line of the file names it:
  # yaml-language-server: $schema=scaledobject.json")]
pub struct Schema {
    /// The kind.
    #[arg(value_enum, default_value_t = SchemaKind::ScaledObject, ignore_case = true)]
    pub kind: SchemaKind,
}

/// A kind that there is a schema for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// With the parameters of each type of trigger.
    #[value(name = "ScaledObject")]
    ScaledObject,
    /// The authentication of a namespace.
    #[value(name = "TriggerAuthentication")]
    TriggerAuthentication,
    /// The authentication of the cluster.
    #[value(name = "ClusterTriggerAuthentication")]
    ClusterTriggerAuthentication,
}

impl SchemaKind {
    /// The kind, as in a manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ScaledObject => "ScaledObject",
            Self::TriggerAuthentication => "TriggerAuthentication",
            Self::ClusterTriggerAuthentication => "ClusterTriggerAuthentication",
        }
    }
}
