//! The release and the commit that this program was built from. `build.rs` finds them.

/// The release, as in `Cargo.toml`.
pub const RELEASE: &str = env!("CARGO_PKG_VERSION");
/// The git commit in hexadecimal digits, with `-dirty` if files differed from it. Empty if the build had no git.
pub const COMMIT: &str = env!("EBB_GIT_COMMIT");
/// The release, and the commit if it is known, as `ebb --version` shows them.
pub const VERSION: &str = env!("EBB_VERSION");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_names_the_release_and_the_commit() {
        let commit = if COMMIT.is_empty() { String::new() } else { format!(" (commit {COMMIT})") };
        assert_eq!(VERSION, format!("{RELEASE}{commit}"));
        let hex = COMMIT.strip_suffix("-dirty").unwrap_or(COMMIT);
        assert!(hex.is_empty() || hex.len() == 40 && hex.chars().all(|digit| digit.is_ascii_hexdigit()), "{COMMIT}");
    }
}
