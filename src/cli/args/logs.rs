//! The settings of the logs: Ebb's own flags, and those of zap and klog, which KEDA's programs have.

use super::values::{Optional, flag, optional};
use crate::telemetry::logs::{Config, Format, Time};

/// The settings of the logs.
#[derive(Debug, Clone, clap::Args)]
pub struct Logs {
    /// The format of the logs.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub log_format: Format,
    /// The level (error, warn, info, debug, trace), or levels by module as in `RUST_LOG`.
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    pub log_level: String,
    /// The level in zap's syntax: debug, info, error, or a number from 1 up, where a higher number logs more. Takes
    /// precedence over --log-level.
    #[arg(long, value_name = "LEVEL", default_value = "", hide_default_value = true, value_parser = optional(level))]
    pub zap_log_level: Optional<Level>,
    /// The format in zap's syntax: console (the same as --log-format text) or json.
    #[arg(long, value_name = "FORMAT", default_value = "", hide_default_value = true, value_parser = optional(encoder))]
    pub zap_encoder: Optional<Format>,
    /// The format of times: epoch, millis, nano, iso8601, rfc3339 or rfc3339nano.
    #[arg(long, value_name = "ENCODING", default_value = "", hide_default_value = true, value_parser = optional(time))]
    pub zap_time_encoding: Optional<Time>,
    /// The same as --zap-log-level=debug --zap-encoder=console, unless those are set.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false",
        value_name = "BOOL", value_parser = flag)]
    pub zap_devel: bool,
    /// klog's verbosity, as for KEDA's metrics server: 0 for the level of --log-level, a higher number for debug.
    #[arg(short = 'v', long = "v", value_name = "NUMBER", default_value = "", hide_default_value = true, value_parser = optional(verbosity))]
    pub verbosity: Optional<Level>,
}

/// The level of Ebb's own logs. Its libraries log at one level less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The level of `--log-level`.
    Default,
    /// Errors only.
    Error,
    /// Errors, warnings and events.
    Info,
    /// Also details that help to find an error.
    Debug,
    /// Everything.
    Trace,
}

impl Logs {
    /// The configuration of the logs.
    pub fn config(&self) -> Config {
        Config { levels: self.levels(), format: self.format(), time: self.zap_time_encoding.0 }
    }

    /// The levels in the syntax of `RUST_LOG`.
    pub fn levels(&self) -> String {
        let devel = self.zap_devel.then_some(Level::Debug);
        match self.zap_log_level.0.or(devel).or(self.verbosity.0) {
            None | Some(Level::Default) if self.log_level.trim().is_empty() => "info".into(),
            None | Some(Level::Default) => self.log_level.clone(),
            Some(Level::Error) => "error".into(),
            Some(Level::Info) => "info".into(),
            Some(Level::Debug) => "info,ebb=debug,ebb_scalers=debug".into(),
            Some(Level::Trace) => "debug,ebb=trace,ebb_scalers=trace".into(),
        }
    }

    /// The format of a line, with the settings of zap taken into account.
    pub fn format(&self) -> Format {
        let devel = self.zap_devel.then_some(Format::Text);
        self.zap_encoder.0.or(devel).unwrap_or(self.log_format)
    }
}

fn level(text: &str) -> Result<Level, String> {
    match (text, text.parse::<u8>()) {
        ("debug", _) => Ok(Level::Debug),
        ("info", _) => Ok(Level::Info),
        ("error" | "panic", _) => Ok(Level::Error),
        (_, Ok(number)) => Ok(of_number(number)),
        _ => Err(format!("{text:?} is no level: it must be debug, info, error, or a number from 1 on")),
    }
}

fn verbosity(text: &str) -> Result<Level, String> {
    let number = text.parse().map_err(|_| format!("{text:?} is no level: it must be a number from 0 on"))?;
    Ok(if number == 0 { Level::Default } else { of_number(number) })
}

/// KEDA's programs hardly use a verbosity above 4.
fn of_number(number: u8) -> Level {
    match number {
        0 => Level::Info,
        1..=4 => Level::Debug,
        5.. => Level::Trace,
    }
}

fn encoder(text: &str) -> Result<Format, String> {
    match text {
        "console" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        _ => Err(format!("{text:?} is no encoder: it must be console or json")),
    }
}

fn time(text: &str) -> Result<Time, String> {
    // zap's flag ignores case.
    match text.to_ascii_lowercase().as_str() {
        "epoch" => Ok(Time::Epoch),
        "millis" => Ok(Time::Millis),
        "nano" => Ok(Time::Nano),
        "iso8601" => Ok(Time::Iso8601),
        "rfc3339" => Ok(Time::Rfc3339),
        "rfc3339nano" => Ok(Time::Rfc3339Nano),
        _ => Err(format!(
            "{text:?} is no encoding of times: it must be epoch, millis, nano, iso8601, rfc3339 or rfc3339nano"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logs() -> Logs {
        Logs {
            log_format: Format::Text,
            log_level: "warn".into(),
            zap_log_level: Optional(None),
            zap_encoder: Optional(None),
            zap_time_encoding: Optional(None),
            zap_devel: false,
            verbosity: Optional(None),
        }
    }

    #[test]
    fn zaps_level_goes_before_klogs_and_both_before_ebbs() {
        assert_eq!(logs().levels(), "warn");
        let given = |zap: &str, v: &str, devel| Logs {
            zap_log_level: optional(level)(zap).unwrap(),
            verbosity: optional(verbosity)(v).unwrap(),
            zap_devel: devel,
            ..logs()
        };
        let (debug, trace) = ("info,ebb=debug,ebb_scalers=debug", "debug,ebb=trace,ebb_scalers=trace");
        for (zap, v, devel, levels) in [
            ("info", "", false, "info"),
            ("error", "4", false, "error"),
            ("debug", "", false, debug),
            ("1", "", false, debug),
            ("9", "", false, trace),
            ("", "0", false, "warn"),
            ("", "2", false, debug),
            ("", "", true, debug),
            ("error", "", true, "error"),
        ] {
            assert_eq!(given(zap, v, devel).levels(), levels, "{zap:?} {v:?} {devel}");
        }
        assert_eq!(Logs { log_level: " ".into(), ..logs() }.levels(), "info");
    }

    #[test]
    fn the_encoder_decides_the_form() {
        let given = |zap: &str, own, devel| {
            let zap_encoder = optional(encoder)(zap).unwrap();
            Logs { zap_encoder, log_format: own, zap_devel: devel, ..logs() }.format()
        };
        assert_eq!(given("", Format::Json, false), Format::Json);
        assert_eq!(given("console", Format::Json, false), Format::Text);
        assert_eq!(given("json", Format::Text, true), Format::Json);
        assert_eq!(given("", Format::Json, true), Format::Text);
    }

    #[test]
    fn words_that_zap_does_not_know_are_refused_with_those_that_it_knows() {
        assert!(level("warn").unwrap_err().contains("must be debug, info, error"));
        assert!(level("-1").unwrap_err().contains("must be debug, info, error"));
        assert!(verbosity("high").unwrap_err().contains("a number from 0 on"));
        assert!(encoder("text").unwrap_err().contains("must be console or json"));
        assert!(time("utc").unwrap_err().contains("rfc3339nano"));
        assert_eq!(time("RFC3339"), Ok(Time::Rfc3339));
    }
}
