//! The page's files, which `make test-ui` builds from `ui/src`, and the page that is one file.

/// A file that the page asks for: its path, its type, its text.
pub(super) struct Asset {
    pub(super) path: &'static str,
    pub(super) content_type: &'static str,
    pub(super) text: &'static str,
}

const SCRIPT: &str = include_str!("../../../ui/dist/app.js");
const STYLE: &str = include_str!("../../../ui/dist/app.css");
const EXPORT: &str = include_str!("../../../ui/dist/export.html");

/// All of them.
pub(super) const ASSETS: [Asset; 4] = [
    Asset { path: "/", content_type: "text/html; charset=utf-8", text: include_str!("../../../ui/dist/index.html") },
    Asset { path: "/app.js", content_type: "text/javascript; charset=utf-8", text: SCRIPT },
    Asset { path: "/app.css", content_type: "text/css; charset=utf-8", text: STYLE },
    Asset { path: "/icon.svg", content_type: "image/svg+xml", text: include_str!("../../../ui/dist/icon.svg") },
];

/// The page with its data in one file.
pub(super) fn one_file(data: &serde_json::Value) -> String {
    // The order counts: what comes later is not searched for the marks of what came before.
    let (before, rest) = EXPORT.split_once("STYLE_GOES_HERE").unwrap_or((EXPORT, ""));
    let (middle, rest) = rest.split_once("DATA_GOES_HERE").unwrap_or((rest, ""));
    let (end, rest) = rest.split_once("SCRIPT_GOES_HERE").unwrap_or((rest, ""));
    [before, STYLE, middle, &in_a_script(data), end, SCRIPT, rest].concat()
}

/// JSON that ends no `<script>` and begins no comment in it.
pub(super) fn in_a_script(data: &serde_json::Value) -> String {
    data.to_string().replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_page_in_one_file_has_everything_once() {
        let page =
            one_file(&json!({"name": "</script><script>alert(1)</script><!-- STYLE_GOES_HERE SCRIPT_GOES_HERE"}));
        assert_eq!(page.matches(SCRIPT).count(), 1);
        assert_eq!(page.matches(STYLE).count(), 1);
        assert_eq!(page.matches("</script>").count(), 2, "the data's and the script's");
        assert!(page.contains(r#""\u003c/script>\u003cscript>alert(1)"#), "the data is in it, and harmless");
        assert!(!page.contains("DATA_GOES_HERE"));
    }

    #[test]
    fn no_file_has_a_script_in_line_or_asks_elsewhere() {
        let page = ASSETS[0].text;
        assert_eq!(page.matches("<script").count(), 1);
        assert!(page.contains(r#"<script src="app.js" defer></script>"#), "{page}");
        assert!(!page.contains("style=") && !page.contains("//"), "{page}");
        assert!(!STYLE.contains("url("), "the style asks for nothing");
    }
}
