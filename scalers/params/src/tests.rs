use super::Source::{Auth, Env, Metadata};
use super::*;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn trigger(metadata: &[(&str, &str)], auth: &[(&str, &str)], env: &[(&str, &str)]) -> TriggerConfig {
    TriggerConfig {
        kind: "test".into(),
        metadata: map(metadata),
        auth: map(auth),
        env: map(env),
        ..TriggerConfig::default()
    }
}

const HOST: &[Param] = &[Param::optional("host", &[Metadata, Auth, Env])];

#[test]
fn the_first_source_that_is_not_empty_wins() {
    const WITHOUT_AUTH: &[Param] = &[Param::optional("host", &[Metadata, Env])];
    const METADATA: &[Param] = &[Param::optional("host", &[Metadata])];
    let trigger = trigger(&[("host", "  "), ("hostFromEnv", "H")], &[("host", " from-auth ")], &[("H", "from-env")]);
    assert_eq!(ParamReader::new(&trigger, HOST).text("host"), Some("from-auth"));
    assert_eq!(ParamReader::new(&trigger, WITHOUT_AUTH).text("host"), Some("from-env"));
    assert_eq!(ParamReader::new(&trigger, METADATA).text("host"), None);
}

#[test]
fn every_name_is_searched_for_in_a_source_before_the_next_source() {
    const PARAMS: &[Param] = &[Param::required("modes", &[Metadata, Auth]).aliases(&["mode"])];
    let read = |metadata: &[(&str, &str)], auth: &[(&str, &str)]| {
        let trigger = trigger(metadata, auth, &[]);
        ParamReader::new(&trigger, PARAMS).text("modes").map(ToOwned::to_owned)
    };
    assert_eq!(read(&[("mode", "a"), ("modes", "b")], &[]).as_deref(), Some("b"));
    assert_eq!(read(&[("mode", "a")], &[("modes", "b")]).as_deref(), Some("a"));
    assert_eq!(read(&[], &[("mode", "a")]).as_deref(), Some("a"));
    let nothing = trigger(&[], &[], &[]);
    let mut reader = ParamReader::new(&nothing, PARAMS);
    reader.required("modes");
    let error = reader.finish().unwrap_err().to_string();
    assert_eq!(error, "missing required parameter \"modes,mode\" in [triggerMetadata authParams]");
}

#[test]
fn a_key_gives_a_parameter_by_any_of_its_names_where_it_is_read() {
    let both = Param::optional("modes", &[Metadata, Env]).aliases(&["mode"]);
    for key in ["modes", "mode", "modesFromEnv", "modeFromEnv"] {
        assert!(both.is_given_by(key), "{key}");
    }
    let auth = Param::optional("modes", &[Auth]);
    for key in ["modes", "modesFromEnv", "mode", "FromEnv"] {
        assert!(!auth.is_given_by(key), "{key}");
    }
}

#[test]
fn a_missing_parameter_has_kedas_text_and_every_way_to_give_it() {
    let trigger = trigger(&[], &[], &[]);
    let mut reader = ParamReader::new(&trigger, HOST);
    reader.required("host");
    let error = reader.finish().unwrap_err();
    assert_eq!(error.to_string(), "missing required parameter \"host\" in [triggerMetadata authParams resolvedEnv]");
    assert!(error.hints()[0].contains("`hostFromEnv`"), "{:?}", error.hints());
}

#[test]
fn a_variable_that_is_not_there_is_named() {
    let trigger = trigger(&[("hostFromEnv", "RABBITMQ_URL")], &[], &[]);
    let mut reader = ParamReader::new(&trigger, HOST);
    reader.required("host");
    assert!(reader.finish().unwrap_err().hints()[0].contains("\"RABBITMQ_URL\""));
}

#[test]
fn what_is_named_and_has_no_value_is_said() {
    const fn all(name: &'static str) -> Param {
        Param::optional(name, &[Metadata, Auth, Env])
    }
    const PARAMS: &[Param] = &[
        all("a"),
        all("b"),
        all("c"),
        all("d"),
        all("e"),
        all("f"),
        all("g"),
        Param::optional("fAuth", &[Auth]),
        Param::optional("bAuth", &[Auth]),
        Param::optional("bAuthEnv", &[Auth, Env]),
    ];
    let trigger = trigger(
        &[
            ("a", " "),
            ("bFromEnv", "B"),
            ("cFromEnv", "C"),
            ("d", ""),
            ("dFromEnv", "D"),
            ("f", "f"),
            ("fAuth", "f"),
            ("bAuthFromEnv", "B"),
            ("bAuthEnvFromEnv", "B"),
        ],
        &[("e", "")],
        &[("C", ""), ("D", "d")],
    );
    let reader = ParamReader::new(&trigger, PARAMS);
    for (key, said) in [
        ("a", Some("`a` in its metadata is empty")),
        ("b", Some("bFromEnv names the environment variable \"B\", which the target's container does not set")),
        ("c", Some("cFromEnv names the environment variable \"C\", which is empty in the target's container")),
        ("d", None),
        ("e", Some("the parameter `e` of its TriggerAuthentication is empty")),
        ("g", None),
    ] {
        assert_eq!(reader.empty(key).as_deref(), said, "{key}");
    }
    assert_eq!(reader.misplaced("f"), None);
    assert_eq!(reader.misplaced("fAuth").as_deref(), Some("`fAuth` in its metadata is not read"));
    assert_eq!(reader.misplaced("bAuthEnv"), None);
    assert_eq!(reader.misplaced("bAuth").as_deref(), Some("`bAuthFromEnv` in its metadata is not read"));
}

#[test]
fn numbers_flags_and_words_are_kedas() {
    const fn meta(name: &'static str) -> Param {
        Param::optional(name, &[Metadata])
    }
    const PARAMS: &[Param] = &[
        meta("a"),
        meta("b"),
        meta("c"),
        meta("d"),
        Param::default("e", &[Metadata], "auto"),
        meta("f"),
        Param::default("on", &[Metadata], "true"),
    ];
    let trigger =
        trigger(&[("a", "010"), ("b", "2.5"), ("c", "T"), ("d", "yes"), ("e", "soap"), ("f", "NaN")], &[], &[]);
    let mut reader = ParamReader::new(&trigger, PARAMS);
    assert_eq!(reader.number("a"), None);
    assert_eq!(reader.number("b"), Some(2.5));
    assert!(reader.flag("c"));
    assert!(!reader.flag("d"));
    assert_eq!(reader.one_of("e", &["auto", "amqp"]), "auto");
    assert_eq!(reader.number("f"), None);
    assert!(reader.flag("on"), "the declared default");
    let text = reader.finish().unwrap_err().to_string();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert_eq!(lines[2], "parameter \"e\" value \"soap\" must be one of [auto amqp]");
}

#[test]
#[should_panic(expected = "the kind cron reads queueName and does not declare it")]
fn a_kind_that_reads_what_it_does_not_declare_fails_its_tests() {
    let trigger = TriggerConfig { kind: "cron".into(), ..TriggerConfig::default() };
    ParamReader::new(&trigger, HOST).text("queueName");
}

#[test]
fn what_may_be_secret_is_not_printed() {
    let trigger = trigger(&[("hostFromEnv", "H")], &[("password", "hunter2")], &[("H", "amqp://u:hunter2@h")]);
    assert!(!format!("{trigger:?}").contains("hunter2"));
}

#[test]
fn a_value_from_an_authentication_is_not_shown() {
    const PARAMS: &[Param] = &[
        Param::optional("tls", &[Auth]),
        Param::optional("count", &[Auth]),
        Param::default("mode", &[Metadata], "auto"),
        Param::optional("password", &[Metadata]).secret(),
    ];
    let given = trigger(&[("mode", "soap"), ("password", "hunter1")], &[("tls", "hunter2"), ("count", "hunter3")], &[]);
    let mut reader = ParamReader::new(&given, PARAMS);
    reader.one_of("tls", &["enable"]);
    reader.integer("count");
    reader.one_of("mode", &["auto"]);
    reader.integer("password");
    let error = reader.finish().unwrap_err().to_string();
    assert!(!error.contains("hunter") && error.contains("not shown") && error.contains("soap"), "{error}");
}
