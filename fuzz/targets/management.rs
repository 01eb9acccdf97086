//! Any answer of RabbitMQ's management API: no figures, or figures that a trigger can count with.
#![no_main]

use ebb_scalers::rabbitmq::management::figures;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|answer: &[u8]| {
    for figure in figures(answer) {
        assert!(figure >= 0.0 && !figure.is_nan(), "{figure}");
    }
});
