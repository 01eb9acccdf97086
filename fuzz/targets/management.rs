//! Any answer of RabbitMQ's management API: no figures, or figures that a trigger can count with, and little memory.
#![no_main]

use ebb_scalers::rabbitmq::management::figures;
use libfuzzer_sys::fuzz_target;

mod memory;

/// The memory for the queues of a page that have nothing but their place, in bytes.
const PAGE: usize = 192 << 10;

fuzz_target!(|answer: &[u8]| {
    for figure in memory::bounded(2 * answer.len() + PAGE, || figures(answer)) {
        assert!(figure >= 0.0 && !figure.is_nan(), "{figure}");
    }
});
