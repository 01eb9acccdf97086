//! `deploy/ebb.yaml`: a pod that Pod Security `restricted` admits, and no rights that are not used.

use anyhow::ensure;
use ebb_tests::ebb::{self, NAMESPACE};
use ebb_tests::world::Outcome;

use crate::story;

#[test]
fn the_pod_and_the_examples_are_admitted_as_restricted() -> Outcome {
    story(async |world| {
        let kubectl = world.bed.kubectl().with(format!("--namespace={NAMESPACE}"));
        // The pod runs nothing here, as there is no image; the test looks at its admission alone.
        kubectl.run(&["scale", "deployment", "ebb", "--replicas=1"]).await?;
        kubectl.run(&["rollout", "status", "deployment", "ebb", "--timeout=60s"]).await?;
        kubectl.run(&["scale", "deployment", "ebb", "--replicas=0"]).await?;

        // A dry run in a restricted namespace warns of every field that would keep the pods out.
        let examples = ebb_tests::paths::root().join("deploy/examples");
        let apply = ["apply", "--server-side", "--dry-run=server", "-f", &examples.to_string_lossy()];
        let output = kubectl.output(&apply, None).await?;
        ensure!(output.ok && !output.stderr.contains("PodSecurity"), "{output:?}");
        Ok(())
    })
}

#[test]
fn ebb_may_do_what_it_does_and_no_more() -> Outcome {
    story(async |world| {
        let may =
            async |verb: &str, resource: &str, namespace: &str| ebb::may(&world.bed, verb, resource, namespace).await;
        let used = [
            ("patch", "scaledobjects.keda.sh:status"),
            ("delete", "horizontalpodautoscalers.autoscaling"),
            ("patch", "statefulsets.apps:scale"),
            ("create", "events"),
            ("get", "secrets"),
            ("watch", "secrets"),
            ("watch", "configmaps"),
            ("patch", "triggerauthentications.keda.sh"),
            ("patch", "clustertriggerauthentications.keda.sh:status"),
        ];
        for (verb, resource) in used {
            ensure!(may(verb, resource, "default").await?, "Ebb may not {verb} {resource}");
        }
        ensure!(may("update", "secrets/ebb-certs", NAMESPACE).await?, "Ebb may not keep its certificates");
        let unused = [
            ("list", "secrets"),
            ("list", "configmaps"),
            ("create", "serviceaccounts:token"),
            ("delete", "triggerauthentications.keda.sh"),
            ("patch", "secrets"),
            ("delete", "deployments.apps"),
            ("patch", "deployments.apps"),
            ("create", "pods"),
            ("delete", "scaledobjects.keda.sh"),
            ("patch", "apiservices.apiregistration.k8s.io/v1.apps"),
            ("create", "clusterrolebindings.rbac.authorization.k8s.io"),
        ];
        for (verb, resource) in unused {
            ensure!(!may(verb, resource, "default").await?, "Ebb may {verb} {resource}");
        }
        Ok(())
    })
}
