//! The names that tie objects in a cluster to the keda.sh kinds: finalizer, labels and annotations. Users and
//! tools write them and select by them, so none of them may change.

/// The finalizer that holds a ScaledObject until its scale target has been left as the user wants it.
pub const FINALIZER: &str = "finalizer.keda.sh";

/// The label with the ScaledObject's name on the ScaledObject itself and on its HPA; an external metric is selected by
/// it.
pub const SCALED_OBJECT_NAME_LABEL: &str = "scaledobject.keda.sh/name";
/// The label with the ScaledJob's name on the jobs made for it.
pub const SCALED_JOB_NAME_LABEL: &str = "scaledjob.keda.sh/name";

/// Holds a ScaledObject as it is. Every value that is not a boolean means true.
pub const PAUSED_ANNOTATION: &str = "autoscaling.keda.sh/paused";
/// Holds a ScaledObject at the number of replicas given as the value.
pub const PAUSED_REPLICAS_ANNOTATION: &str = "autoscaling.keda.sh/paused-replicas";
/// Keeps a ScaledObject from taking replicas away. Every value that is not a boolean means true.
pub const PAUSED_SCALE_IN_ANNOTATION: &str = "autoscaling.keda.sh/paused-scale-in";
/// Keeps a ScaledObject from adding replicas. Every value that is not a boolean means true.
pub const PAUSED_SCALE_OUT_ANNOTATION: &str = "autoscaling.keda.sh/paused-scale-out";
/// Treats a ScaledObject as active, even while no trigger is. Every value that is not a boolean means true.
pub const FORCE_ACTIVATION_ANNOTATION: &str = "autoscaling.keda.sh/force-activation";

/// On a ScaledObject: `target` sets the count that the readings ask for at once when it wakes, `minimum` as KEDA does.
pub const ACTIVATE_TO_ANNOTATION: &str = "ebb.dev/activate-to";
/// On a ScaledObject: `observe` has Ebb decide and keep the trail, and change nothing: another autoscaler scales the target.
pub const MODE_ANNOTATION: &str = "ebb.dev/mode";

/// On a ScaledObject: takes over the existing HPA that `advanced.horizontalPodAutoscalerConfig.name` names.
pub const TRANSFER_HPA_OWNERSHIP_ANNOTATION: &str = "scaledobject.keda.sh/transfer-hpa-ownership";
/// On a ScaledObject: the labels, separated by commas, that its HPA does not get.
pub const HPA_EXCLUDED_LABELS_ANNOTATION: &str = "scaledobject.keda.sh/hpa-excluded-labels";
/// On an HPA: `false` takes it out of the check that no target is scaled twice.
pub const HPA_OWNERSHIP_VALIDATION_ANNOTATION: &str = "validations.keda.sh/hpa-ownership";

/// On a ScaledJob: the labels, separated by commas, that its jobs do not get.
pub const JOB_EXCLUDED_LABELS_ANNOTATION: &str = "scaledjob.keda.sh/job-excluded-labels";
/// On a job: the generation of the ScaledJob it was made from.
pub const SCALED_JOB_GENERATION_ANNOTATION: &str = "scaledjob.keda.sh/generation";
