//! Any answer of a Kafka broker, and any log: read to the end, or refused, with no more memory than is reserved for it.
#![no_main]

use ebb_scalers::kafka::read_any_answer;
use libfuzzer_sys::fuzz_target;

mod memory;

/// The memory of the allocator and of short error texts besides, in bytes.
const BESIDES: usize = 8 << 10;

fuzz_target!(|answer: &[u8]| memory::bounded(5 * answer.len() + BESIDES, || read_any_answer(answer)));
