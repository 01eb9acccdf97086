//! The input of `ebb ui`.

use std::path::PathBuf;

use crate::kube_api::scope::Namespaces;

/// The input of `ebb ui`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ebb ui
  ebb ui --namespace shop,billing --context production
  ebb ui --export page.html

The page is served on 127.0.0.1 alone, at an address with a random token that opens it. It reads with the rights of your
kubeconfig, and writes nothing to the cluster. --export writes the present state into one file instead, and ends.")]
pub struct Ui {
    /// The namespaces to show, separated by commas. Default: all of them, or the context's where you may not list all.
    #[arg(short, long, default_value = "", hide_default_value = true, value_name = "NAMES", value_parser = Namespaces::parse)]
    pub namespace: Namespaces,
    /// A kubeconfig file. Default: the variable KUBECONFIG, or ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig. Default: its current one.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The port on 127.0.0.1. Default: a free one.
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    pub port: u16,
    /// Write the page with its data into this file, and serve nothing.
    #[arg(long, value_name = "FILE", conflicts_with = "port")]
    pub export: Option<PathBuf>,
}
