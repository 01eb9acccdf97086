//! The objects that users bring: Deployments to scale and `ScaledObjects` to scale them by.

use serde_json::{Map, Value, json};

/// A Deployment whose pods are Ready and do nothing.
pub fn deployment(name: &str, replicas: u32, env: &[(&str, &str)]) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": pod_template(name, env, None),
        },
    })
}

/// A Deployment of `rabbitmq-worker`, which takes two seconds for a message.
pub fn worker(name: &str, replicas: u32, env: &[(&str, &str)]) -> Value {
    let mut deployment = deployment(name, replicas, env);
    deployment["spec"]["template"] = pod_template(name, env, Some("rabbitmq-worker"));
    deployment
}

/// The template of a pod with one container.
pub fn pod_template(app: &str, env: &[(&str, &str)], command: Option<&str>) -> Value {
    let env: Vec<Value> = env.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    let mut container = json!({"name": "app", "image": "app:latest", "env": env});
    if let Some(command) = command {
        container["command"] = json!([command]);
    }
    json!({"metadata": {"labels": {"app": app}}, "spec": {"containers": [container]}})
}

/// A ScaledObject. Without a `scaleTargetRef` in `spec` it scales the Deployment of the same name.
pub fn scaled_object(name: &str, spec: Value) -> Value {
    let mut all = Map::from_iter([("scaleTargetRef".to_owned(), json!({"name": name}))]);
    if let Value::Object(spec) = spec {
        all.extend(spec);
    }
    json!({
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
        "metadata": {"name": name},
        "spec": all,
    })
}

/// A rabbitmq trigger at five messages a replica, with the host from the target's variable `RABBITMQ_URL`.
pub fn rabbitmq(queue: &str) -> Value {
    json!({
        "type": "rabbitmq",
        "metadata": {"queueName": queue, "mode": "QueueLength", "value": "5", "hostFromEnv": "RABBITMQ_URL"},
    })
}

/// A rabbitmq trigger at five messages a replica on the queue of a broker.
pub fn rabbitmq_at(host: &str, queue: &str) -> Value {
    json!({"type": "rabbitmq", "metadata": {"queueName": queue, "mode": "QueueLength", "value": "5", "host": host}})
}

/// A kafka trigger at five records a replica on a topic, for the consumer group of the same name.
pub fn kafka_at(servers: &str, topic: &str) -> Value {
    let metadata = json!({"bootstrapServers": servers, "consumerGroup": topic, "topic": topic, "lagThreshold": "5"});
    json!({"type": "kafka", "metadata": metadata})
}

/// A cron trigger in London's time.
pub fn cron(start: &str, end: &str, replicas: &str) -> Value {
    json!({
        "type": "cron",
        "metadata": {"timezone": "Europe/London", "start": start, "end": end, "desiredReplicas": replicas},
    })
}
