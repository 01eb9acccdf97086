//! The longest names of a ScaledObject and of its HPA. Both are values of labels, which have 63 characters at most
//! (kubernetes.io, "Labels and Selectors").

use ebb_crds::{ScaledObject, names};
use ebb_params::is_placeholder;
use kube::ResourceExt as _;

use super::hpa;

/// Whether an object may have this name, as far as a request's path goes: `foo?x` would read the object `foo`,
/// and an empty name all of them (Kubernetes, `IsValidPathSegmentName`; the names of almost all kinds are DNS
/// subdomains, RFC 1123).
pub fn is_object_name(name: &str) -> bool {
    let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | '_' | ':');
    !name.is_empty() && name.len() <= 253 && name != "." && name != ".." && name.chars().all(fits)
}

/// Why no object of Kubernetes can have this name, with a hint; none if one can (RFC 1123, DNS subdomain).
pub fn subdomain_mistake(name: &str) -> Option<String> {
    let fits = name.len() <= 253 && name.split('.').all(is_dns_label);
    (!fits).then(|| {
        mistake(
            name,
            "a name of an object",
            "lower-case letters, digits, '-' and '.', with a letter or digit at both ends of each part, 253 characters at most",
        )
    })
}

/// Why no namespace and no container can have this name, with a hint; none if one can (RFC 1123, DNS label).
pub fn label_mistake(name: &str) -> Option<String> {
    let fits = name.len() <= LONGEST_LABEL && is_dns_label(name);
    (!fits).then(|| {
        mistake(
            name,
            "a name of a namespace or container",
            "lower-case letters, digits and '-', with a letter or digit at both ends, 63 characters at most",
        )
    })
}

/// Why no Secret or ConfigMap can have this key, with a hint; none if one can.
pub fn data_key_mistake(key: &str) -> Option<String> {
    let legal = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    let fits = !key.is_empty() && key.len() <= 253 && key.chars().all(legal) && key != "." && !key.starts_with("..");
    (!fits).then(|| {
        mistake(key, "a key of a Secret or ConfigMap", "letters, digits, '-', '_' and '.', 253 characters at most")
    })
}

/// Why no container can set an environment variable of this name, with a hint; none if one can. The value of a mistaken
/// `…FromEnv` may be an address with a password, so it is not shown.
pub fn variable_mistake(name: &str) -> Option<String> {
    let legal = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    let fits = !name.is_empty() && name.chars().all(legal);
    (!fits).then(|| {
        "it must be the name of an environment variable of the target's container, and its value is no such name: \
         write letters, digits, '-', '_' and '.'"
            .to_owned()
    })
}

fn mistake(name: &str, what: &str, rule: &str) -> String {
    if is_placeholder(name) {
        return format!("{name:?} is a placeholder and not {what}: put the name in its place");
    }
    format!("{name:?} is not {what}: write {rule}")
}

fn is_dns_label(part: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = part.bytes().next().is_some_and(alphanumeric) && part.bytes().last().is_some_and(alphanumeric);
    ends && part.bytes().all(|byte| alphanumeric(byte) || byte == b'-')
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

/// Why a new ScaledObject may not have this name for its HPA; none if it may. A ScaledObject that is there already is
/// served: an HPA may have a name of 253 characters, and its label is cut.
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
    fn names_that_cannot_be_have_a_hint() {
        for (mistake, good, bad) in [
            (
                subdomain_mistake as fn(&str) -> Option<String>,
                &["app", "a.b-c.9", "9"][..],
                &["", "App", "a_b", "-a", "a-", "a..b", "a.", "<app>", "a b", "a/b"][..],
            ),
            (label_mistake, &["shop", "shop-1"], &["a.b", "Shop", "", "-"]),
            (data_key_mistake, &["host", "tls.crt", "_A-1", ".x"], &["", "a b", "..x", ".", "a/b"]),
            (variable_mistake, &["MQ_HOST", "mq.host"], &["", "amqp://u:p@h/", "$(MQ)", "M Q"]),
        ] {
            for name in good {
                assert_eq!(mistake(name), None, "{name}");
            }
            for name in bad {
                assert!(mistake(name).is_some(), "{name}");
            }
        }
        assert!(subdomain_mistake(&"a".repeat(254)).is_some() && label_mistake(&"a".repeat(64)).is_some());
        assert!(subdomain_mistake("<app>").unwrap().contains("placeholder"));
        assert!(!variable_mistake("amqp://u:hunter2@h/").unwrap().contains("hunter2"));
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
