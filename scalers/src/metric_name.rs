//! The names that KEDA gives to external metrics. HPAs and dashboards refer to them, so they are the same to
//! the letter.

use std::fmt::Write as _;

/// The external metric's name of the trigger at `index`: `s<index>-<part>` with the characters that a metric name
/// may not hold turned into dashes.
pub fn metric_name(index: usize, part: &str) -> String {
    format!("s{index}-{}", part.replace(['/', '.', ':', '%', '(', ')'], "-"))
}

/// Percent-encodes as an HTML form does: a space becomes `+`, letters, digits and `-_.~` stay.
/// KEDA encodes a queue's name so before it becomes part of a metric's name.
pub fn form_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            b' ' => encoded.push('+'),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_with_every_odd_character_gets_kedas_name() {
        let part = format!("rabbitmq-{}", form_encode("orders/eu.west:v1%2F(x)"));
        assert_eq!(metric_name(0, &part), "s0-rabbitmq-orders-2Feu-west-3Av1-252F-28x-29");
    }

    #[test]
    fn spaces_become_plus_signs() {
        assert_eq!(form_encode("a b~ü"), "a+b~%C3%BC");
    }
}
