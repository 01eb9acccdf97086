//! The trait of the two kinds of authentication.

use std::fmt::Debug;

use ebb_crds::{
    ClusterTriggerAuthentication, TriggerAuthentication, TriggerAuthenticationSpec, TriggerAuthenticationStatus,
};
use kube::Resource;
use serde::de::DeserializeOwned;

/// One of the two kinds.
pub(super) trait Kind:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
    /// The kind's name.
    const NAME: &'static str;
    /// Whether it belongs to no namespace.
    const CLUSTER: bool;
    /// KEDA's word for it in `keda_resource_registered_total`.
    const SERIES: &'static str;

    fn spec(&self) -> &TriggerAuthenticationSpec;
    fn status(&self) -> Option<&TriggerAuthenticationStatus>;
}

impl Kind for TriggerAuthentication {
    const NAME: &'static str = "TriggerAuthentication";
    const CLUSTER: bool = false;
    const SERIES: &'static str = "trigger_authentication";

    fn spec(&self) -> &TriggerAuthenticationSpec {
        &self.spec
    }

    fn status(&self) -> Option<&TriggerAuthenticationStatus> {
        self.status.as_ref()
    }
}

impl Kind for ClusterTriggerAuthentication {
    const NAME: &'static str = "ClusterTriggerAuthentication";
    const CLUSTER: bool = true;
    const SERIES: &'static str = "cluster_trigger_authentication";

    fn spec(&self) -> &TriggerAuthenticationSpec {
        &self.spec.0
    }

    fn status(&self) -> Option<&TriggerAuthenticationStatus> {
        self.status.as_ref()
    }
}
