//! Placeholders: texts that the author of a manifest was meant to replace.

/// Whether a text holds a placeholder, such as `<your-namespace>`, `$HOST`, `${HOST}`, `$(HOST)` or `{{
/// .Values.host }}`.
pub fn is_placeholder(text: &str) -> bool {
    let within = |open: &str, close: &str| text.split_once(open).is_some_and(|(_, rest)| rest.contains(close));
    let variable = text.split('$').skip(1).any(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase()));
    within("<", ">") || within("${", "}") || within("{{", "}}") || within("$(", ")") || variable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_known_by_their_brackets() {
        for text in
            ["kafka.<your-namespace>.svc:9092", "$HOST:9092", "${HOST}", "{{ .Values.host }}", "amqp://$(HOST)/"]
        {
            assert!(is_placeholder(text), "{text}");
        }
        for text in ["kafka:9092", "a < b", "a > b", "a$", "$1", "{a}", ""] {
            assert!(!is_placeholder(text), "{text}");
        }
    }
}
