//! The tutorial's commands, run one after the other as a user would.

use std::fs;
use std::os::unix::fs::symlink;

use anyhow::{Context, Result, ensure};
use ebb_tests::bed::Bed;
use ebb_tests::ebb::{self, Ebb};
use ebb_tests::paths;
use ebb_tests::world::Outcome;
use tokio::process::Command;

use crate::on_cluster;

const PAGE: &str = "docs/tutorials/first-scaledobject.md";

/// The blocks of a page in this language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let begin = format!("```{language}\n");
    let after = page.split(&begin).skip(1);
    after.filter_map(|text| Some(text.split_once("```")?.0.to_owned())).collect()
}

/// Runs all commands in an empty folder. Gives what they printed.
async fn run(bed: &Bed, page: &str) -> Result<String> {
    let folder = paths::work("tmp/tutorial");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("bin"))?;
    symlink(&bed.facts.kubectl, folder.join("bin/kubectl"))?;
    symlink(paths::bin("ebb")?, folder.join("bin/ebb"))?;
    let path = format!("{}:{}", folder.join("bin").display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("bash");
    command.args(["-euxo", "pipefail", "-c", &blocks(page, "sh").concat()]).current_dir(&folder);
    let output = command.env("PATH", path).env("KUBECONFIG", &bed.facts.kubeconfig).output().await?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    ensure!(output.status.success(), "{stderr}\n{stdout}");
    Ok(format!("{stdout}\n{stderr}"))
}

#[test]
fn the_tutorial_does_what_it_says() -> Outcome {
    on_cluster(async |bed| {
        let ebb = Ebb::start(bed, false).await?;
        let page = fs::read_to_string(paths::root().join(PAGE))?;
        let printed = run(bed, &page).await?;
        let expected = blocks(&page, "text");
        ensure!(expected.len() > 2, "{PAGE} shows {} answers", expected.len());
        for line in expected.iter().flat_map(|block| block.lines()) {
            ensure!(printed.contains(line), "{PAGE} promises {line:?}, and this was printed:\n{printed}");
        }
        for named in ["Warning: ", "unknown time zone UCT+1", "KEDAScaleTargetDeactivated", "opens ", "\"value\":\"3\""]
        {
            ensure!(printed.contains(named), "nothing printed {named:?}:\n{printed}");
        }
        ebb.stop().await?;
        let manifest = paths::root().join(ebb::MANIFEST);
        let delete = ["delete", "--wait", "--timeout=90s", "-f", &manifest.to_string_lossy()];
        bed.kubectl().run(&delete).await.map(drop).context("the manifest cannot be deleted")
    })
}
