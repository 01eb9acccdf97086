//! Child processes: free ports, signals by pid, and the tether that ends a child whose parent was killed.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

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

/// Kills a process when this process ends without having let go of it, however it ends.
///
/// A shell of its own waits on a pipe that only this process holds: end of file means that it is gone. Dropping the
/// tether releases the process instead.
#[derive(Debug)]
pub struct Tether(Child);

impl Tether {
    /// Ties the process with this pid to the life of this one.
    pub fn to(pid: u32) -> Result<Self> {
        let shell = Command::new("sh")
            .args(["-c", "read -r released || kill -s KILL \"$0\"", &pid.to_string()])
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
