//! A counter of requests in the bytes that a client sends to a broker.

/// The protocol of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// AMQP 0-9-1: a request is a method that the client sends.
    Amqp,
    /// Kafka's own: a request is a frame.
    Kafka,
}

/// AMQP's name and version, with which a client begins.
const GREETING: usize = 8;
/// The type of an AMQP frame that is a method.
const METHOD: u8 = 1;

/// The state between two pieces of a client's bytes: pieces end anywhere.
#[derive(Debug)]
pub(crate) struct Requests {
    protocol: Protocol,
    /// How many bytes come before the next header.
    skip: usize,
    /// The part of the next header that has come.
    header: Vec<u8>,
}

impl Requests {
    /// A new connection.
    pub(crate) fn new(protocol: Protocol) -> Self {
        let skip = if protocol == Protocol::Amqp { GREETING } else { 0 };
        Self { protocol, skip, header: Vec::new() }
    }

    /// How many requests begin in these bytes.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> u64 {
        let mut requests = 0;
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let missing = self.header_length() - self.header.len();
            let taken = missing.min(bytes.len());
            self.header.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if taken < missing {
                return requests;
            }
            requests += u64::from(self.is_request());
            self.skip = self.body_length();
            self.header.clear();
        }
    }

    /// AMQP: type, channel, length. Kafka: length.
    fn header_length(&self) -> usize {
        match self.protocol {
            Protocol::Amqp => 7,
            Protocol::Kafka => 4,
        }
    }

    fn is_request(&self) -> bool {
        match self.protocol {
            Protocol::Amqp => self.header[0] == METHOD,
            Protocol::Kafka => true,
        }
    }

    /// The bytes after a header: in AMQP with the mark at a frame's end.
    fn body_length(&self) -> usize {
        let length = self.header[self.header_length() - 4..].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        match self.protocol {
            Protocol::Amqp => length + 1,
            Protocol::Kafka => length,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amqp(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind, 0, 1][..], &length, body, &[0xce]].concat()
    }

    /// However the bytes are cut, the count is the same.
    fn counts(protocol: Protocol, bytes: &[u8]) -> u64 {
        let whole = Requests::new(protocol).feed(bytes);
        for size in 1..bytes.len() {
            let mut requests = Requests::new(protocol);
            let cut: u64 = bytes.chunks(size).map(|piece| requests.feed(piece)).sum();
            assert_eq!(cut, whole, "in pieces of {size}");
        }
        whole
    }

    #[test]
    fn methods_of_amqp_count_and_heartbeats_do_not() {
        let bytes = [
            b"AMQP\x00\x00\x09\x01".to_vec(),
            amqp(1, &[0, 10, 0, 11, 1, 1, 1]),
            amqp(8, &[]),
            amqp(1, &[0, 50, 0, 10]),
            amqp(2, &[1, 1, 1, 1]), // A content's header.
            amqp(1, &[]),
        ];
        assert_eq!(counts(Protocol::Amqp, &bytes.concat()), 3);
        assert_eq!(counts(Protocol::Amqp, b"AMQP\x00\x00\x09\x01"), 0);
    }

    #[test]
    fn frames_of_kafka_count() {
        let bytes = [&[0, 0, 0, 3, 1, 1, 1][..], &[0, 0, 0, 0], &[0, 0, 1, 1], &[1; 257], &[0, 0, 0, 1, 9]];
        assert_eq!(counts(Protocol::Kafka, &bytes.concat()), 4);
    }
}
