//! The files in `crds/yaml` and in the Helm chart agree with the types.

use std::{collections::BTreeMap, fs, path::Path};

use ebb_crds::yaml;
use serde_json::Value;

#[test]
fn files_are_up_to_date() {
    let wanted = BTreeMap::from_iter(yaml::files().unwrap());
    for folder in yaml::FOLDERS {
        let there: BTreeMap<String, String> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
            .collect();
        assert!(there == wanted, "{folder} is not what the types say; run: {}", yaml::COMMAND);
    }
}

#[test]
fn files_read_back_as_the_definitions() {
    for (definition, (name, text)) in yaml::definitions().iter().zip(yaml::files().unwrap()) {
        let read: Value = serde_saphyr::from_str(&text).unwrap();
        let read = serde_json::from_value::<_>(read).unwrap();
        assert_eq!(definition, &read, "{name}");
    }
}

#[test]
fn the_manifest_for_kubectl_has_them() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/ebb.yaml");
    let objects: Vec<Value> = serde_saphyr::from_multiple(&fs::read_to_string(manifest).unwrap()).unwrap();
    for (name, text) in yaml::files().unwrap() {
        let definition: Value = serde_saphyr::from_str(&text).unwrap();
        let there = objects.iter().find(|object| object["metadata"]["name"] == definition["metadata"]["name"]);
        let same = there.is_some_and(|object| object["spec"] == definition["spec"]);
        assert!(same, "deploy/ebb.yaml has another definition than {name}; run: {}", yaml::COMMAND);
    }
}
