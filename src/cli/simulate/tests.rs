use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Parser as _;
use serde_json::Value;

use super::*;
use crate::cli::args::{Args, Command};

const SCALED: &str = "\
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: jobs
spec:
  scaleTargetRef: {name: jobs}
  maxReplicaCount: 20
  cooldownPeriod: 60
  triggers:
    - type: rabbitmq
      name: orders
      metadata: {queueName: jobs, host: \"amqp://rabbit\", mode: QueueLength, value: \"10\"}
";
const CRON: &str = "    - type: cron
      metadata: {timezone: Europe/London, start: \"0 8 * * *\", end: \"0 9 * * *\", desiredReplicas: \"3\"}
";
/// An hour from 7:30 on, with forty messages from 7:40 to 7:45.
const TRACE: &str = "time,orders\n2026-11-27T07:30:00Z,0\n2026-11-27T07:40:00Z,40\n2026-11-27T07:45:00Z,0\n2026-11-27T08:00:00Z,0\n2026-11-27T08:15:00Z,0\n";

/// Files of a test's own.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("ebb-simulate-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn simulate(arguments: &[&str], input: &str) -> Result<String, String> {
    let all = ["ebb", "simulate"].iter().chain(arguments);
    let Command::Simulate(question) = Args::try_parse_from(all).map_err(|error| error.to_string())?.command else {
        unreachable!("the command is simulate")
    };
    let mut output = Vec::new();
    let now = "2026-11-27T12:00:00Z".parse().unwrap();
    run(&question, now, input.as_bytes(), &mut output).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(output).unwrap())
}

fn json(arguments: &[&str], input: &str) -> Value {
    serde_json::from_str(&simulate(&[arguments, &["-o", "json"]].concat(), input).unwrap()).unwrap()
}

/// The counts that a run went through.
fn counts(run: &Value) -> Vec<i64> {
    run["decisions"].as_array().unwrap().iter().map(|decision| decision["to"].as_i64().unwrap()).collect()
}

#[test]
fn a_trace_becomes_replicas_and_cron_windows_are_computed() {
    let folder = Folder::new();
    let trace = folder.file("load.csv", TRACE);
    let result = json(&["-", "--trace", &trace], &format!("{SCALED}{CRON}"));
    assert_eq!((&result["start"], &result["length"]), (&Value::from("2026-11-27T07:30:00Z"), &Value::from(3600)));
    let run = &result["runs"][0];
    // Up for the messages and back, then for the window from 8:00 on.
    assert_eq!(counts(run), [1, 4, 0, 1, 3], "{run:#}");
    assert_eq!(run["windows"][0]["from"], 1800);
    assert_eq!(
        (&run["triggers"][0]["target"], &run["triggers"][1]["metric"]),
        (&Value::from(10), &Value::from("s1-cron-Europe-London-08xxx-09xxx"))
    );
}

#[test]
fn the_table_shows_figures_a_chart_and_decisions() {
    let folder = Folder::new();
    let trace = folder.file("load.csv", TRACE);
    let table = simulate(&["-", "--trace", &trace, "--width", "60", "--price", "2"], SCALED).unwrap();
    for part in [
        "1h from 2026-11-27T07:30:00Z\n",
        "         4 │",
        "price",
        "0     1  Ebb   Activated           trigger orders (rabbitmq) is active: 40 is above 0",
        "trigger orders (rabbitmq) asks for 4 replicas: its value is 40, its target 10",
        "no trigger is active, and the cooldown is over",
    ] {
        assert!(table.contains(part), "{part:?} is not in:\n{table}");
    }
    let peak = table.lines().find(|line| line.starts_with("peak replicas")).unwrap();
    assert!(peak.ends_with(" 4"), "{peak}");
    assert!(table.lines().take(16).all(|line| line.chars().count() <= 90), "{table}");
}

#[test]
fn another_specification_is_compared_with_the_same_load() {
    let folder = Folder::new();
    let trace = folder.file("load.csv", TRACE);
    let other = folder.file("other.yaml", &SCALED.replace("cooldownPeriod: 60", "minReplicaCount: 2"));
    let result = json(&["-", "--trace", &trace, "--against", &other, "--price", "10"], SCALED);
    let [one, two] = [0, 1].map(|run| &result["runs"][run]["summary"]);
    assert_eq!((one["secondsAtZero"] != 0, &two["secondsAtZero"]), (true, &Value::from(0)));
    assert!(two["price"].as_f64() > one["price"].as_f64(), "{one} {two}");
}

#[test]
fn arrivals_become_a_backlog() {
    let load = [
        "-",
        "--load",
        "step:to=30,at=10m,for=10m",
        "--rate",
        "2",
        "--start-up",
        "20s",
        "--start",
        "2026-11-27T00:00:00Z",
    ];
    let result = json(&load, SCALED);
    let run = &result["runs"][0];
    assert_eq!((&result["length"], run["summary"]["peak"].as_i64()), (&Value::from(7200), Some(20)));
    assert!(run["summary"]["longestWaitSeconds"].as_f64() > Some(20.0), "{}", run["summary"]);
    let worked_off = run["points"].as_array().unwrap().last().unwrap();
    assert_eq!((&worked_off["backlog"], &worked_off["replicas"]), (&Value::from(0), &Value::from(0)));
}

#[test]
fn reports_are_files_of_their_own_and_no_text_becomes_markup() {
    let folder = Folder::new();
    let evil = SCALED.replace("name: orders", "name: \"</script><b>&\"");
    let [html, svg, data] = ["r.html", "r.svg", "r.json"].map(|name| folder.0.join(name).display().to_string());
    let out = ["-", "--load", "step:to=30", "--out", &html, "--out", &svg, "--out", &data];
    simulate(&out, &evil).unwrap();
    let [html, svg, data] = [html, svg, data].map(|path| fs::read_to_string(path).unwrap());
    assert_eq!(serde_json::from_str::<Value>(&data).unwrap()["kind"], "Simulation");
    assert!(svg.starts_with("<svg ") && html.starts_with("<!doctype html>"), "{svg}");
    assert!(!svg.contains("<b>") && svg.contains("&lt;b&gt;&amp;"), "{svg}");
    assert!(!html.contains("<b>&"), "{html}");
    let (_, held) = html.split_once("id=\"simulation-data\">").unwrap();
    let held = held.split("</script>").next().unwrap();
    assert_eq!(serde_json::from_str::<Value>(held).unwrap(), serde_json::from_str::<Value>(&data).unwrap());
}

#[test]
fn an_invalid_object_fails_as_in_ebb_check() {
    let wrong = SCALED.replace("maxReplicaCount: 20", "minReplicaCount: 30\n  maxReplicaCount: 20");
    let error = simulate(&["-", "--load", "constant:value=1"], &wrong).unwrap_err();
    assert!(
        error.contains("standard input:7: error: ScaledObject jobs: spec.minReplicaCount: MinReplicaCount=30"),
        "{error}"
    );
    let wrong = SCALED.replace("value: \"10\"", "value: ten");
    let error = simulate(&["-", "--load", "constant:value=1"], &wrong).unwrap_err();
    assert!(error.starts_with("standard input: trigger 0 (rabbitmq): ") && error.contains("ten"), "{error}");
    let error = simulate(&["-", "--load", "constant:value=1"], "kind: [").unwrap_err();
    assert!(error.contains("standard input:"), "{error}");
}

#[test]
fn what_is_missing_or_too_much_is_named_with_the_hint() {
    let folder = Folder::new();
    let other = folder.file("other.csv", "time,mails\n0,1\n");
    let more = folder.file("more.csv", "time,orders,mails\n0,1,2\n60,1,2\n");
    let cpu = "    - type: cpu\n      metricType: Utilization\n      metadata: {value: \"60\"}\n";
    let several = format!("{SCALED}---\n{}", SCALED.replace("jobs", "mails"));
    let only_cpu = format!("{}{cpu}", SCALED.split("    - type").next().unwrap())
        .replace("maxReplicaCount: 20", "minReplicaCount: 1");
    for (arguments, input, says) in [
        (
            vec!["-"],
            SCALED,
            "there is no load for trigger 0 (rabbitmq, orders, s0-rabbitmq-jobs): give --trace FILE with a column orders, or --load SHAPE",
        ),
        (
            vec!["-", "--trace", &other],
            SCALED,
            "there is no column for trigger 0 (rabbitmq, orders, s0-rabbitmq-jobs): add one called orders",
        ),
        (vec!["-", "--trace", &more], SCALED, "column \"mails\" belongs to no trigger: there is trigger 0"),
        (
            vec!["-", "--load", "mails=constant:value=1", "--load", "constant:value=1"],
            SCALED,
            "--load: \"mails\" belongs to no trigger",
        ),
        (vec!["-", "--load", "wave"], SCALED, "the shapes are constant, step, ramp, daily, poisson"),
        (vec!["-", "--trace", "/nowhere.csv"], SCALED, "/nowhere.csv: No such file"),
        (vec!["/nowhere.yaml"], SCALED, "cannot read /nowhere.yaml"),
        (
            vec!["-", "--load", "constant:value=1"],
            several.as_str(),
            "there are 2 ScaledObjects: choose one with --name: jobs (standard input:4), mails",
        ),
        (vec!["-", "--load", "constant:value=1", "--name", "x"], SCALED, "no ScaledObject is called x: there is jobs"),
        (vec!["-", "--load", "constant:value=1"], "kind: Service", "there is no ScaledObject in it"),
        (
            vec!["-", "--load", "constant:value=1", "--out", "r.pdf"],
            SCALED,
            "--out r.pdf: end the name in .html, .svg or .json",
        ),
        (vec!["-", "--load", "constant:value=1"], only_cpu.as_str(), "the HPA reads trigger 0 (cpu) from the pods"),
    ] {
        let error = simulate(&arguments, input).unwrap_err();
        assert!(error.contains(says), "{arguments:?}: {error}");
    }
    let left_out = simulate(&["-", "--load", "constant:value=1"], &format!("{SCALED}{cpu}")).unwrap();
    assert!(left_out.contains("note: standard input: trigger 1 (cpu) is left out"), "{left_out}");
    let named = json(&["-", "--name", "mails", "--load", "constant:value=1"], &several);
    assert_eq!(counts(&named["runs"][0]), [1]);
}

#[test]
fn a_trigger_is_called_by_its_name_its_metric_or_its_index() {
    let folder = Folder::new();
    for call in ["orders", "s0-rabbitmq-jobs", "0"] {
        let trace = folder.file("load.csv", &TRACE.replace("orders", call));
        assert_eq!(counts(&json(&["-", "--trace", &trace], SCALED)["runs"][0]), [1, 4, 0], "{call}");
    }
}

/// The indented blocks of a page.
fn blocks(page: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    for line in page.lines() {
        match line.strip_prefix("    ") {
            Some(line) => blocks.last_mut().unwrap().extend([line, "\n"]),
            // Output has empty lines, too.
            None if line.is_empty() => *blocks.last_mut().unwrap() += "\n",
            None => blocks.push(String::new()),
        }
    }
    blocks.into_iter().map(|block| block.trim().to_owned()).filter(|block| !block.is_empty()).collect()
}

#[test]
fn the_page_shows_what_its_commands_print() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/simulate.md")).unwrap();
    let blocks = blocks(&page);
    let block = |begins: &str| blocks.iter().find(|block| block.starts_with(begins)).unwrap();
    let folder = Folder::new();
    let behavior = "minReplicaCount: 0\n  cooldownPeriod: 600\n  advanced: {horizontalPodAutoscalerConfig: {behavior: \
                    {scaleDown: {stabilizationWindowSeconds: 60}}}}";
    let spec = block("apiVersion: keda.sh");
    folder.file("so.yaml", spec);
    folder.file("so-new.yaml", &spec.replace("minReplicaCount: 0", behavior));
    folder.file("load.csv", block("time,orders"));
    let mut shown = 0;
    for block in blocks.iter().filter(|block| block.starts_with("$ ebb simulate ")) {
        let (command, output) = block.split_once('\n').unwrap();
        let words = command.strip_prefix("$ ebb simulate ").unwrap().split(' ');
        let there = |word: &str| {
            let path = folder.0.join(word);
            if path.is_file() { path.display().to_string() } else { word.to_owned() }
        };
        let words: Vec<_> = words.map(there).collect();
        let words: Vec<_> = words.iter().map(String::as_str).chain(["--width", "72"]).collect();
        let printed = simulate(&words, "").unwrap();
        for line in output.lines().filter(|line| *line != "[…]" && !line.is_empty()) {
            assert!(printed.lines().any(|found| found == line), "{command}: {line:?} is not in:\n{printed}");
            shown += 1;
        }
    }
    assert!(shown > 40, "{shown} lines");
}
