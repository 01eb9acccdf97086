//! Any answer of a Kafka broker, and any log: read to the end, or refused.
#![no_main]

use ebb_scalers::kafka::read_any_answer;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|answer: &[u8]| read_any_answer(answer));
