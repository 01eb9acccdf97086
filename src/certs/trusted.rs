//! Which authorities the API server has to trust, and whether it has been told: the one who changes the certificate and
//! those who write bundles meet here. No I/O.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::bundle;

/// How long the API server may take to hear of a bundle that was written.
const HEARD: Duration = Duration::from_secs(3);

/// What is known of one object that names authorities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing yet.
    Unknown,
    /// There is nothing to be told: no such object, or no authority to name.
    Nothing,
    /// It names these.
    Has {
        /// The bundle.
        bundle: Arc<str>,
        /// Since when, if it had another one before.
        since: Option<Instant>,
    },
}

type Places = BTreeMap<u64, Place>;

/// The authorities that the API server has to trust, as PEM, for those who see to it.
#[derive(Clone, Debug)]
pub struct Trusted {
    wanted: watch::Receiver<Arc<str>>,
    places: watch::Sender<Places>,
}

/// Says which authorities have to be trusted.
#[derive(Debug)]
pub(super) struct Announcer(watch::Sender<Arc<str>>);

impl Announcer {
    pub(super) fn announce(&self, authorities: &str) {
        self.0.send_if_modified(|present| {
            let changed = &**present != authorities;
            if changed {
                *present = Arc::from(authorities);
            }
            changed
        });
    }
}

/// One object's line in the list of places. Dropping it takes the line out.
#[derive(Debug)]
pub(super) struct Line {
    number: u64,
    places: watch::Sender<Places>,
}

impl Line {
    /// There is nothing to be told.
    pub(super) fn nothing(&self) {
        self.write(|_| Place::Nothing);
    }

    /// The object has this bundle now. `anew` says that it was written just now in place of another.
    pub(super) fn has(&self, bundle: &str, anew: bool) {
        self.write(|place| {
            let since = match place {
                Place::Has { bundle: present, since } if **present == *bundle && !anew => *since,
                Place::Has { .. } => Some(Instant::now()),
                Place::Unknown | Place::Nothing => anew.then(Instant::now),
            };
            Place::Has { bundle: Arc::from(bundle), since }
        });
    }

    fn write(&self, new: impl FnOnce(&Place) -> Place) {
        self.places.send_if_modified(|places| {
            let place = places.entry(self.number).or_insert(Place::Unknown);
            let new = new(place);
            let changed = *place != new;
            *place = new;
            changed
        });
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.places.send_modify(|places| drop(places.remove(&self.number)));
    }
}

/// Begins with these authorities.
pub(super) fn announce(authorities: &str) -> (Announcer, Trusted) {
    let (sender, wanted) = watch::channel(Arc::from(authorities));
    (Announcer(sender), Trusted { wanted, places: watch::Sender::default() })
}

impl Trusted {
    /// All of them, the newest first; empty where the certificates come without their authority.
    pub fn authorities(&mut self) -> Arc<str> {
        Arc::clone(&self.wanted.borrow_and_update())
    }

    /// Ends when they have changed, and never once nobody can change them any more.
    pub async fn changed(&mut self) {
        if self.wanted.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// A line for another object.
    pub(super) fn line(&self) -> Line {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let line = Line { number: NEXT.fetch_add(1, Ordering::Relaxed), places: self.places.clone() };
        line.places.send_modify(|places| drop(places.insert(line.number, Place::Unknown)));
        line
    }

    /// Waits until each object names `authorities`, and the API server has had the time to hear of it; false if that is
    /// not so within `limit`.
    pub async fn settled(&self, authorities: &str, limit: Duration) -> bool {
        let mut places = self.places.subscribe();
        let told = |place: &Place| match place {
            Place::Unknown => false,
            Place::Nothing => true,
            Place::Has { bundle, .. } => bundle::has_all(bundle, authorities),
        };
        let last = {
            let since = |place: &Place| if let Place::Has { since, .. } = place { *since } else { None };
            match timeout(limit, places.wait_for(|places| places.values().all(told))).await {
                Ok(Ok(places)) => places.values().filter_map(since).max(),
                Ok(Err(_)) | Err(_) => return false,
            }
        };
        if let Some(last) = last {
            tokio::time::sleep_until(last + HEARD).await;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::*;
    use crate::certs::authority::Pair;

    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn it_is_settled_when_every_object_has_them() {
        let authority = || Pair::make(&["localhost".to_owned()], Utc::now()).unwrap().ca;
        let (old, new) = (authority(), authority());
        let (announcer, trusted) = announce(&old);
        assert!(trusted.settled(&old, LIMIT).await, "there is nobody to wait for");
        let (one, two) = (trusted.line(), trusted.line());
        assert!(!trusted.settled(&old, LIMIT).await);
        one.has(&old, false);
        two.nothing();
        assert!(trusted.settled(&old, LIMIT).await);

        announcer.announce(&new);
        assert!(!trusted.settled(&new, LIMIT).await);
        let begin = Instant::now();
        let wait = trusted.settled(&new, LIMIT);
        let write = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            one.has(&format!("{new}{old}"), true);
            // Looked at again, it is the same.
            one.has(&format!("{new}{old}"), false);
        };
        assert!(tokio::join!(wait, write).0);
        assert_eq!(begin.elapsed(), Duration::from_secs(1) + HEARD);
        // Another replica's work counts as well.
        tokio::time::sleep(HEARD).await;
        one.has(&new, false);
        let begin = Instant::now();
        assert!(trusted.settled(&new, LIMIT).await);
        assert_eq!(begin.elapsed(), HEARD);
        drop((one, two));
        assert!(trusted.settled("", LIMIT).await);
    }
}
