//! Several replicas of Ebb, as its Deployment runs them: one external metrics API, and one of them that writes.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::balancer::{Backend, Balancer};
use crate::bed::Bed;
use crate::ebb::{self, Ebb};
use crate::process;

/// The running replicas. Dropping this ends them.
#[derive(Debug)]
pub struct Replicas {
    all: Vec<Ebb>,
    balancer: Balancer,
}

impl Replicas {
    /// Starts `count` replicas with these arguments besides their own, makes the APIService point at all of them, and
    /// waits until all are ready. Each has a token of its own, which distinguishes them in the audit log. Ebb must be
    /// installed, and no other be running.
    pub async fn start(bed: &Bed, count: usize, arguments: &[&str]) -> Result<Self> {
        let mut all = Vec::with_capacity(count);
        for number in 0..count {
            all.push(Ebb::new(bed, &format!("ebb-{number}"), arguments, false).await?);
        }
        let backends = all.iter().map(|ebb| Backend { port: ebb.secure_port, readiness: ebb.readiness() }).collect();
        let balancer = Balancer::start(backends).await?;
        for replica in &all {
            replica.restart().await?;
        }
        let replicas = Self { all, balancer };
        replicas.serve(bed).await?;
        Ok(replicas)
    }

    /// Makes the APIService point at all of them.
    pub async fn serve(&self, bed: &Bed) -> Result<()> {
        ebb::serve_from(bed, self.balancer.port).await
    }

    /// One of them.
    pub fn get(&self, number: usize) -> &Ebb {
        &self.all[number]
    }

    /// All of them.
    pub fn all(&self) -> &[Ebb] {
        &self.all
    }

    /// `kill -9`.
    pub fn kill(&self, number: usize) -> Result<()> {
        self.all[number].kill()
    }

    /// Asks one to end, and waits until it has; gives how long that took.
    pub async fn stop(&self, number: usize) -> Result<Duration> {
        self.all[number].stop().await
    }

    /// Starts one again, and waits until it is ready.
    pub async fn restart(&self, number: usize) -> Result<()> {
        self.all[number].restart().await
    }

    /// Starts one again, whether or not it can become ready at present.
    pub fn launch(&self, number: usize) -> Result<()> {
        self.all[number].launch_again()
    }

    /// SIGSTOP.
    pub fn freeze(&self, number: usize) -> Result<()> {
        process::signal(self.pid(number)?, "STOP")
    }

    /// SIGCONT.
    pub fn thaw(&self, number: usize) -> Result<()> {
        process::signal(self.pid(number)?, "CONT")
    }

    /// The process of one.
    pub fn pid(&self, number: usize) -> Result<u32> {
        self.all[number].pid().with_context(|| format!("replica {number} does not run"))
    }
}
