//! `ebb cron`: the answer to "when is this on?", for one cron trigger or for a batch of them.
//!
//! Asks the same [`Window`] that the trigger asks. Needs no cluster, and knows the time only from its caller.

use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Write};

use chrono::{DateTime, Datelike as _, SecondsFormat, Utc};
use ebb_scalers::cron::schedule::ANSWERABLE_YEARS;
use ebb_scalers::cron::window::lead::lead_time;
use ebb_scalers::cron::window::{Window, WindowError};

use crate::cli::args::Cron;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CronError {
    /// There is no such window.
    #[error("{0}\n{hint}", hint = .0.hint())]
    Window(#[from] WindowError),
    /// Standard input cannot be read, or standard output cannot be written.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Answers `question`, at `now` unless it names an instant. A reader of `output` that has seen enough is no error.
///
/// # Errors
/// A window that there cannot be, or a stream that fails. A wrong line of a batch is none: its answer has the error.
pub fn run(question: &Cron, now: DateTime<Utc>, input: impl Read, output: impl Write) -> Result<(), CronError> {
    let mut output = BufWriter::new(output);
    let done = if question.batch { batch(input, &mut output) } else { single(question, now, &mut output) };
    match done.and_then(|()| Ok(output.flush()?)) {
        Err(CronError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// Reads an instant such as `2026-03-29T00:30:00Z`.
///
/// # Errors
/// Text in another form than RFC 3339's, and years that the calendar does not have.
pub fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    let instant = DateTime::parse_from_rfc3339(text)
        .map_err(|error| format!("{text:?} is no instant such as 2026-03-29T00:30:00Z: {error}"))?
        .to_utc();
    if ANSWERABLE_YEARS.contains(&instant.year()) {
        return Ok(instant);
    }
    let (first, last) = (ANSWERABLE_YEARS.start(), ANSWERABLE_YEARS.end());
    Err(format!("{text:?} is outside the calendar: give an instant of the years {first} to {last}"))
}

fn single(question: &Cron, now: DateTime<Utc>, output: &mut impl Write) -> Result<(), CronError> {
    // The command line has seen to it that all three are given.
    let given = |value: &Option<String>| value.as_deref().unwrap_or_default().trim().to_owned();
    let window = Window::parse(&given(&question.timezone), &given(&question.start), &given(&question.end))?;
    let window = window.opened_earlier(lead_time(&given(&question.lead_time))?);
    let mut instant = question.at.unwrap_or(now);
    let mut open = window.active(instant);
    writeln!(output, "the window is {} at {}", if open { "open" } else { "closed" }, moment(&window, instant))?;
    for _ in 0..question.count {
        let Some(edge) = window.next_edge(instant) else {
            writeln!(output, "no further opening or closing is in sight")?;
            break;
        };
        (instant, open) = (edge, !open);
        writeln!(output, "{:<6}  {}", if open { "opens" } else { "closes" }, moment(&window, instant))?;
    }
    Ok(())
}

/// An instant as the clocks of the window's time zone show it, and in UTC.
fn moment(window: &Window, instant: DateTime<Utc>) -> String {
    let there = instant.with_timezone(&window.time_zone());
    format!("{}  {}", there.format("%a %Y-%m-%d %H:%M:%S %:z"), utc(instant))
}

fn utc(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// Answers each line with a line, and never keeps an answer back while it waits for the next question.
fn batch(input: impl Read, output: &mut impl Write) -> Result<(), CronError> {
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    loop {
        if input.buffer().is_empty() {
            output.flush()?;
        }
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        match answer(&String::from_utf8_lossy(&line)) {
            Ok(answer) => writeln!(output, "{answer}")?,
            // A line stays a line with every error.
            Err(error) => writeln!(output, "error: {}", error.replace(char::is_control, " "))?,
        }
    }
}

/// The answer to one line of a batch, or its mistake.
fn answer(line: &str) -> Result<String, String> {
    let columns: Vec<&str> = line.trim_end_matches(['\r', '\n']).split('\t').map(str::trim).collect();
    let [timezone, start, end, at] = columns[..] else {
        let found = if line.trim().is_empty() { 0 } else { columns.len() };
        return Err(format!("expected 4 columns separated by tabs (timezone, start, end, instant), found {found}"));
    };
    if timezone.is_empty() {
        return Err("the time zone is empty".to_owned());
    }
    let window = Window::parse(timezone, start, end).map_err(|error| error.to_string())?;
    let at = instant(at)?;
    let next = |next: Option<DateTime<Utc>>| next.map_or_else(|| "never".to_owned(), utc);
    Ok(format!("{}\t{}\t{}", next(window.next_start(at)), next(window.next_end(at)), window.active(at)))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::{Args, Command};

    fn ask(arguments: &[&str], input: &[u8]) -> Result<String, String> {
        let all = ["ebb", "cron"].iter().chain(arguments);
        let Command::Cron(question) = Args::try_parse_from(all).map_err(|error| error.to_string())?.command else {
            unreachable!("the command is cron")
        };
        let now = "2026-03-28T12:00:00Z".parse().unwrap();
        let mut output = Vec::new();
        run(&question, now, input, &mut output).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(output).unwrap())
    }

    const OFFICE: [&str; 6] = ["--timezone", "Europe/London", "--start", "0 8 * * 1-5", "--end", "0 18 * * 1-5"];

    #[test]
    fn one_window_and_its_next_edges_in_local_time_and_utc() {
        let at = [&OFFICE[..], &["--at", "2026-03-27T09:30:00Z", "-n", "3"]].concat();
        assert_eq!(
            ask(&at, b"").unwrap(),
            "the window is open at Fri 2026-03-27 09:30:00 +00:00  2026-03-27T09:30:00Z\n\
             closes  Fri 2026-03-27 18:00:00 +00:00  2026-03-27T18:00:00Z\n\
             opens   Mon 2026-03-30 08:00:00 +01:00  2026-03-30T07:00:00Z\n\
             closes  Mon 2026-03-30 18:00:00 +01:00  2026-03-30T17:00:00Z\n"
        );
    }

    #[test]
    fn without_an_instant_now_counts_and_five_edges_follow() {
        let answer = ask(&OFFICE, b"").unwrap();
        assert!(answer.starts_with("the window is closed at Sat 2026-03-28 12:00:00 +00:00"), "{answer}");
        assert_eq!(answer.lines().count(), 6, "{answer}");
    }

    #[test]
    fn a_window_that_never_opens_says_so() {
        let never = ["--timezone", "UTC", "--start", "0 0 30 2 *", "--end", "0 8 * * *"];
        let answer = ask(&never, b"").unwrap();
        assert_eq!(answer.lines().nth(1), Some("no further opening or closing is in sight"), "{answer}");
    }

    #[test]
    fn what_is_wrong_has_kedas_text_and_a_hint() {
        for (option, value, text) in [
            (1, "Europe/Lodnon", "unable to load timezone: unknown time zone Europe/Lodnon\na time zone is a name of"),
            (
                3,
                "0 8 * *",
                "error parsing start schedule: expected exactly 5 fields, found 4: [0 8 * *]\nstart has five",
            ),
            (5, "0 24 * * *", "error parsing end schedule: end of range (24) above maximum (23): 24\nend has five"),
            (5, "0 8 * * 1-5", "start and end can not have exactly same time input\ngive an end that differs"),
        ] {
            let mut arguments = OFFICE;
            arguments[option] = value;
            let error = ask(&arguments, b"").unwrap_err();
            assert!(error.starts_with(text), "{error}");
        }
    }

    #[test]
    fn the_command_line_refuses_half_a_question() {
        for arguments in [
            &OFFICE[..4],
            &[],
            &["--batch", "--timezone", "UTC"],
            &["--batch", "--at", "2026-03-27T09:30:00Z"],
            &[&OFFICE[..], &["--at", "tomorrow"]].concat(),
            &[&OFFICE[..], &["--at", "2095-01-01T00:00:00Z"]].concat(),
        ] {
            assert!(ask(arguments, b"").is_err(), "{arguments:?}");
        }
    }

    /// Each line of a batch and its answer.
    const LINES: [(&[u8], &str); 18] = [
        (
            b"Europe/London\t0 8 * * 1-5\t0 18 * * 1-5\t2026-03-27T09:30:00Z",
            "2026-03-30T07:00:00Z\t2026-03-27T18:00:00Z\ttrue",
        ),
        // A start in the gap from 01:00 to 02:00.
        (
            b"Europe/London\t30 1 * * *\t0 9 * * *\t2026-03-28T12:00:00Z",
            "2026-03-29T01:00:00Z\t2026-03-29T08:00:00Z\tfalse",
        ),
        (b"UTC\t0 8 * * *\t0 18 * * *\t2026-03-27T10:30:00+01:00", "2026-03-28T08:00:00Z\t2026-03-27T18:00:00Z\ttrue"),
        (b"UTC\t0 8 * * *\t0 18 * * *\t2026-03-27T09:30:00Z\r", "2026-03-28T08:00:00Z\t2026-03-27T18:00:00Z\ttrue"),
        (b" UTC \t 0 8 * * *\t0 18 * * * \t 2026-03-27T09:30:00Z ", "2026-03-28T08:00:00Z\t2026-03-27T18:00:00Z\ttrue"),
        (b"UTC\t0 0 30 2 *\t0 18 * * *\t2026-03-27T09:30:00Z", "never\t2026-03-27T18:00:00Z\tfalse"),
        (b"UTC\t0 8 29 2 *\t0 0 31 2 *\t2026-03-27T09:30:00Z", "2028-02-29T08:00:00Z\tnever\tfalse"),
        (b"", "error: expected 4 columns separated by tabs (timezone, start, end, instant), found 0"),
        (b"\r", "error: expected 4 columns separated by tabs (timezone, start, end, instant), found 0"),
        (
            b"UTC\t0 8 * * *\t0 18 * * *",
            "error: expected 4 columns separated by tabs (timezone, start, end, instant), found 3",
        ),
        (
            b"UTC\t0 8 * * *\t0 18 * * *\t2026-03-27T09:30:00Z\ttrue",
            "error: expected 4 columns separated by tabs (timezone, start, end, instant), found 5",
        ),
        (b"\t0 8 * * *\t0 18 * * *\t2026-03-27T09:30:00Z", "error: the time zone is empty"),
        (
            b"Mars/\x07Olympus\t0 8 * * *\t0 18 * * *\t2026-03-27T09:30:00Z",
            "error: unable to load timezone: unknown time zone Mars/ Olympus",
        ),
        (
            b"\xff\xfe\t0 8 * * *\t0 18 * * *\t2026-03-27T09:30:00Z",
            "error: unable to load timezone: unknown time zone \u{fffd}\u{fffd}",
        ),
        (
            b"UTC\t0 8 * *\t0 18 * * *\t2026-03-27T09:30:00Z",
            "error: error parsing start schedule: expected exactly 5 fields, found 4: [0 8 * *]",
        ),
        (
            b"UTC\t0 8 * * *\t0 18 * * *\tnoon",
            "error: \"noon\" is no instant such as 2026-03-29T00:30:00Z: premature end of input",
        ),
        (
            b"UTC\t0 8 * * *\t0 18 * * *\t1970-12-31T23:59:59Z",
            "error: \"1970-12-31T23:59:59Z\" is outside the calendar: give an instant of the years 1971 to 2094",
        ),
        (b"UTC\t0 8 * * *\t0 18 * * *\t2094-12-31T23:59:59Z", "2095-01-01T08:00:00Z\t2095-01-01T18:00:00Z\tfalse"),
    ];

    #[test]
    fn each_line_of_a_batch_has_its_answer() {
        let input = LINES.map(|(line, _)| line).join(&b'\n');
        let answers = ask(&["--batch"], &[&input[..], b"\n"].concat()).unwrap();
        assert_eq!(answers.lines().collect::<Vec<_>>(), LINES.map(|(_, answer)| answer));
        // The last line may do without its end.
        assert_eq!(ask(&["--batch"], &input).unwrap(), answers);
        assert_eq!(ask(&["--batch"], b"").unwrap(), "");
    }

    /// Gives one line at a time, and looks at what has been answered before it gives the next.
    struct Patient<'a> {
        answers: &'a std::cell::RefCell<Vec<u8>>,
        lines: usize,
    }

    impl Read for Patient<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let answered = self.answers.borrow().split_inclusive(|byte| *byte == b'\n').count();
            assert_eq!(answered, self.lines, "an answer is kept back");
            if self.lines == 3 {
                return Ok(0);
            }
            self.lines += 1;
            (&b"no question\n"[..]).read(buffer)
        }
    }

    struct Shared<'a>(&'a std::cell::RefCell<Vec<u8>>);

    impl Write for Shared<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_batch_answers_before_it_waits() {
        let answers = std::cell::RefCell::default();
        batch(Patient { answers: &answers, lines: 0 }, &mut BufWriter::new(Shared(&answers))).unwrap();
        assert_eq!(answers.borrow().split_inclusive(|byte| *byte == b'\n').count(), 3);
    }
}
