//! Child processes: free ports, signals by pid, and the tether that ends a child whose parent was killed.

use std::collections::HashSet;
use std::io::Write;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// A port of 127.0.0.1 that nobody listens on at this moment.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}

/// Sends a signal, by name, to one process.
pub fn signal(pid: u32, name: &str) -> Result<()> {
    let status = Command::new("kill").args(["-s", name, &pid.to_string()]).stderr(Stdio::null()).status()?;
    ensure!(status.success(), "process {pid} cannot be sent SIG{name}");
    Ok(())
}

/// Sends a signal, by name, to all processes of a process group.
pub fn signal_group(group: u32, name: &str) -> Result<()> {
    let status = Command::new("kill").args(["-s", name, "--", &format!("-{group}")]).stderr(Stdio::null()).status()?;
    ensure!(status.success(), "process group {group} cannot be sent SIG{name}");
    Ok(())
}

/// The memory that a process has in use, in kilobytes (`VmRSS` of `man 5 proc`).
pub fn resident_kb(pid: u32) -> Result<u64> {
    status_kb(pid, "VmRSS:")
}

/// The most memory that a process has had in use so far, in kilobytes (`VmHWM` of `man 5 proc`).
pub fn peak_kb(pid: u32) -> Result<u64> {
    status_kb(pid, "VmHWM:")
}

fn status_kb(pid: u32, key: &str) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)).with_context(|| format!("no {key}"))?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// The time that a process has spent on a processor so far (`utime` and `stime` of `man 5 proc`).
pub fn cpu_time(pid: u32) -> Result<Duration> {
    /// `USER_HZ`, which is 100 on every architecture that Linux runs on today.
    const TICK: Duration = Duration::from_millis(10);
    Ok(TICK * (stat(pid, 14)? + stat(pid, 15)?))
}

/// The process group of a process (`pgrp` of `man 5 proc`).
pub fn group_of(pid: u32) -> Result<u32> {
    stat(pid, 5)
}

/// A number of a process's status, by its place in `man 5 proc`, from the third on.
fn stat(pid: u32, place: usize) -> Result<u32> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    // The second field, the name, may hold spaces; the third comes after its closing bracket.
    let mut fields = stat.rsplit_once(')').context("no name")?.1.split_whitespace();
    fields.nth(place - 3).context("too few fields")?.parse().context("no number")
}

/// How many TCP connections a process has open to a port, on whichever address.
pub fn connections_to(pid: u32, port: u16) -> Result<usize> {
    let sockets = open_sockets(pid)?;
    let mut count = 0;
    for table in ["tcp", "tcp6"] {
        let path = format!("/proc/{pid}/net/{table}");
        let table = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        count += established_to(&table, port).filter(|inode| sockets.contains(inode)).count();
    }
    Ok(count)
}

/// The inodes of a process's sockets.
fn open_sockets(pid: u32) -> Result<HashSet<u64>> {
    let path = format!("/proc/{pid}/fd");
    let files = std::fs::read_dir(&path).with_context(|| format!("cannot read {path}"))?;
    let socket = |file: std::io::Result<std::fs::DirEntry>| {
        let target = std::fs::read_link(file.ok()?.path()).ok()?; // A file that was closed meanwhile is none.
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    Ok(files.filter_map(socket).collect())
}

/// The inodes of the established connections to a remote port, from the kernel's table (`man 5 proc`).
fn established_to(table: &str, port: u16) -> impl Iterator<Item = u64> {
    const ESTABLISHED: &str = "01";
    table.lines().skip(1).filter_map(move |line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, remote_port) = fields.get(2)?.rsplit_once(':')?;
        let fits = u16::from_str_radix(remote_port, 16) == Ok(port) && *fields.get(3)? == ESTABLISHED;
        fits.then(|| fields.get(9)?.parse().ok()).flatten()
    })
}

/// Kills a process when this process ends without having let go of it, however it ends.
///
/// A shell of its own waits on a pipe that only this process holds: end of file means that it is gone. Dropping the
/// tether releases the process instead.
#[derive(Debug)]
pub struct Tether(Child);

impl Tether {
    /// Ties the process with this pid to the life of this one.
    pub fn to(pid: u32) -> Result<Self> {
        Self::tie(&pid.to_string())
    }

    /// Ties all processes of a process group to the life of this one.
    pub fn to_group(group: u32) -> Result<Self> {
        Self::tie(&format!("-{group}"))
    }

    fn tie(target: &str) -> Result<Self> {
        let shell = Command::new("sh")
            .args(["-c", "read -r released || kill -s KILL -- \"$0\"", target])
            .stdin(Stdio::piped())
            .spawn()
            .context("cannot start sh")?;
        Ok(Self(shell))
    }
}

impl Drop for Tether {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.0.stdin.take() {
            let _ = writeln!(pipe, "released");
        }
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // A panic is how a test fails.

    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn memory_and_time_of_a_process_grow_with_what_it_does() {
        let pid = std::process::id();
        let (memory, time) = (resident_kb(pid).unwrap(), cpu_time(pid).unwrap());
        let held = vec![1_u8; 32 << 20];
        while cpu_time(pid).unwrap() < time + Duration::from_millis(50) {
            std::hint::black_box(&held);
        }
        assert!(resident_kb(pid).unwrap() > memory + (16 << 10));
    }

    #[test]
    fn connections_are_counted_by_the_port_they_go_to() {
        let (one, other) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let port = one.local_addr().unwrap().port();
        let connect = |listener: &TcpListener| TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let pid = std::process::id();
        assert_eq!(connections_to(pid, port).unwrap(), 0);
        let kept = [connect(&one), connect(&one), connect(&other)];
        assert_eq!(connections_to(pid, port).unwrap(), 2);
        drop(kept);
        assert_eq!(connections_to(pid, port).unwrap(), 0);
    }
}
