//! The meaning of an error of a request: an overloaded API server, a silent one, or a refusal.

/// Whether an answer with this code says that the API server cannot keep up: 429 (API Priority and Fairness), 504 (a
/// time limit of its own).
pub fn is_overload(code: u16) -> bool {
    matches!(code, 429 | 504)
}

/// Whether the API server gave no answer, or the answer that it cannot keep up. The request may have been done: the
/// answer says nothing about its object.
pub fn is_unanswered(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => is_overload(status.code),
        kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_) => true,
        _ => false,
    }
}

/// The API server's own words, or, where it did not answer, those of the library.
pub fn message(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn an_answer_about_the_object_is_an_answer() {
        let api = |code| kube::Error::Api(Status { code, ..Status::default() }.boxed());
        for (error, unanswered) in [
            (api(404), false),
            (api(409), false),
            (api(429), true),
            (api(500), false),
            (api(503), false),
            (api(504), true),
            (kube::Error::Service("connection reset".into()), true),
            (kube::Error::LinesCodecMaxLineLengthExceeded, false),
        ] {
            assert_eq!(is_unanswered(&error), unanswered, "{error}");
        }
    }
}
