//! The parts that the demo and the end-to-end tests share: a real control plane, real brokers and the real `ebb` on
//! this machine.
//!
//! Nothing here is a mock. [`bed`] starts the servers, [`ebb`] installs the manifests and runs the program under its
//! own `ServiceAccount`, [`sandbox`] is one user's namespace with everything that user can see, and [`rabbit`] and
//! [`kafka`] are the applications that produce messages. All of it listens on 127.0.0.1 and ends with the process that
//! started it.

pub mod audit;
pub mod balancer;
pub mod bed;
pub mod browser;
pub mod churn;
pub mod dashboard;
pub mod direct;
pub mod durations;
pub mod ebb;
pub mod impostor;
pub mod kafka;
pub mod kubectl;
pub mod lossy;
pub mod many;
pub mod office_hours;
pub mod parity;
pub mod paths;
pub mod pki;
pub mod process;
pub mod prometheus;
pub mod rabbit;
pub mod random;
pub mod replicas;
pub mod sandbox;
pub mod size;
pub mod wait;
pub mod watch;
pub mod workload;
pub mod world;

/// Chooses the one TLS implementation of this process; every client here needs it. Calling it again changes nothing.
pub fn init_tls() {
    // An error says that a provider is installed already, and it is this same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
