//! Variables of the target's container that other variables and the pod's fields make up.

use ebb_tests::rabbit::Rabbit;
use ebb_tests::wait::secs;
use ebb_tests::workload::{deployment, scaled_object};
use ebb_tests::world::Outcome;
use serde_json::json;

use crate::story;

#[test]
fn fields_of_the_pod_and_references_are_resolved_or_named() -> Outcome {
    story(async |world| {
        let user = world.sandbox("environment").await?;
        let namespace = user.name.clone();
        world.rabbit.add_vhost(&namespace).await?;
        let there = Rabbit::connect_to(world.bed.rabbitmq()?, &namespace).await?;
        there.declare("tx").await?;
        there.publish("tx", 4).await?;

        let url = world.rabbit.url();
        let mut workload = deployment("tx", 0, &[]);
        workload["spec"]["template"]["spec"]["containers"][0]["env"] = json!([
            {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "BY_NAMESPACE", "value": format!("{url}$(POD_NAMESPACE)")},
            {"name": "BY_FIELD", "value": "amqp://guest:guest@$(POD_IP):5672/"},
            {"name": "BY_SERVICE", "value": "amqp://guest:guest@$(RABBIT_MQ_SERVICE_HOST):5672/"},
            {"name": "BY_LATER", "value": "amqp://guest:guest@$(LATER)/"},
            {"name": "LATER", "value": "mq"},
        ]);
        user.apply(&workload).await?;
        let trigger = |variable: &str| {
            let metadata = json!({"queueName": "tx", "mode": "QueueLength", "value": "5", "hostFromEnv": variable});
            json!([{"type": "rabbitmq", "metadata": metadata}])
        };
        user.apply(&scaled_object("tx", json!({"pollingInterval": 1, "triggers": trigger("BY_NAMESPACE")}))).await?;
        user.wait_ready("tx").await?;
        user.wait_metric("tx", "s0-rabbitmq-tx", 4.0).await?;
        user.wait_replicas("tx", "1", secs(20), |now| now == 1).await?;
        for (variable, says) in [
            ("POD_IP", "\"POD_IP\" of the container \"app\" takes its value from the pod's field status.podIP"),
            ("BY_FIELD", "$(POD_IP), and POD_IP from the pod's field status.podIP"),
            (
                "BY_SERVICE",
                "$(RABBIT_MQ_SERVICE_HOST), which the kubelet makes of a Service: write the Service's name, rabbit-mq,",
            ),
            ("BY_LATER", "$(LATER), which no variable before it in the container sets"),
        ] {
            user.edit("tx", json!({"triggers": trigger(variable)})).await?;
            user.wait_failing("tx", says).await?;
        }
        Ok(())
    })
}
