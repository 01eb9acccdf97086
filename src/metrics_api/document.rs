//! A constant JSON document: rendered once, then served from memory with an `ETag`.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;

/// The rendered bytes and their headers.
#[derive(Clone, Debug)]
pub(super) struct Document {
    body: Bytes,
    content_type: &'static str,
    tag: String,
}

impl Document {
    pub(super) fn json(value: &Value) -> Self {
        Self::typed(value, "application/json")
    }

    pub(super) fn typed(value: &Value, content_type: &'static str) -> Self {
        let body = Bytes::from(value.to_string());
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        Self { body, content_type, tag: format!("{:016X}", hasher.finish()) }
    }

    /// The hash of the content.
    pub(super) fn tag(&self) -> &str {
        &self.tag
    }

    /// The document, or 304 if the client already has it.
    pub(super) fn answer(&self, request: &HeaderMap) -> Response {
        let quoted = format!("\"{}\"", self.tag);
        let known = request
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|tag| tag.trim() == quoted);
        let mut response = if known {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let mut response = Response::new(Body::from(self.body.clone()));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
            response
        };
        let headers = response.headers_mut();
        if let Ok(tag) = HeaderValue::try_from(quoted) {
            headers.insert(header::ETAG, tag);
        }
        headers.insert(header::VARY, HeaderValue::from_static("Accept"));
        response
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn is_sent_once() {
        let document = Document::json(&json!({"a": 1}));
        let first = document.answer(&HeaderMap::new());
        assert_eq!(first.status(), StatusCode::OK);
        let mut request = HeaderMap::new();
        request.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        assert_eq!(document.answer(&request).status(), StatusCode::NOT_MODIFIED);
        assert_ne!(document.tag(), Document::json(&json!({"a": 2})).tag());
    }
}
