//! The HPAs that do not belong to Ebb, with the workloads that they scale. A watch keeps them up to date.

use std::collections::HashMap;
use std::sync::Arc;

use ebb_crds::{ScaleTarget, names};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use parking_lot::RwLock;

use crate::kube_api::key::Key;
use crate::kube_api::scope::Scope;
use crate::kube_api::watch::{Index, Source, Watches};
use crate::review;

/// The HPAs that do not belong to Ebb.
#[derive(Debug, Default)]
pub struct UnmanagedHpas(RwLock<HashMap<Key, Scaling>>);

/// The workload that an HPA scales.
#[derive(Debug)]
struct Scaling {
    /// Group and kind.
    kind: String,
    name: String,
    /// The ScaledObjects that own the HPA. An HPA that KEDA created still belongs to them after its label is removed.
    owners: Vec<String>,
}

impl UnmanagedHpas {
    /// The name of an HPA that scales this workload and does not belong to the ScaledObject `asking`.
    pub(super) fn scaling(&self, namespace: &str, (kind, name): (&str, &str), asking: &str) -> Option<String> {
        let all = self.0.read();
        let mut found = all.iter().filter(|(hpa, its)| {
            hpa.namespace == namespace
                && its.name == name
                && its.kind == kind
                && !its.owners.iter().any(|owner| owner == asking)
        });
        found.next().map(|(hpa, _)| hpa.name.clone())
    }

    /// Watches the HPAs as long as the process runs.
    pub async fn follow(self: &Arc<Self>, client: &Client, scope: &Scope) {
        let apis: Vec<Api<HorizontalPodAutoscaler>> = scope.apis(client);
        // The HPAs of Ebb have this label, like those of KEDA.
        let config = watcher::Config::default().labels(&format!("!{}", names::SCALED_OBJECT_NAME_LABEL));
        Watches::new(apis, &config).feed(vec![Box::new(Arc::clone(self))]).await;
    }

    /// The workload of an HPA. None if its annotation excludes it from the check.
    pub(super) fn note(&self, hpa: &HorizontalPodAutoscaler) {
        let skipped = hpa.annotations().get(names::HPA_OWNERSHIP_VALIDATION_ANNOTATION).is_some_and(|no| no == "false");
        if skipped {
            self.0.write().remove(&Key::of(hpa));
            return;
        }
        let reference = &hpa.spec.scale_target_ref;
        let target = ScaleTarget {
            name: reference.name.clone(),
            // A target without an API version is of the core group.
            api_version: Some(reference.api_version.clone().unwrap_or_else(|| "v1".into())),
            kind: Some(reference.kind.clone()),
            ..ScaleTarget::default()
        };
        let owners = hpa.owner_references().iter().filter(|owner| owner.kind == "ScaledObject");
        let owners = owners.map(|owner| owner.name.clone()).collect();
        self.0.write().insert(Key::of(hpa), Scaling { kind: review::kind_of(&target), name: target.name, owners });
    }
}

impl Index<HorizontalPodAutoscaler> for Arc<UnmanagedHpas> {
    fn apply(&mut self, _: &Key, hpa: &HorizontalPodAutoscaler, _: Source) {
        self.note(hpa);
    }

    fn delete(&mut self, key: &Key) {
        self.0.write().remove(key);
    }
}
