//! The files in `crds/yaml` are what the types say.

use std::{collections::BTreeMap, fs, path::Path};

use ebb_crds::yaml;
use serde_json::Value;

#[test]
fn files_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("yaml");
    let there: BTreeMap<String, String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
        .collect();
    let wanted = BTreeMap::from_iter(yaml::files().unwrap());
    assert!(there == wanted, "crds/yaml is not what the types say; run: {}", yaml::COMMAND);
}

#[test]
fn files_read_back_as_the_definitions() {
    for (definition, (name, text)) in yaml::definitions().iter().zip(yaml::files().unwrap()) {
        let read: Value = serde_saphyr::from_str(&text).unwrap();
        let read = serde_json::from_value::<_>(read).unwrap();
        assert_eq!(definition, &read, "{name}");
    }
}
