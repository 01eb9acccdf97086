//! The input of `ebb explain`.

use std::path::PathBuf;

use clap::ValueEnum;

/// The input of `ebb explain`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  ebb explain so/my-app-scaler -n shop
  ebb explain my-app-scaler -n shop --watch
  ebb explain my-app-scaler -n shop -o json
  ebb explain my-app-scaler -n shop --compare

It shows the replicas and their driver, each trigger's value and target, the limit that holds the count and its end, the next
change, problems, and the last decisions. Without the right to read scalingdecisions it explains from the status, the HPA
and the triggers alone, with a note.")]
pub struct Explain {
    /// The ScaledObject: my-app-scaler, so/my-app-scaler or scaledobject/my-app-scaler.
    #[arg(value_name = "NAME", value_parser = name)]
    pub name: String,
    /// Its namespace. Default: that of the kubeconfig.
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// The format.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: Format,
    /// Show the replicas of the last hour beside those that Ebb, which only observes, would have set.
    #[arg(long)]
    pub compare: bool,
    /// Show it again whenever something changes, until Ctrl-C.
    #[arg(short, long)]
    pub watch: bool,
    /// A kubeconfig file. Default: the variable KUBECONFIG, or ~/.kube/config, or the pod's service account.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig. Default: its current one.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

/// A format of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The name without the kind that kubectl's users write before it.
fn name(text: &str) -> Result<String, String> {
    let kinds = ["so", "scaledobject", "scaledobjects", "scaledobjects.keda.sh", "scaledobject.keda.sh"];
    let name = match text.split_once('/') {
        None => text,
        Some((kind, name)) if kinds.contains(&kind.to_ascii_lowercase().as_str()) => name,
        Some((kind, _)) => return Err(format!("{kind:?} is no ScaledObject: write so/NAME")),
    };
    if name.is_empty() { Err("the name is empty".to_owned()) } else { Ok(name.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn a_name_may_have_its_kind_before_it() {
        for text in ["app", "so/app", "scaledobject/app", "ScaledObject/app", "scaledobjects.keda.sh/app"] {
            assert_eq!(name(text).as_deref(), Ok("app"), "{text}");
        }
        for text in ["deployment/app", "so/", ""] {
            assert!(name(text).is_err(), "{text}");
        }
    }
}
