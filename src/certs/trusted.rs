//! The authorities that the API server must trust, and whether the objects name them already. The part that replaces
//! the certificate and the parts that write bundles meet here. No I/O.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::bundle;

/// The time after which the API server has noticed a new bundle.
const HEARD: Duration = Duration::from_secs(3);

/// The state of one object that names authorities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Not known yet.
    Unknown,
    /// There is nothing to write: the object does not exist, or there is no authority.
    Nothing,
    /// The object names these authorities.
    Has {
        /// The bundle.
        bundle: Arc<str>,
        /// The time of the change, if it had another bundle before.
        since: Option<Instant>,
    },
}

type Places = BTreeMap<u64, Place>;

/// The authorities that the API server must trust, as PEM, for the parts that write bundles.
#[derive(Clone, Debug)]
pub struct Trusted {
    wanted: watch::Receiver<Arc<str>>,
    places: watch::Sender<Places>,
}

/// Sets the authorities that the API server must trust.
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

/// The entry of one object in the list. Dropping it removes the entry.
#[derive(Debug)]
pub(super) struct Line {
    number: u64,
    places: watch::Sender<Places>,
}

impl Line {
    /// There is nothing to write.
    pub(super) fn nothing(&self) {
        self.write(|_| Place::Nothing);
    }

    /// The object has this bundle now. `anew` means that the bundle has just replaced another one.
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

/// Starts with these authorities.
pub(super) fn announce(authorities: &str) -> (Announcer, Trusted) {
    let (sender, wanted) = watch::channel(Arc::from(authorities));
    (Announcer(sender), Trusted { wanted, places: watch::Sender::default() })
}

impl Trusted {
    /// All authorities, the newest first; empty if the certificates have no authority.
    pub fn authorities(&mut self) -> Arc<str> {
        Arc::clone(&self.wanted.borrow_and_update())
    }

    /// The authorities at present. A change of them is still news for [`Trusted::changed`].
    pub fn present(&self) -> Arc<str> {
        Arc::clone(&self.wanted.borrow())
    }

    /// Resolves when the authorities have changed. Never resolves once nothing can change them any more.
    pub async fn changed(&mut self) {
        if self.wanted.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// An entry for another object.
    pub(super) fn line(&self) -> Line {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let line = Line { number: NEXT.fetch_add(1, Ordering::Relaxed), places: self.places.clone() };
        line.places.send_modify(|places| drop(places.insert(line.number, Place::Unknown)));
        line
    }

    /// Waits until each object names `authorities` and the API server has noticed them; false if that takes longer than
    /// `limit`.
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
            // Another check gives the same result.
            one.has(&format!("{new}{old}"), false);
        };
        assert!(tokio::join!(wait, write).0);
        assert_eq!(begin.elapsed(), Duration::from_secs(1) + HEARD);
        // A bundle that another replica wrote counts, too.
        tokio::time::sleep(HEARD).await;
        one.has(&new, false);
        let begin = Instant::now();
        assert!(trusted.settled(&new, LIMIT).await);
        assert_eq!(begin.elapsed(), HEARD);
        drop((one, two));
        assert!(trusted.settled("", LIMIT).await);
    }
}
