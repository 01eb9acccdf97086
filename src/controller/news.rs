//! Which events of the watch on ScaledObjects call for a pass.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use kube::Resource as _;
use kube::runtime::watcher::Event;

use crate::kept::Kept;

/// What was last seen of each ScaledObject, as digests: there may be many, and their names are long. Beside each is whether it
/// had Ebb's finalizer and label: their coming is Ebb's own doing, and their going somebody else's.
#[derive(Debug, Default)]
pub(super) struct News {
    seen: HashMap<u64, (u64, bool)>,
    /// What was seen before the list that is under way.
    before: HashMap<u64, (u64, bool)>,
    seed: RandomState,
}

impl News {
    /// Whether the event is about a ScaledObject that is new, or is another now in what a pass depends on.
    pub(super) fn is_in(&mut self, event: &Event<Kept>) -> bool {
        match event {
            Event::Init => {
                // A list that broke off has told of some only.
                let seen = std::mem::take(&mut self.seen);
                self.before.extend(seen);
                false
            }
            Event::InitDone => {
                self.before = HashMap::new();
                false
            }
            Event::InitApply(object) => {
                let which = self.which(object);
                let before = self.before.get(&which).copied();
                differs(self.seen.insert(which, (object.digest, object.marked)).or(before), object)
            }
            Event::Apply(object) => {
                differs(self.seen.insert(self.which(object), (object.digest, object.marked)), object)
            }
            Event::Delete(object) => {
                self.seen.remove(&self.which(object));
                false
            }
        }
    }

    fn which(&self, object: &Kept) -> u64 {
        self.seed.hash_one((&object.meta().namespace, &object.meta().name))
    }
}

fn differs(before: Option<(u64, bool)>, now: &Kept) -> bool {
    before.is_none_or(|(digest, marked)| digest != now.digest || (marked && !now.marked))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(name: &str, generation: i64) -> Kept {
        let object = json!({
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": {"name": name, "generation": generation},
            "spec": {"scaleTargetRef": {"name": "app"}, "triggers": []},
        });
        Kept::new(&serde_json::from_value(object).unwrap()).unwrap()
    }

    #[test]
    fn the_same_once_more_is_no_news() {
        let mut news = News::default();
        assert!(news.is_in(&Event::Apply(object("app", 1))));
        assert!(!news.is_in(&Event::Apply(object("app", 1))));
        assert!(news.is_in(&Event::Apply(object("app", 2))));
        news.is_in(&Event::Delete(object("app", 2)));
        assert!(news.is_in(&Event::Apply(object("app", 2))), "it was made again");
    }

    #[test]
    fn marks_that_go_are_news_and_marks_that_come_are_not() {
        let mut news = News::default();
        let with_marks = |marked| {
            let mut object = object("app", 1);
            object.marked = marked;
            object
        };
        news.is_in(&Event::Apply(with_marks(false)));
        assert!(!news.is_in(&Event::Apply(with_marks(true))));
        assert!(news.is_in(&Event::Apply(with_marks(false))));
        news.is_in(&Event::Apply(with_marks(true)));
        news.is_in(&Event::Init);
        assert!(news.is_in(&Event::InitApply(with_marks(false))), "they went while the watch was away");
    }

    #[test]
    fn a_list_is_news_only_where_it_differs() {
        let mut news = News::default();
        for name in ["stays", "changes", "goes"] {
            assert!(news.is_in(&Event::Apply(object(name, 1))), "{name}");
        }
        news.is_in(&Event::Init);
        assert!(!news.is_in(&Event::InitApply(object("stays", 1))));
        // It broke off, and begins anew.
        news.is_in(&Event::Init);
        assert!(!news.is_in(&Event::InitApply(object("stays", 1))));
        assert!(news.is_in(&Event::InitApply(object("changes", 2))));
        assert!(news.is_in(&Event::InitApply(object("comes", 1))));
        news.is_in(&Event::InitDone);
        assert!(!news.is_in(&Event::Apply(object("stays", 1))));
        assert_eq!(news.seen.len(), 3, "what has gone is forgotten");
    }
}
