//! Whether Ebb scales a ScaledObject's target, or only observes it beside another autoscaler.

use std::collections::BTreeMap;

use ebb_crds::names;

/// The value of the annotation.
const OBSERVE: &str = "observe";

/// What Ebb does for a ScaledObject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It scales the target.
    Serve,
    /// It decides and keeps the trail, and changes nothing.
    Observe,
}

/// Reads the annotation `ebb.dev/mode`.
///
/// # Errors
/// Another value than `observe`.
pub fn mode(annotations: Option<&BTreeMap<String, String>>) -> Result<Mode, String> {
    let value = annotations.and_then(|annotations| annotations.get(names::MODE_ANNOTATION));
    match value.map(String::as_str) {
        None => Ok(Mode::Serve),
        Some(OBSERVE) => Ok(Mode::Observe),
        Some(other) => Err(format!(
            "annotation {} has the value {other:?}: it must be {OBSERVE:?}, or the annotation be removed",
            names::MODE_ANNOTATION
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_observe_is_a_mode() {
        let of = |value: &str| mode(Some(&BTreeMap::from([(names::MODE_ANNOTATION.to_owned(), value.to_owned())])));
        assert_eq!(mode(None), Ok(Mode::Serve));
        assert_eq!(mode(Some(&BTreeMap::new())), Ok(Mode::Serve));
        assert_eq!(of("observe"), Ok(Mode::Observe));
        for wrong in ["", "Observe", "serve", "true"] {
            let error = of(wrong).unwrap_err();
            assert!(error.contains("ebb.dev/mode") && error.contains("observe"), "{error}");
        }
    }
}
