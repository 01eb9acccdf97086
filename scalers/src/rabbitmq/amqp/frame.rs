//! Frames of AMQP 0-9-1 (sections 2.3 and 4.2), as far as Ebb needs them. Pure.
//!
//! A broker's frame is read where it lies: nothing of it is decoded but what Ebb uses, so that no table of a broker can take
//! memory or stack.

use std::fmt;

use crate::net::peer::said_bytes;

/// The largest frame, with its head and end: what Ebb proposes to the broker. It holds before anything is agreed on too.
///
/// It is the smallest that every version of RabbitMQ takes; questions about queues are a few hundred bytes.
pub(super) const LARGEST_FRAME: u32 = 8_192;
/// The bytes of a frame before its payload: type, channel and size.
pub(super) const HEAD: usize = 7;
/// The byte after each frame.
const END: u8 = 0xce;

const METHOD: u8 = 1;
const HEARTBEAT: u8 = 8;

/// The class and the number of a method.
pub(super) type MethodId = (u16, u16);

/// A method of a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// A heartbeat, and `connection.blocked` and `unblocked`, which concern publishers.
    Nothing,
    /// `connection.start`: the SASL mechanisms, separated by spaces.
    Start(&'a [u8]),
    /// `connection.secure`: a challenge.
    Secure,
    /// `connection.tune`: the most channels, the largest frame and the seconds between two heartbeats; 0 for no limit.
    Tune(u16, u32, u16),
    /// `connection.open-ok`.
    Opened,
    /// `connection.close`.
    Close(Reason<'a>),
    /// `connection.close-ok`.
    Closed,
    /// `channel.open-ok`.
    ChannelOpened,
    /// `channel.close`.
    ChannelClose(Reason<'a>),
    /// `channel.close-ok`.
    ChannelClosed,
    /// `queue.declare-ok`: the queue's name, and how many messages are ready.
    Declared(&'a [u8], u32),
    /// A method that Ebb never asks for.
    Other(MethodId),
}

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "a heartbeat",
            Self::Start(_) => "connection.start",
            Self::Secure => "connection.secure",
            Self::Tune(..) => "connection.tune",
            Self::Opened => "connection.open-ok",
            Self::Close(_) => "connection.close",
            Self::Closed => "connection.close-ok",
            Self::ChannelOpened => "channel.open-ok",
            Self::ChannelClose(_) => "channel.close",
            Self::ChannelClosed => "channel.close-ok",
            Self::Declared(..) => "queue.declare-ok",
            Self::Other((class, method)) => return write!(f, "{class}.{method}"),
        })
    }
}

/// Why a broker closes a channel or a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reason<'a> {
    /// The reply code (AMQP 0-9-1, section 1.2).
    pub(super) code: u16,
    /// The reply text.
    pub(super) text: &'a [u8],
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
        return Err(format!("the broker's answer begins with {:?}, which is no AMQP", said_bytes(&head)));
    }
    let size = u32::from_be_bytes(size);
    match usize::try_from(size).ok().filter(|_| size <= LARGEST_FRAME - 8) {
        Some(size) => Ok(HEAD + size + 1),
        None => Err(format!("an AMQP frame of {size} bytes, where {LARGEST_FRAME} are the most")),
    }
}

/// Reads a whole frame, of the size that [`frame_size`] gives: its channel, and what the broker says.
///
/// # Errors
/// It is no method and no heartbeat, or its arguments end early.
pub(super) fn read(frame: &[u8]) -> Result<(u16, Said<'_>), String> {
    let ([kind, high, low, _, _, _, _, payload @ .., END], true) = (frame, frame.len() > HEAD) else {
        return Err("an AMQP frame without an end".into());
    };
    let channel = u16::from_be_bytes([*high, *low]);
    match (*kind, payload) {
        (HEARTBEAT, []) => Ok((channel, Said::Nothing)),
        (METHOD, [c1, c2, m1, m2, arguments @ ..]) => {
            let id = (u16::from_be_bytes([*c1, *c2]), u16::from_be_bytes([*m1, *m2]));
            let said = method(id, arguments);
            said.map(|said| (channel, said)).ok_or_else(|| format!("the AMQP method {}.{} ends early", id.0, id.1))
        }
        _ => Err(format!("an AMQP frame of type {kind}, which Ebb did not ask for")),
    }
}

fn method(id: MethodId, arguments: &[u8]) -> Option<Said<'_>> {
    Some(match id {
        // Two bytes of versions, and the table in which the broker introduces itself.
        (10, 10) => {
            let (_introduction, rest) = long(arguments.get(2..)?)?;
            Said::Start(long(rest)?.0)
        }
        (10, 20) => Said::Secure,
        (10, 30) => {
            let (channels, rest) = arguments.split_first_chunk()?;
            let (frame, rest) = rest.split_first_chunk()?;
            let (heartbeat, _) = rest.split_first_chunk()?;
            Said::Tune(u16::from_be_bytes(*channels), u32::from_be_bytes(*frame), u16::from_be_bytes(*heartbeat))
        }
        (10, 41) => Said::Opened,
        (10, 50) => Said::Close(reason(arguments)?),
        (10, 51) => Said::Closed,
        (10, 60 | 61) => Said::Nothing,
        (20, 11) => Said::ChannelOpened,
        (20, 40) => Said::ChannelClose(reason(arguments)?),
        (20, 41) => Said::ChannelClosed,
        (50, 11) => {
            let (queue, rest) = short(arguments)?;
            Said::Declared(queue, u32::from_be_bytes(*rest.first_chunk()?))
        }
        id => Said::Other(id),
    })
}

fn reason(arguments: &[u8]) -> Option<Reason<'_>> {
    let (code, rest) = arguments.split_first_chunk()?;
    Some(Reason { code: u16::from_be_bytes(*code), text: short(rest)?.0 })
}

/// A text with its length in one byte before it, and what follows.
fn short(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

/// Bytes with their length in four bytes before them, and what follows.
fn long(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// Writes a method, whose arguments `write` appends.
pub(super) fn write_method(out: &mut Vec<u8>, channel: u16, id: MethodId, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(METHOD);
    out.extend(channel.to_be_bytes());
    with_length(out, |out| {
        out.extend(id.0.to_be_bytes());
        out.extend(id.1.to_be_bytes());
        write(out);
    });
    out.push(END);
}

/// Writes a heartbeat.
pub(super) fn write_heartbeat(out: &mut Vec<u8>) {
    out.extend([HEARTBEAT, 0, 0, 0, 0, 0, 0, END]);
}

/// Writes a text of at most 255 bytes. A longer one is cut.
pub(super) fn write_short(out: &mut Vec<u8>, text: &str) {
    let bytes = &text.as_bytes()[..text.len().min(usize::from(u8::MAX))];
    out.extend(u8::try_from(bytes.len()));
    out.extend(bytes);
}

/// Writes what `write` appends, with its length in four bytes before it.
pub(super) fn with_length(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let place = out.len();
    out.extend([0; 4]);
    write(out);
    let length = u32::try_from(out.len() - place - 4).unwrap_or(u32::MAX);
    out[place..place + 4].copy_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A frame with a method.
    pub(in super::super) fn method(channel: u16, class: u16, method: u16, arguments: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        write_method(&mut frame, channel, (class, method), |out| out.extend(arguments));
        frame
    }

    pub(in super::super) fn long(bytes: &[u8]) -> Vec<u8> {
        let mut with = Vec::new();
        with_length(&mut with, |out| out.extend(bytes));
        with
    }

    /// connection.start with this table.
    pub(in super::super) fn start(table: &[u8]) -> Vec<u8> {
        method(0, 10, 10, &[&[0, 9][..], &long(table), &long(b"PLAIN AMQPLAIN"), &long(b"en_US")].concat())
    }

    /// channel.close or connection.close for this reason.
    pub(in super::super) fn close(channel: u16, code: u16, text: &str) -> Vec<u8> {
        let mut arguments = code.to_be_bytes().to_vec();
        write_short(&mut arguments, text);
        arguments.extend([0, 50, 0, 10]);
        if channel == 0 { method(0, 10, 50, &arguments) } else { method(channel, 20, 40, &arguments) }
    }

    /// queue.declare-ok.
    pub(in super::super) fn declared(channel: u16, queue: &str, messages: u32) -> Vec<u8> {
        let mut arguments = Vec::new();
        write_short(&mut arguments, queue);
        arguments.extend([messages.to_be_bytes(), [0; 4]].concat());
        method(channel, 50, 11, &arguments)
    }

    #[test]
    fn a_conversation_with_a_broker_is_read() {
        let gone = Reason { code: 404, text: b"NOT_FOUND" };
        for (frame, expected) in [
            (start(b"\x04voidV"), (0, Said::Start(b"PLAIN AMQPLAIN"))),
            (method(0, 10, 20, &long(b"challenge")), (0, Said::Secure)),
            (method(0, 10, 30, &[7, 0xff, 0, 2, 0, 0, 0, 60]), (0, Said::Tune(2_047, 131_072, 60))),
            (method(0, 10, 41, &[0]), (0, Said::Opened)),
            (method(2, 20, 11, &[0; 4]), (2, Said::ChannelOpened)),
            (declared(1, "jobs", 7), (1, Said::Declared(b"jobs", 7))),
            (vec![8, 0, 0, 0, 0, 0, 0, END], (0, Said::Nothing)),
            (method(0, 10, 60, b"\x06memory"), (0, Said::Nothing)),
            (close(2, 404, "NOT_FOUND"), (2, Said::ChannelClose(gone))),
            (close(0, 404, "NOT_FOUND"), (0, Said::Close(gone))),
            (method(1, 60, 60, &[0; 12]), (1, Said::Other((60, 60)))),
        ] {
            assert_eq!(frame_size(frame[..HEAD].try_into().unwrap()), Ok(frame.len()), "{expected:?}");
            assert_eq!(read(&frame), Ok(expected));
        }
    }

    #[test]
    fn what_is_no_frame_or_a_large_one_is_refused_by_its_head() {
        for (head, says) in [
            (*b"AMQP\0\0\x09", "does not speak AMQP 0-9-1"),
            (*b"HTTP/1.", "the broker's answer begins with \"HTTP/1.\", which is no AMQP"),
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
    fn what_is_no_method_or_ends_early_is_refused() {
        for (name, frame) in [
            ("header", vec![2, 0, 1, 0, 0, 0, 1, 0, END]),
            ("a full heartbeat", vec![8, 0, 0, 0, 0, 0, 1, 0, END]),
            ("no method", vec![1, 0, 0, 0, 0, 0, 1, 0, END]),
            ("no end", vec![8, 0, 0, 0, 0, 0, 0, 0]),
            ("nothing", vec![]),
            ("start", method(0, 10, 10, &[])),
            ("a table longer than its frame", method(0, 10, 10, &[0, 9, 0xff, 0xff, 0xff, 0xff])),
            ("tune", method(0, 10, 30, &[0; 7])),
            ("close", method(0, 10, 50, b"\x01\x94\x09NOT")),
            ("declare-ok", method(1, 50, 11, b"\x04jobs\0\0\0")),
        ] {
            assert!(read(&frame).is_err(), "{name}");
        }
    }

    #[test]
    fn long_texts_are_cut_where_amqp_has_no_room_for_them() {
        let mut out = Vec::new();
        write_short(&mut out, &"x".repeat(300));
        assert_eq!((out.len(), out[0]), (256, 255));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_looked_at(head: [u8; HEAD], bytes: Vec<u8>, arguments: Vec<u8>, id in 0_u16..70, class in 0_usize..3) {
            let _ = read(&bytes);
            let _ = read(&method(1, [10, 20, 50][class], id, &arguments));
            if let Ok(size) = frame_size(head) {
                proptest::prop_assert!(size > HEAD && size <= LARGEST_FRAME as usize);
            }
        }
    }
}
