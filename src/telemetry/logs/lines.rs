//! Standard error, with one line for each record. The texts of brokers, of the API server and of errors with hints have
//! several lines; in the log their ends are written as `\n`.

use std::borrow::Cow;
use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

/// Makes writers that take a whole record at each write, as the subscriber gives it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines;

/// A writer of records.
#[derive(Debug)]
pub(super) struct Line(io::Stderr);

impl MakeWriter<'_> for Lines {
    type Writer = Line;

    fn make_writer(&self) -> Line {
        Line(io::stderr())
    }
}

impl Write for Line {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        self.0.write_all(&one_line(record))?;
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The record with the ends of all lines but the last one escaped.
fn one_line(record: &[u8]) -> Cow<'_, [u8]> {
    let text = record.strip_suffix(b"\n").unwrap_or(record);
    if !text.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return Cow::Borrowed(record);
    }
    let mut line = Vec::with_capacity(record.len() + 16);
    for byte in text {
        match byte {
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            other => line.push(*other),
        }
    }
    line.extend_from_slice(&record[text.len()..]);
    Cow::Owned(line)
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn a_record_is_one_line() {
        for (record, line) in [
            ("plain\n", "plain\n"),
            ("no end", "no end"),
            ("error=one\ntwo\r\nthree\n", "error=one\\ntwo\\r\\nthree\n"),
            ("a\n\n", "a\\n\n"),
            ("", ""),
        ] {
            assert_eq!(one_line(record.as_bytes()), line.as_bytes(), "{record:?}");
        }
    }
}
