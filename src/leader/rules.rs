//! Decides what a replica does about a Lease, by client-go's rules (`k8s.io/client-go/tools/leaderelection`). Pure.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::LeaseSpec;

/// The action of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// This replica holds the Lease: renew it.
    Renew,
    /// Nobody holds the Lease, or it was not renewed for its duration: take it.
    Take,
    /// Another replica holds the Lease, for at least this time.
    Wait(Duration),
}

/// The action for a Lease that has been unchanged for some time. The time is measured by this replica's clock, because the
/// clocks of other machines may differ.
pub fn judge(lease: &LeaseSpec, me: &str, unchanged: Duration, own_duration: Duration) -> Verdict {
    let holder = lease.holder_identity.as_deref().unwrap_or_default();
    if holder == me {
        return Verdict::Renew;
    }
    if holder.is_empty() {
        return Verdict::Take;
    }
    let seconds = lease.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    let duration = seconds.map_or(own_duration, Duration::from_secs);
    match duration.checked_sub(unchanged) {
        Some(left) if !left.is_zero() => Verdict::Wait(left),
        _ => Verdict::Take,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // A panic is how a test fails.

    use proptest::prelude::*;

    use super::*;

    fn lease(holder: Option<&str>, seconds: Option<i32>) -> LeaseSpec {
        LeaseSpec {
            holder_identity: holder.map(str::to_owned),
            lease_duration_seconds: seconds,
            ..LeaseSpec::default()
        }
    }

    #[test]
    fn a_lease_is_taken_when_it_is_free_or_over() {
        let s = Duration::from_secs;
        for (holder, seconds, unchanged, verdict) in [
            (Some("me"), Some(15), 0, Verdict::Renew),
            (Some("me"), Some(15), 99, Verdict::Renew),
            (None, None, 0, Verdict::Take),
            (Some(""), Some(1), 0, Verdict::Take),
            (Some("other"), Some(15), 0, Verdict::Wait(s(15))),
            (Some("other"), Some(15), 14, Verdict::Wait(s(1))),
            (Some("other"), Some(15), 15, Verdict::Take),
            // The duration in the other replica's Lease counts, not that of this replica.
            (Some("other"), Some(60), 15, Verdict::Wait(s(45))),
            (Some("other"), None, 9, Verdict::Wait(s(1))),
            (Some("other"), Some(-1), 9, Verdict::Wait(s(1))),
            (Some("other"), Some(0), 0, Verdict::Take),
        ] {
            assert_eq!(judge(&lease(holder, seconds), "me", s(unchanged), s(10)), verdict, "{holder:?} {seconds:?}");
        }
    }

    const LEASE: u64 = 15;
    const DEADLINE: u64 = 10;

    /// A replica in a world of whole seconds: what it has seen of the Lease, and until when it writes.
    #[derive(Debug, Default, Clone)]
    struct Replica {
        seen: Option<(u64, u64)>,
        until: u64,
        /// It stands still, as after SIGSTOP, until then.
        stopped: u64,
        /// The answer to its last write comes then, with what it allows.
        answer: Option<(u64, u64)>,
    }

    proptest! {
        /// Replicas that stop at any moment and whose answers are late never write at the same time.
        #[test]
        fn there_are_never_two_writers(
            steps in prop::collection::vec((0..3_usize, 0..40_u64, 0..12_u64), 1..400),
        ) {
            let mut replicas = vec![Replica::default(); 3];
            // The holder, and a version that each write raises.
            let (mut holder, mut version) = (None::<usize>, 0_u64);
            for (now, (one, stop, delay)) in steps.into_iter().enumerate() {
                let now = now as u64;
                if stop < 20 {
                    replicas[one].stopped = now + stop;
                }
                for number in 0..replicas.len() {
                    if replicas[number].stopped > now {
                        continue;
                    }
                    if let Some((at, until)) = replicas[number].answer {
                        if at > now {
                            continue;
                        }
                        replicas[number].answer = None;
                        replicas[number].until = until;
                    }
                    let seen = replicas[number].seen.filter(|(seen, _)| *seen == version).unwrap_or((version, now));
                    replicas[number].seen = Some(seen);
                    let names = ["a", "b", "c"];
                    let found = lease(holder.map(|holder| names[holder]), Some(15));
                    let unchanged = Duration::from_secs(now - seen.1);
                    match judge(&found, names[number], unchanged, Duration::from_secs(LEASE)) {
                        Verdict::Renew | Verdict::Take => {
                            (holder, version) = (Some(number), version + 1);
                            // The server has it at once, the replica hears of it later; the term counts from the question.
                            replicas[number].answer = Some((now + delay, now + DEADLINE));
                        }
                        Verdict::Wait(_) => replicas[number].until = 0,
                    }
                }
                let writers = replicas.iter().filter(|replica| replica.stopped <= now && replica.until > now).count();
                prop_assert!(writers <= 1, "at {now}: {replicas:?}");
            }
        }
    }
}
