//! The result as one page without anything from elsewhere: the page of `ui/` for a report, with the data in it.

/// What `make test-ui` builds from `ui/src/report.tsx`. Its policy allows its own script and style, by their hashes.
const PAGE: &str = include_str!("../../../ui/dist/report.html");
/// The place of the data in it.
const PLACE: &str = "DATA_GOES_HERE";

/// The page. `json` is the simulation.
pub(super) fn page(json: &str) -> String {
    // A `<` in a text must not end the element.
    PAGE.replacen(PLACE, &json.replace('<', "\\u003c"), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_is_in_the_page_and_ends_no_element() {
        let page = page(r#"{"name": "</script><script>alert(1)</script>"}"#);
        assert!(!page.contains(PLACE), "the data has taken its place");
        assert!(page.contains("\\u003c/script>\\u003cscript>alert(1)\\u003c/script>"), "the data is in it");
        assert_eq!(page.matches("</script>").count(), PAGE.matches("</script>").count());
        assert!(page.contains("default-src 'none'"), "it has a policy");
    }
}
