//! How much a long end-to-end test does: a small form in `make test`, the full one in `make soak`.

use std::env;

/// The variable that asks for the full size. `make soak` sets it.
const FULL: &str = "EBB_FULL_SIZE";

/// Whether this run has the full size.
pub fn is_full() -> bool {
    env::var_os(FULL).is_some_and(|value| !value.is_empty())
}

/// The small or the full one, as this run has it. Both check the same.
pub fn choose<T>(small: T, full: T) -> T {
    if is_full() { full } else { small }
}
