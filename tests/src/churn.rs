//! Hundreds of edits in random order, while Ebb is killed or its writes are lost, end in the state that a fresh
//! start gives.
//!
//! Several namespaces, each with its seed, can go through it side by side: they share the kills.

#![allow(clippy::print_stdout)] // The progress of a run of minutes is shown.

mod app;
mod losses;
mod state;

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use futures::future::{join_all, try_join_all};
use serde_json::Value;

use crate::random::Random;
use crate::sandbox::Sandbox;
use crate::workload::deployment;
use crate::world::World;
use app::App;
pub use losses::edit_and_lose;
pub use state::{State, settled};
use state::{lasting, timeless};

/// How much is edited.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// ScaledObjects in a namespace.
    pub apps: usize,
    /// Edits in a namespace.
    pub edits: usize,
    /// Ebb is killed once in each.
    pub rounds: usize,
}

impl Size {
    /// Fifty ScaledObjects, five hundred edits, ten kills.
    pub const FULL: Self = Self { apps: 50, edits: 500, rounds: 10 };
    /// The small form, for `make test`.
    pub const SHORT: Self = Self { apps: 16, edits: 80, rounds: 4 };
}

/// The edits that are under way at once, each of another ScaledObject.
const AT_ONCE: usize = 5;

/// One namespace, and what its user wants.
pub struct Run {
    /// The seed of its edits.
    pub seed: u64,
    /// Its namespace.
    pub user: Sandbox,
    random: Random,
    apps: Vec<App>,
}

impl Run {
    /// A namespace with its ScaledObjects. The queues are the same for all.
    pub async fn begin(world: &World, namespace: &str, seed: u64, size: Size) -> Result<Self> {
        for (queue, messages) in [("churn-full", 25), ("churn-some", 10), ("churn-empty", 0)] {
            world.rabbit.declare(queue).await?;
            world.rabbit.purge(queue).await?;
            world.rabbit.publish(queue, messages).await?;
        }
        let mut random = Random::new(seed);
        let user = world.sandbox(namespace).await?;
        let apps: Vec<App> = (0..size.apps).map(|number| App::new(number, &mut random)).collect();
        let run = Self { seed, user, random, apps };
        run.deploy(world, &run.user, |_| 0).await?;
        Ok(run)
    }

    async fn deploy(&self, world: &World, user: &Sandbox, replicas: impl Fn(&App) -> u64) -> Result<()> {
        let url = world.rabbit.url();
        let target = |app: &App| {
            let replicas = u32::try_from(replicas(app)).unwrap_or(u32::MAX);
            deployment(&app.name, replicas, &[("RABBITMQ_URL", &url)])
        };
        let targets: Vec<Value> = self.apps.iter().map(target).collect();
        try_join_all(targets.iter().map(|target| user.apply(target))).await?;
        try_join_all(self.apps.iter().map(|app| app.apply(user))).await?;
        Ok(())
    }

    /// Makes `edits` edits, some of them at once.
    pub async fn edit(&mut self, edits: usize) -> Result<()> {
        for _ in 0..edits / AT_ONCE {
            let mut chosen = Vec::new();
            while chosen.len() < AT_ONCE {
                let number = self.random.below(self.apps.len());
                if !chosen.contains(&number) {
                    chosen.push(number);
                    self.apps[number].edit(&mut self.random);
                }
            }
            try_join_all(chosen.iter().map(|number| self.apps[*number].apply(&self.user))).await?;
            for number in chosen {
                self.apps[number].again = false;
            }
            tokio::time::sleep(Duration::from_millis(self.random.below(400) as u64)).await;
        }
        Ok(())
    }

    /// How many are served in the end.
    pub fn served(&self) -> usize {
        self.apps.iter().filter(|app| app.is_served()).count()
    }

    /// The differences between the end of the edits, a restart after that, and a namespace that never had anything
    /// else.
    fn differences(&self, edited: &State, restarted: &State, fresh: (&Sandbox, &State)) -> Vec<String> {
        let mut differences = Vec::new();
        let (fresh_user, fresh) = fresh;
        for app in &self.apps {
            let (name, object) = (&app.name, app.object());
            let (edited, restarted, fresh) = (&edited[name], &restarted[name], &fresh[name]);
            let (before, after) = (lasting(app, edited), lasting(app, restarted));
            if before != after {
                differences.push(format!("{name} changed with a restart: {object}\nfrom {before}\nto   {after}"));
            }
            let one = timeless(app, restarted, &self.user.name);
            let other = timeless(app, fresh, &fresh_user.name);
            if one != other {
                differences.push(format!("{name} is not as a fresh one: {object}\nis    {one}\nfresh {other}"));
            }
            let count = |state: &Value| state["hpas"].as_array().map_or(0, Vec::len);
            let most = usize::from(!app.is_paused());
            if count(fresh) != usize::from(app.is_served()) || count(restarted) > most {
                differences
                    .push(format!("{name} has HPAs {} and fresh {}: {object}", restarted["hpas"], fresh["hpas"]));
            }
        }
        differences
    }

    async fn clear(&self) -> Result<()> {
        clear(&self.user).await
    }
}

async fn clear(user: &Sandbox) -> Result<()> {
    user.delete_all("ScaledObject").await?;
    user.delete_all("Deployment").await
}

/// Edits all of `runs` at the same time, and kills Ebb in each round.
pub async fn edit_and_kill(world: &World, runs: &mut [Run], size: Size, seed: u64) -> Result<()> {
    let mut random = Random::new(seed);
    for _ in 0..size.rounds {
        let (before, away) = (random.below(2500), random.below(1500));
        let kill = async {
            tokio::time::sleep(Duration::from_millis(before as u64)).await;
            world.ebb.kill()?;
            tokio::time::sleep(Duration::from_millis(away as u64)).await;
            world.ebb.restart().await
        };
        let edits = async {
            let edits = join_all(runs.iter_mut().map(|run| run.edit(size.edits / size.rounds))).await;
            edits.into_iter().collect::<Result<()>>()
        };
        tokio::try_join!(kill, edits)?;
    }
    Ok(())
}

/// Waits until nothing changes any more, and compares with a restart and with the same ScaledObjects in fresh
/// namespaces.
pub async fn compare(world: &World, runs: &[Run]) -> Result<()> {
    let begin = Instant::now();
    let users: Vec<&Sandbox> = runs.iter().map(|run| &run.user).collect();
    let edited = settled(&users).await?;
    println!("settled after {:.0?}", begin.elapsed());

    world.ebb.stop().await?;
    let mut fresh = Vec::new();
    for (run, edited) in runs.iter().zip(&edited) {
        let user = world.sandbox(&format!("{}-fresh", run.user.name)).await?;
        let replicas = |app: &App| edited[&app.name]["replicas"].as_u64().unwrap_or(0);
        run.deploy(world, &user, |app| if app.keeps_replicas() { replicas(app) } else { 1 }).await?;
        fresh.push(user);
    }
    world.ebb.restart().await?;
    let all: Vec<&Sandbox> = users.iter().copied().chain(&fresh).collect();
    let states = settled(&all).await?;
    println!("settled anew after {:.0?}", begin.elapsed());

    let (restarted, anew) = states.split_at(runs.len());
    let mut differences = Vec::new();
    for (place, run) in runs.iter().enumerate() {
        let found = run.differences(&edited[place], &restarted[place], (&fresh[place], &anew[place]));
        let (served, apps, differ) = (run.served(), run.apps.len(), found.len());
        println!("seed {}: {served} of {apps} are served in the end, {differ} differences", run.seed);
        differences.extend(found.into_iter().map(|text| format!("seed {}: {text}", run.seed)));
        ensure!(served > 0, "nothing is served in the end: the edits show nothing");
    }
    if !differences.is_empty() {
        bail!("{} differences:\n\n{}", differences.len(), differences.join("\n\n"));
    }
    for (run, fresh) in runs.iter().zip(&fresh) {
        run.clear().await?;
        clear(fresh).await?;
    }
    Ok(())
}
