//! Content negotiation: chooses a representation by a request's Accept header.

use http::{HeaderMap, header};

/// A representation that this server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The document itself as JSON.
    Plain,
    /// All of discovery in one `apidiscovery.k8s.io/v2` document.
    AggregatedV2,
    /// The same document as `v2beta1`, for clients older than Kubernetes 1.30.
    AggregatedV2Beta1,
    /// Objects as rows of a `meta.k8s.io/v1` Table, which kubectl prints.
    Table,
}

/// The offer that the client prefers; the first one of several equal offers. None if it accepts no offer.
pub(super) fn choose(headers: &HeaderMap, offers: &[Form]) -> Option<Form> {
    let mut ranges: Vec<Range> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(Range::parse)
        .collect();
    if ranges.is_empty() {
        let silent = headers.get_all(header::ACCEPT).iter().all(|value| value.as_bytes().trim_ascii().is_empty());
        return (silent && offers.contains(&Form::Plain)).then_some(Form::Plain);
    }
    ranges.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    ranges.iter().filter_map(|range| range.form).find(|form| offers.contains(form))
}

/// One entry of the header.
struct Range {
    /// The representation that the entry names; none if this server does not have it.
    form: Option<Form>,
    quality: f32,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().filter(|media| !media.is_empty())?;
        let (mut kind, mut group, mut version, mut quality) = ("", "", "", 1.0);
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name {
                "as" => kind = value,
                "g" => group = value,
                "v" => version = value,
                "q" => quality = value.parse().unwrap_or(1.0),
                _ => {}
            }
        }
        let is_json = matches!(media, "application/json" | "application/*" | "*/*");
        let form = match (is_json && quality > 0.0, kind, group, version) {
            (true, "", ..) => Some(Form::Plain),
            (true, "Table", "meta.k8s.io", "v1") => Some(Form::Table),
            (true, "APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2") => Some(Form::AggregatedV2),
            (true, "APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2beta1") => Some(Form::AggregatedV2Beta1),
            _ => None,
        };
        Some(Self { form, quality })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Form; 3] = [Form::Plain, Form::AggregatedV2, Form::AggregatedV2Beta1];

    fn chosen(accept: &str) -> Option<Form> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        choose(&headers, &ALL)
    }

    #[test]
    fn follows_what_clients_send() {
        let v2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
        let beta = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
        let table = [
            ("", Some(Form::Plain)),
            ("*/*", Some(Form::Plain)),
            ("application/json", Some(Form::Plain)),
            ("application/json, */*", Some(Form::Plain)),
            ("application/vnd.kubernetes.protobuf,application/json", Some(Form::Plain)),
            ("application/vnd.kubernetes.protobuf, */*", Some(Form::Plain)),
            ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", Some(Form::Plain)),
            ("application/json;as=Table;v=v1;g=meta.k8s.io", None),
            ("application/json;as=Table;v=v1beta1;g=meta.k8s.io", None),
            ("application/vnd.kubernetes.protobuf", None),
            ("text/html", None),
            ("application/json;q=0", None),
            (v2, Some(Form::AggregatedV2)),
            (beta, Some(Form::AggregatedV2Beta1)),
            (&format!("{v2},{beta},application/json"), Some(Form::AggregatedV2)),
            (&format!("{beta};q=0.8,{v2};q=0.9,application/json;q=0.1"), Some(Form::AggregatedV2)),
            (
                "application/json;g=apidiscovery.k8s.io;v=v9;as=APIGroupDiscoveryList,application/json",
                Some(Form::Plain),
            ),
            ("application/json;g=apidiscovery.k8s.io;v=v9;as=APIGroupDiscoveryList", None),
        ];
        for (accept, expected) in table {
            assert_eq!(chosen(accept), expected, "{accept}");
        }
        assert_eq!(choose(&HeaderMap::new(), &ALL), Some(Form::Plain));
    }

    #[test]
    fn a_table_is_chosen_where_it_is_offered() {
        let mut headers = HeaderMap::new();
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        headers.insert(header::ACCEPT, kubectl.parse().unwrap());
        assert_eq!(choose(&headers, &[Form::Plain, Form::Table]), Some(Form::Table));
        assert_eq!(choose(&headers, &[Form::Plain]), Some(Form::Plain));
    }

    #[test]
    fn offers_bound_the_choice() {
        let mut headers = HeaderMap::new();
        let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList, application/json";
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        assert_eq!(choose(&headers, &[Form::Plain]), Some(Form::Plain));
    }
}
