//! What one client's connections are like: where they may lead, and what went wrong with them.

use std::net::IpAddr;

use parking_lot::Mutex;
use rdkafka::ClientContext;

use super::admin::AdminError;
use crate::outbound::Denied;

/// `RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN`.
const ALL_BROKERS_DOWN: i32 = -187;

/// One client's ear, and the keeper of its door.
#[derive(Debug)]
pub(super) struct Context {
    denied: Denied,
    trouble: Mutex<Trouble>,
}

#[derive(Debug, Default)]
struct Trouble {
    /// The last host that no connection may lead to, and why. It is not to be had whatever other brokers answer.
    refused: Option<(String, String)>,
    /// Why the last connection failed.
    failed: Option<String>,
}

impl Context {
    pub(super) fn new(denied: &Denied) -> Self {
        Self { denied: denied.clone(), trouble: Mutex::default() }
    }

    /// Whether a connection may be made to `address`, which `host` stands for.
    pub(super) fn lets(&self, host: &str, address: IpAddr) -> bool {
        let checked = self.denied.check(host, address);
        let refused = &mut self.trouble.lock().refused;
        match &checked {
            Err(refusal) => *refused = Some((host.to_owned(), refusal.to_string())),
            Ok(()) if refused.as_ref().is_some_and(|(other, _)| other == host) => *refused = None,
            Ok(()) => {}
        }
        checked.is_ok()
    }

    /// Why the last connection failed, since the last call of [`Context::forget_trouble`].
    pub(super) fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock();
        // What librdkafka says of a connection that was refused here is no more than that.
        trouble.refused.as_ref().map(|(_, why)| why).or(trouble.failed.as_ref()).cloned()
    }

    /// A broker has answered.
    pub(super) fn forget_trouble(&self) {
        self.trouble.lock().failed = None;
    }

    /// A connection has failed.
    pub(super) fn failed(&self, error: &AdminError) {
        let mut trouble = self.trouble.lock();
        // That all brokers are down says less than why the last of them is.
        if error.code != ALL_BROKERS_DOWN || trouble.failed.is_none() {
            trouble.failed = Some(error.text.trim().to_owned());
        }
    }
}

// Events come through `Admin`, and not by the crate's callbacks.
impl ClientContext for Context {}
