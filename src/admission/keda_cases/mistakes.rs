//! Mistakes that KEDA's tests do not have, and manifests that only look like mistakes. KEDA's answer is that of its
//! webhook's code.

use super::*;

const NAMES: &str = "a name that no object can have, of a target, an authentication, a container or an HPA";
const BEHAVIOR: &str = "values of `behavior` that the API server refuses in an HPA";
const NO_SCALE: &str = "a target without `/scale`";

fn one(trigger: &Value) -> Value {
    with(&json!({"triggers": [trigger]}))
}

fn kafka(changes: &Value) -> Value {
    let mut metadata = json!({"bootstrapServers": "k:9092", "consumerGroup": "g", "topic": "t"});
    merge(&mut metadata, changes);
    one(&json!({"type": "kafka", "metadata": metadata}))
}

fn rabbitmq(changes: &Value) -> Value {
    let mut metadata = json!({"queueName": "q", "mode": "QueueLength", "value": "5", "hostFromEnv": "MQ"});
    merge(&mut metadata, changes);
    one(&json!({"type": "rabbitmq", "metadata": metadata}))
}

fn hpa(config: &Value) -> Value {
    with(&json!({"advanced": {"horizontalPodAutoscalerConfig": config}}))
}

pub(super) fn cases() -> Vec<Case> {
    let even = json!({"bootstrapServers": "k:9092", "consumerGroup": "g", "topic": "t", "ensureEvenDistributionOfPartitions": "true"});
    let target = |target: Value| with(&json!({"scaleTargetRef": target}));
    let mut referring = cron();
    referring["authenticationRef"] = json!({"name": "My_Auth"});
    let mut cached = cron();
    cached["useCachedMetrics"] = json!(true);
    vec![
        case("minimum 0 and idle 0", with(&json!({"minReplicaCount": 0, "idleReplicaCount": 0})), Accepted),
        case("an even distribution", one(&json!({"type": "apache-kafka", "metadata": even})), Accepted),
        case("cached metrics of cron", one(&cached), Refused),
        case("a kind in lower case", target(json!({"kind": "deployment", "name": "workload"})), Refused),
        case("a broker that is a placeholder", kafka(&json!({"bootstrapServers": "kafka.<ns>.svc:9092"})), Accepted)
            .ebb(Warned, PARAMETERS),
        case(
            "a host that is a placeholder",
            rabbitmq(&json!({"hostFromEnv": null, "host": "amqp://$(MQ)/"})),
            Accepted,
        )
        .ebb(Warned, PARAMETERS),
        case("a variable of a container that is not known", rabbitmq(&json!({})), Accepted),
        case("a variable, and no mode", rabbitmq(&json!({"mode": null})), Fails).ebb(Warned, PARAMETERS),
        case("an address in place of a variable", rabbitmq(&json!({"hostFromEnv": "amqp://u:p@mq/"})), Accepted)
            .ebb(Warned, NAMES),
        case("a target that is a placeholder", target(json!({"name": "<workload>"})), Accepted).ebb(Warned, NAMES),
        case("a container in capitals", target(json!({"name": "workload", "envSourceContainerName": "App"})), Accepted)
            .ebb(Warned, NAMES),
        case("an authentication in capitals", one(&referring), Accepted).ebb(Warned, NAMES),
        case("an HPA in capitals", hpa(&json!({"name": "My-HPA"})), Accepted).ebb(Warned, NAMES),
        case("a policy that is none", hpa(&json!({"behavior": {"scaleUp": {"selectPolicy": "Most"}}})), Accepted)
            .ebb(Warned, BEHAVIOR),
        case("no policies", hpa(&json!({"behavior": {"scaleUp": {"policies": []}}})), Accepted),
        case("a target that nobody can scale", target(json!({"kind": "DaemonSet", "name": "workload"})), Accepted)
            .ebb(Warned, NO_SCALE),
        case(
            "a metric's name of former releases",
            one(&{
                let mut trigger = cron();
                trigger["metadata"]["metricName"] = json!("x");
                trigger
            }),
            Accepted,
        )
        .ebb(Warned, "a trigger's `metricName`"),
    ]
}
