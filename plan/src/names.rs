//! How long the names of a ScaledObject and of its HPA may be. Both are values of labels, which have 63 characters at most
//! (kubernetes.io, "Labels and Selectors").

use ebb_crds::{ScaledObject, names};
use kube::ResourceExt as _;

use super::hpa;

/// Whether an object may have this name, as far as a request's path goes: `foo?x` would read the object `foo`, and an empty name
/// all of them (Kubernetes, `IsValidPathSegmentName`; the names of almost all kinds are DNS subdomains, RFC 1123).
pub fn is_object_name(name: &str) -> bool {
    let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_' | ':');
    !name.is_empty() && name.len() <= 253 && name != "." && name != ".." && name.chars().all(fits)
}

/// The longest value of a label, in bytes.
pub const LONGEST_LABEL: usize = 63;

/// Why the name of `object` cannot be the value of a label.
pub fn too_long(object: &ScaledObject) -> Option<String> {
    let name = object.name_any();
    (name.len() > LONGEST_LABEL).then(|| {
        format!(
            "scaledobject name {name:?} is {} characters long; must be no more than {LONGEST_LABEL} characters because it is the value of the label {:?}: give a shorter name",
            name.len(),
            names::SCALED_OBJECT_NAME_LABEL
        )
    })
}

/// Why the name of the HPA of `object` is refused for new ScaledObjects. One that is there already is served: an HPA may
/// have a name of 253 characters, and its label is cut.
pub fn hpa_too_long(object: &ScaledObject) -> Option<String> {
    let name = hpa::name(object);
    (name.len() > LONGEST_LABEL).then(|| {
        format!(
            "HPA name {name:?} derived from scaledobject is {} characters long; must be no more than {LONGEST_LABEL} characters: give a shorter one in spec.advanced.horizontalPodAutoscalerConfig.name, or shorten the scaledobject's name",
            name.len()
        )
    })
}

/// `name` as the value of a label: cut, and without the characters at its end that such a value may not end with.
pub fn label_value(name: &str) -> &str {
    if name.len() <= LONGEST_LABEL {
        return name;
    }
    name[..name.floor_char_boundary(LONGEST_LABEL)].trim_end_matches(|end: char| !end.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_name_is_one_segment_of_a_path() {
        for name in ["app", "keda-hpa-app", "a.b", "No_Name", "system:node", "..."] {
            assert!(super::is_object_name(name), "{name:?}");
        }
        let long = "a".repeat(254);
        for name in ["", ".", "..", "a/b", "../x", "app?x=y", "app/status", " app", "a%2fb", "a#b", "ä", "a\n", &long]
        {
            assert!(!super::is_object_name(name), "{name:?}");
        }
    }

    use super::*;

    #[test]
    fn an_hpa_gets_no_longer_name_than_its_label() {
        let of = |length: usize| {
            let spec = serde_json::json!({"scaleTargetRef": {"name": "app"}, "triggers": []});
            hpa_too_long(&ScaledObject::new(&"a".repeat(length), serde_json::from_value(spec).unwrap()))
        };
        assert_eq!(of(63 - hpa::DEFAULT_PREFIX.len()), None);
        assert!(of(64 - hpa::DEFAULT_PREFIX.len()).unwrap().contains("is 64 characters long"));
    }

    #[test]
    fn a_label_is_cut_where_it_may_end() {
        let of = |name: String| label_value(&name).to_owned();
        for (name, label) in [
            ("short-".to_owned(), "short-".to_owned()),
            ("a".repeat(63), "a".repeat(63)),
            ("a".repeat(64), "a".repeat(63)),
            (format!("{}-b", "a".repeat(62)), "a".repeat(62)),
            (format!("{}.-.b", "a".repeat(60)), "a".repeat(60)),
            (format!("{}b", "-".repeat(63)), String::new()),
            // No name of an object has such a character; `ebb check` reads what people write.
            (format!("{}ééé", "a".repeat(62)), "a".repeat(62)),
        ] {
            assert_eq!(of(name.clone()), label, "{name}");
        }
    }
}
