//! The memory and the processor time of a process group.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ebb_tests::process;

/// All its processes together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Resident memory, in kilobytes.
    pub(crate) resident_kb: u64,
    /// The most of it that each process ever had, in kilobytes.
    pub(crate) peak_kb: u64,
    /// The time on processors so far.
    pub(crate) cpu: Duration,
}

/// The present usage of a process group.
pub(crate) fn of_group(group: u32) -> Result<Usage> {
    let mut sum = Usage::default();
    let mut members = 0;
    for entry in std::fs::read_dir("/proc").context("cannot read /proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process that ends meanwhile is none of the group's any more.
        if process::group_of(pid).ok() != Some(group) {
            continue;
        }
        let (Ok(resident_kb), Ok(peak_kb), Ok(cpu)) =
            (process::resident_kb(pid), process::peak_kb(pid), process::cpu_time(pid))
        else {
            continue;
        };
        members += 1;
        sum = Usage { resident_kb: sum.resident_kb + resident_kb, peak_kb: sum.peak_kb + peak_kb, cpu: sum.cpu + cpu };
    }
    ensure!(members > 0, "process group {group} has no processes");
    Ok(sum)
}

/// How much of one processor was used in a span, in percent.
pub(crate) fn percent(before: Usage, after: Usage, span: Duration) -> f64 {
    after.cpu.saturating_sub(before.cpu).as_secs_f64() / span.as_secs_f64() * 100.0
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[tokio::test]
    async fn all_processes_of_a_group_count() {
        let script = "sleep 60 & sleep 60 & echo started; wait";
        let mut child =
            Command::new("sh").args(["-c", script]).process_group(0).stdout(Stdio::piped()).spawn().unwrap();
        std::io::Read::read(child.stdout.as_mut().unwrap(), &mut [0; 8]).unwrap();
        let (group, first) = (of_group(child.id()).unwrap(), process::resident_kb(child.id()).unwrap());
        assert!(group.resident_kb > first && group.peak_kb >= group.resident_kb, "{group:?}, {first} kB");
        process::signal_group(child.id(), "KILL").unwrap();
        child.wait().unwrap();
        // Nobody waits for the other two: on a busy machine they end a moment later.
        let mut ended = false;
        for _ in 0..500 {
            ended = of_group(child.id()).is_err();
            if ended {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(ended, "the group has processes after five seconds");
    }

    #[test]
    fn a_share_is_of_one_processor() {
        let usage = |cpu| Usage { cpu: Duration::from_millis(cpu), ..Usage::default() };
        let share = percent(usage(1000), usage(2500), Duration::from_secs(10));
        assert!((share - 15.0).abs() < 1e-9, "{share}");
    }
}
