//! Counts the memory that an input takes, in every target that reads the bytes of a peer.

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Reads an input, and fails where that takes more than `most` bytes at any moment.
pub fn bounded<T>(most: usize, read: impl FnOnce() -> T) -> T {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let read = read();
    let took = ALLOCATOR.peak_usage().saturating_sub(before);
    assert!(took <= most, "{took} bytes of memory, where {most} are the most");
    read
}
