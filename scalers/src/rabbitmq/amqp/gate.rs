//! Which frames of a broker reach the AMQP library (AMQP 0-9-1, sections 2.3 and 4.2). Pure.
//!
//! The library decodes what fits into its buffers before it looks at any limit: 256 KiB, of which nested tables would use up
//! its stack and arrays of nothing thirty times the memory. So each frame is looked at here, as a whole, before it gets any
//! of it. Only answers to what Ebb asks pass, and of those not more than make sense.

use crate::net::peer::said_bytes;

/// The largest frame, with its head and end: what Ebb proposes to the broker. It holds before anything is agreed on too.
///
/// It is the smallest that every version of RabbitMQ takes; questions about queues are a few hundred bytes. lapin's buffers are
/// 64 times as large: 0.5 MB for a connection, where the broker's own proposal of 128 KiB makes it 8 MB.
pub(super) const LARGEST_FRAME: u32 = 8_192;
/// Type, channel and size.
pub(super) const HEAD: usize = 7;
/// The byte after each frame.
const END: u8 = 0xce;
/// What a broker may say before it has let the client in, in bytes.
const LONGEST_WELCOME: usize = 64 << 10;
/// The values in the table with which a broker introduces itself, and how deep they may lie. RabbitMQ has some twenty, of
/// which the deepest lie in the second table.
const VALUES: usize = 256;
const DEPTH: usize = 8;

const METHOD: u8 = 1;
const HEARTBEAT: u8 = 8;

/// What has passed so far.
#[derive(Debug, Default)]
pub(super) struct Gate {
    welcome: usize,
    is_open: bool,
    started: bool,
    tuned: bool,
    /// The channels that are open, which a broker may close.
    channels: Vec<u16>,
}

/// The size of the frame, head and end included, that begins with these bytes.
///
/// # Errors
/// It is no frame, or one that is too large.
pub(super) fn frame_size(head: [u8; HEAD]) -> Result<usize, String> {
    let [kind, _, _, size @ ..] = head;
    if head.starts_with(b"AMQP") {
        return Err("the broker does not speak AMQP 0-9-1".into());
    }
    if !matches!(kind, 1..=3 | HEARTBEAT) {
        return Err(format!("what begins with {:?} is no AMQP", said_bytes(&head)));
    }
    let size = u32::from_be_bytes(size);
    match usize::try_from(size).ok().filter(|_| size <= LARGEST_FRAME - 8) {
        Some(size) => Ok(HEAD + size + 1),
        None => Err(format!("an AMQP frame of {size} bytes, where {LARGEST_FRAME} are the most")),
    }
}

impl Gate {
    /// Whether the broker has let the client in.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Looks at a whole frame, of the size that [`frame_size`] says.
    ///
    /// # Errors
    /// It is none that Ebb waits for.
    pub(super) fn check(&mut self, frame: &[u8]) -> Result<(), String> {
        let ([kind, high, low, _, _, _, _, payload @ .., END], true) = (frame, frame.len() > HEAD) else {
            return Err("an AMQP frame without an end".into());
        };
        if !self.is_open {
            self.welcome += frame.len();
            if self.welcome > LONGEST_WELCOME {
                return Err(format!("more than {LONGEST_WELCOME} bytes before the connection is open"));
            }
        }
        let channel = u16::from_be_bytes([*high, *low]);
        match (*kind, payload) {
            (HEARTBEAT, []) => Ok(()),
            (METHOD, [c1, c2, m1, m2, arguments @ ..]) => {
                let method = (u16::from_be_bytes([*c1, *c2]), u16::from_be_bytes([*m1, *m2]));
                self.check_method(channel, method, arguments)
            }
            _ => Err(format!("an AMQP frame of type {kind}, which nobody asked for")),
        }
    }

    fn check_method(&mut self, channel: u16, method: (u16, u16), arguments: &[u8]) -> Result<(), String> {
        let expected = match method {
            // connection.start, once; secure; tune, once; open-ok.
            (10, 10) if !std::mem::replace(&mut self.started, true) => {
                return Values(VALUES)
                    .check_start(arguments)
                    .ok_or_else(|| "a connection.start with too much in it".into());
            }
            (10, 20) => !self.is_open,
            (10, 30) => !std::mem::replace(&mut self.tuned, true),
            (10, 41) => !std::mem::replace(&mut self.is_open, true),
            // connection.close, close-ok, blocked, unblocked.
            (10, 50 | 51 | 60 | 61) => true,
            // channel.open-ok: Ebb has two or three channels.
            (20, 11) if self.channels.len() < 16 && !self.channels.contains(&channel) => {
                self.channels.push(channel);
                true
            }
            // channel.close and close-ok. The first has an answer, so there is one for each channel.
            (20, 40 | 41) => {
                let open = self.channels.iter().position(|open| *open == channel);
                open.map(|place| self.channels.swap_remove(place)).is_some() || method.1 == 41
            }
            // queue.declare-ok.
            (50, 11) => self.channels.contains(&channel),
            _ => false,
        };
        let (class, method) = method;
        if expected { Ok(()) } else { Err(format!("the AMQP method {class}.{method}, which nobody asked for")) }
    }
}

/// How many more values there may be.
struct Values(usize);

impl Values {
    /// Versions, a table, and two texts.
    fn check_start(&mut self, arguments: &[u8]) -> Option<()> {
        let (table, _texts) = long(arguments.get(2..)?)?;
        self.check_table(table, DEPTH)
    }

    fn check_table(&mut self, mut table: &[u8], depth: usize) -> Option<()> {
        while let Some((length, rest)) = table.split_first() {
            let (_name, rest) = rest.split_at_checked(usize::from(*length))?;
            table = self.check_value(rest, depth)?;
        }
        Some(())
    }

    fn check_array(&mut self, mut array: &[u8], depth: usize) -> Option<()> {
        while !array.is_empty() {
            array = self.check_value(array, depth)?;
        }
        Some(())
    }

    /// What follows a value. The letters are RabbitMQ's (rabbitmq.com, "AMQP 0-9-1 Errata").
    fn check_value<'a>(&mut self, bytes: &'a [u8], depth: usize) -> Option<&'a [u8]> {
        self.0 = self.0.checked_sub(1)?;
        let (letter, bytes) = bytes.split_first()?;
        let size = match letter {
            b'V' => 0,
            b't' | b'b' | b'B' => 1,
            b's' | b'U' | b'u' => 2,
            b'I' | b'i' | b'f' => 4,
            b'D' => 5,
            b'L' | b'l' | b'd' | b'T' => 8,
            b'S' | b'x' => return long(bytes).map(|(_, rest)| rest),
            b'F' | b'A' => {
                let (inner, rest) = long(bytes)?;
                let depth = depth.checked_sub(1)?;
                if *letter == b'F' {
                    self.check_table(inner, depth)?;
                } else {
                    self.check_array(inner, depth)?;
                }
                return Some(rest);
            }
            _ => return None,
        };
        bytes.get(size..)
    }
}

/// What has its length before it, and what follows.
fn long(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A frame with a method.
    pub(in super::super) fn method(channel: u16, class: u16, method: u16, arguments: &[u8]) -> Vec<u8> {
        let mut payload = [class.to_be_bytes(), method.to_be_bytes()].concat();
        payload.extend(arguments);
        frame(METHOD, channel, &payload)
    }

    fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![kind];
        frame.extend(channel.to_be_bytes());
        frame.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
        frame.extend(payload);
        frame.push(END);
        frame
    }

    fn with_length(bytes: &[u8]) -> Vec<u8> {
        [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
    }

    /// connection.start with this table.
    pub(in super::super) fn start(table: &[u8]) -> Vec<u8> {
        method(
            0,
            10,
            10,
            &[&[0, 9][..], &with_length(table), &with_length(b"PLAIN AMQPLAIN"), &with_length(b"en_US")].concat(),
        )
    }

    /// A table in a table and so on.
    pub(in super::super) fn nested(letter: u8, depth: usize) -> Vec<u8> {
        let mut inner = Vec::new();
        for _ in 0..depth {
            let name: &[u8] = if letter == b'F' { b"\x00" } else { b"" };
            inner = [name, &[letter], &with_length(&inner)].concat();
        }
        // The outermost is a value of the table.
        if letter == b'F' { inner } else { [b"\x01a", &inner[..]].concat() }
    }

    fn rabbitmq() -> Vec<u8> {
        let capabilities = b"\x12publisher_confirmst\x01\x0abasic.nackt\x01";
        let values = [
            &b"\x0ccapabilitiesF"[..],
            &with_length(capabilities),
            b"\x07productS",
            &with_length(b"RabbitMQ"),
            b"\x04evenD\x01\0\0\0\x05\x03logl\0\0\0\0\0\0\0\x01\x04voidV\x05shorts\0\x01\x01iI\0\0\0\x01",
        ];
        start(&values.concat())
    }

    #[test]
    fn a_conversation_with_a_broker_passes() {
        let mut gate = Gate::default();
        for (name, frame) in [
            ("start", rabbitmq()),
            ("secure", method(0, 10, 20, &with_length(b"challenge"))),
            ("tune", method(0, 10, 30, &[7, 0xff, 0, 2, 0, 0, 0, 60])),
            ("open-ok", method(0, 10, 41, &[0])),
            ("channel.open-ok", method(1, 20, 11, &[0; 4])),
            ("channel.open-ok", method(2, 20, 11, &[0; 4])),
            ("declare-ok", method(1, 50, 11, b"\x04jobs\0\0\0\x07\0\0\0\0")),
            ("heartbeat", frame(HEARTBEAT, 0, &[])),
            ("blocked", method(0, 10, 60, b"\x06memory")),
            ("unblocked", method(0, 10, 61, &[])),
            ("channel.close", method(2, 20, 40, b"\x01\x94\x09NOT_FOUND\0\x32\0\x0a")),
            ("channel.open-ok", method(2, 20, 11, &[0; 4])),
            ("close", method(0, 10, 50, b"\x01\x40\x06CLOSED\0\0\0\0")),
        ] {
            assert_eq!(frame_size(frame[..HEAD].try_into().unwrap()), Ok(frame.len()), "{name}");
            assert_eq!(gate.check(&frame), Ok(()), "{name}");
        }
        assert!(gate.is_open());
    }

    #[test]
    fn what_is_no_frame_or_a_large_one_is_refused_by_its_head() {
        for (head, says) in [
            (*b"AMQP\0\0\x09", "does not speak AMQP 0-9-1"),
            (*b"HTTP/1.", "what begins with \"HTTP/1.\" is no AMQP"),
            ([0x15, 3, 3, 0, 2, 2, 70], "is no AMQP"),
            ([1, 0, 0, 0, 0, 0x1f, 0xf9], "a frame of 8185 bytes"),
            ([1, 0, 0, 0xff, 0xff, 0xff, 0xff], "a frame of 4294967295 bytes"),
        ] {
            let error = frame_size(head).unwrap_err().replace("an AMQP frame", "a frame");
            assert!(error.contains(says), "{error}");
        }
        assert_eq!(frame_size([1, 0, 0, 0, 0, 0x1f, 0xf8]), Ok(8_192));
    }

    #[test]
    fn an_introduction_has_few_values_and_they_do_not_lie_deep() {
        for (table, passes) in [
            (vec![], true),
            (nested(b'F', DEPTH), true),
            (nested(b'F', DEPTH + 1), false),
            (nested(b'A', DEPTH), true),
            (nested(b'A', DEPTH + 1), false),
            (nested(b'A', 1_500), false),
            (b"\x01aV".repeat(VALUES), true),
            (b"\x01aV".repeat(VALUES + 1), false),
            ([b"\x01aA", &with_length(&b"V".repeat(5_000))[..]].concat(), false),
            (b"\x01aQ".to_vec(), false),
            (b"\x01aS\xff\xff\xff\xff".to_vec(), false),
            (b"\x09a".to_vec(), false),
        ] {
            let checked = Gate::default().check(&start(&table));
            assert_eq!(checked.is_ok(), passes, "{table:?}: {checked:?}");
        }
        assert!(Gate::default().check(&method(0, 10, 10, &[])).is_err());
    }

    #[test]
    fn what_nobody_asked_for_is_refused() {
        let opened = || Gate { is_open: true, started: true, tuned: true, channels: vec![1], ..Gate::default() };
        for (name, frame) in [
            ("start", rabbitmq()),
            ("secure", method(0, 10, 20, &with_length(b""))),
            ("tune", method(0, 10, 30, &[0; 8])),
            ("open-ok", method(0, 10, 41, &[0])),
            ("channel.open-ok", method(1, 20, 11, &[0; 4])),
            ("channel.flow", method(1, 20, 20, &[1])),
            ("channel.close", method(2, 20, 40, b"\0\0\0\0\0\0\0")),
            ("declare-ok", method(2, 50, 11, b"\0\0\0\0\0\0\0\0\0")),
            ("deliver", method(1, 60, 60, &[0; 12])),
            ("return", method(1, 60, 50, &[0; 12])),
            ("header", frame(2, 1, &[0; 14])),
            ("body", frame(3, 1, &[0; 100])),
            ("a full heartbeat", frame(HEARTBEAT, 0, &[0])),
            ("no method", frame(METHOD, 0, &[0])),
            ("no end", [&frame(HEARTBEAT, 0, &[])[..7], &[0]].concat()),
            ("nothing", vec![]),
        ] {
            assert!(opened().check(&frame).is_err(), "{name}");
        }
    }

    #[test]
    fn a_channel_is_closed_once_and_channels_are_few() {
        let mut gate = Gate { is_open: true, ..Gate::default() };
        let close = method(1, 20, 40, b"\x01\x94\x09NOT_FOUND\0\x32\0\x0a");
        for _ in 0..100 {
            assert_eq!(gate.check(&method(1, 20, 11, &[0; 4])), Ok(()));
            assert_eq!(gate.check(&close), Ok(()));
            assert!(gate.check(&close).is_err());
        }
        let opened = (1..100).take_while(|channel| gate.check(&method(*channel, 20, 11, &[0; 4])).is_ok());
        assert_eq!(opened.count(), 16);
    }

    #[test]
    fn a_broker_that_does_not_let_in_has_an_end() {
        let mut gate = Gate::default();
        let secure = method(0, 10, 20, &with_length(&[0; 1_000]));
        let passed = (0..1_000).take_while(|_| gate.check(&secure).is_ok()).count();
        assert_eq!(passed, LONGEST_WELCOME / secure.len());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_looked_at(table: Vec<u8>, head: [u8; HEAD], bytes: Vec<u8>) {
            let _ = Gate::default().check(&start(&table));
            let _ = Gate::default().check(&bytes);
            if let Ok(size) = frame_size(head) {
                proptest::prop_assert!(size > HEAD && size <= LARGEST_FRAME as usize);
            }
        }
    }
}
