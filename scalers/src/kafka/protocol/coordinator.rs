//! `FindCoordinator`: the broker that keeps a group's offsets.

use super::address::Address;
use super::api::Request;
use super::codec::{Malformed, Reader, Writer};
use super::error::Code;

/// Asks for the broker that keeps the offsets of this group.
pub(in crate::kafka) struct FindCoordinator<'a> {
    pub(super) group: &'a str,
}

impl Request for FindCoordinator<'_> {
    const KEY: i16 = 10;
    const NAME: &'static str = "FindCoordinator";
    type Answer = Result<Address, Code>;

    fn version(&self) -> i16 {
        1
    }

    fn write(&self, to: &mut Writer) {
        to.string(self.group);
        // A group's, not a transaction's.
        to.i8(0);
    }

    fn read(&self, from: &mut Reader<'_>) -> Result<Self::Answer, Malformed> {
        let _throttle_time_ms = from.i32()?;
        let checked = Code::check(from.i16()?);
        // The broker's own words for the code.
        from.skip_string()?;
        let _number = from.i32()?;
        let (host, port) = (from.string()?, from.i32()?);
        match checked {
            Ok(()) => Address::of(host, port).map(Ok).ok_or(Malformed("a broker has no address")),
            Err(code) => Ok(Err(code)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coordinator_is_found_or_there_is_none_at_the_moment() {
        let read = |answer: &[u8]| FindCoordinator { group: "g" }.read(&mut Reader::new(answer));
        let found = b"\0\0\0\0\0\0\xff\xff\0\0\0\x01\0\x01k\0\0\x23\x84";
        assert_eq!(read(found).unwrap().unwrap().to_string(), "k:9092");
        let none = b"\0\0\0\0\0\x0f\xff\xff\xff\xff\xff\xff\0\0\xff\xff\xff\xff";
        assert_eq!(read(none).unwrap(), Err(Code::check(15).unwrap_err()));
        assert!(read(&found[..18]).is_err());
    }
}
