//! The addresses of brokers in Kafka's answers. A client follows them, so they have to lead back to the proxy.

/// A port of 127.0.0.1 as Kafka writes it: a host, whose length comes before it, and four bytes.
#[derive(Debug)]
pub(super) struct Address(Vec<u8>);

impl Address {
    /// This port of 127.0.0.1.
    pub(super) fn new(port: u16) -> Self {
        Self([&b"127.0.0.1"[..], &u32::from(port).to_be_bytes()].concat())
    }

    /// Puts another in its place wherever it is in an answer. Both are as long, so the answer's other parts stay true.
    pub(super) fn replace(&self, answer: &mut [u8], other: &Self) {
        let (wanted, length) = (&self.0, self.0.len());
        let mut at = 0;
        while at + length <= answer.len() {
            if answer[at..].starts_with(wanted) {
                answer[at..at + length].copy_from_slice(&other.0);
                at += length;
            } else {
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_found_and_others_stay() {
        let (broker, proxy, another) = (Address::new(9092), Address::new(40_000), Address::new(9093));
        let text = |one: &Address, two: &Address| [b"..", &one.0[..], b"-127.0.0.1-", &two.0, &one.0].concat();
        let mut answer = text(&broker, &another);
        broker.replace(&mut answer, &proxy);
        assert_eq!(answer, text(&proxy, &another));
        let mut short = b"127.0.0.1".to_vec();
        broker.replace(&mut short, &proxy);
        assert_eq!(short, b"127.0.0.1");
    }
}
