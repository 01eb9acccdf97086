//! The parameters of a `rabbitmq` trigger and the rules between them.

mod access;
mod login;
mod measure;

use std::sync::Arc;
use std::time::Duration;

use super::host::{Host, Protocol};
use super::mode::Mode;
use super::queue_stats::Operation;
use super::{amqp, management};
use crate::params::Source::{Auth, Env, Metadata as Meta};
use crate::params::{ConfigError, Param, ParamReader, Sample, TriggerConfig, is_placeholder};
use access::Access;
use measure::Measure;

/// AMQP 0-9-1's short strings.
const LONGEST_AMQP_NAME: usize = 255;

/// The parameters of a `rabbitmq` trigger.
pub(super) const PARAMS: &[Param] = &[
    Param::required("queueName", &[Meta]),
    Param::required("host", &[Meta, Auth, Env])
        .sample(Sample::Texts(&["amqp://broker", "http://broker"]))
        .secret_in_url(),
    Param::default("protocol", &[Meta, Auth], "auto").sample(Sample::Texts(&["auto"])),
    Param::optional("vhostName", &[Meta, Auth]),
    Param::default("mode", &[Meta], "QueueLength"),
    Param::default("value", &[Meta], "20"),
    Param::optional("queueLength", &[Meta]),
    Param::default("activationValue", &[Meta], "0"),
    Param::default("excludeUnacknowledged", &[Meta], "false"),
    Param::default("useRegex", &[Meta], "false"),
    Param::default("operation", &[Meta], "sum"),
    Param::default("pageSize", &[Meta], "500"),
    Param::default("allowNoMatch", &[Meta], "false"),
    Param::optional("managementHost", &[Meta, Auth, Env]).sample(Sample::Texts(&["http://broker"])).secret_in_url(),
    Param::default("timeout", &[Meta], "3s"),
    Param::default("unsafeSsl", &[Meta], "false"),
    Param::optional("username", &[Auth, Env]),
    Param::optional("password", &[Auth, Env]).secret(),
    Param::default("tls", &[Auth], "disable").sample(Sample::Texts(&["enable", "disable"])),
    Param::optional("ca", &[Auth]).sample(Sample::Unknown),
    Param::optional("cert", &[Auth]).sample(Sample::Certificate),
    Param::optional("key", &[Auth]).sample(Sample::PrivateKey).secret(),
    Param::optional("keyPassword", &[Auth]).sample(Sample::Unknown).secret(),
    Param::optional("oauthTokenURI", &[Auth]).sample(Sample::Texts(&["https://tokens/token"])),
    Param::optional("clientID", &[Auth]),
    Param::optional("clientSecret", &[Auth]).secret(),
    Param::optional("scopes", &[Auth]),
    Param::optional("scope", &[Auth]),
    Param::optional("endpointParams", &[Auth]).sample(Sample::Texts(&["a=b"])),
    Param::optional("workloadIdentityResource", &[Auth]).sample(Sample::Unknown),
];

/// The parameters of a trigger, read and checked.
#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) queue: Arc<str>,
    pub(super) mode: Mode,
    /// The value for each replica, in the mode's unit.
    pub(super) target: f64,
    /// The trigger is active above this.
    pub(super) activation_value: f64,
    pub(super) broker: Broker,
}

/// The broker's interface, and the question.
#[derive(Debug)]
pub(super) enum Broker {
    Amqp { endpoint: amqp::Endpoint, unacknowledged: Option<Management> },
    Management { at: Management, exclude_unacknowledged: bool, pattern: Option<Search> },
}

/// A virtual host of a management API.
#[derive(Debug)]
pub(super) struct Management {
    pub(super) endpoint: management::Endpoint,
    pub(super) vhost: Arc<str>,
}

/// `useRegex` and its parameters.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) page_size: u32,
    pub(super) operation: Operation,
    /// A pattern that matches nothing reads 0, as in KEDA.
    pub(super) allow_no_match: bool,
}

impl Metadata {
    pub(super) fn read(trigger: &TriggerConfig) -> Result<Self, ConfigError> {
        let mut reader = ParamReader::new(trigger, PARAMS);
        let queue = reader.required("queueName").to_owned();
        let host = reader.required("host");
        let protocol = protocol(&mut reader);
        let access = Access::read(&mut reader);
        let vhost = reader.text("vhostName");
        let exclude_unacknowledged = reader.flag("excludeUnacknowledged");
        let search = search(&mut reader);
        let timeout = reader.duration("timeout");
        let host = self::host(&mut reader, host, protocol);
        let is_amqp = host.as_ref().map_or(protocol == Some(Protocol::Amqp), |host| host.protocol() == Protocol::Amqp);
        access.check(&mut reader, is_amqp);
        if is_amqp {
            refuse_what_needs_http(&mut reader, search.is_some(), exclude_unacknowledged);
        }
        let measure = Measure::read(&mut reader);
        // KEDA looks at the timeout only where mode and value are given.
        if is_amqp && measure.mode_given && timeout.is_some_and(|timeout| !timeout.is_zero()) {
            let nanoseconds = timeout.unwrap_or_default().as_nanos();
            reader.problem_with_hint(
                format!("AMQP protocol doesn't support custom timeouts: {nanoseconds}"),
                "drop timeout, or give the management API's address as host",
            );
        }
        if is_amqp && measure.mode.needs_rates() {
            reader.problem_with_hint(
                format!("protocol amqp not supported; must be HTTP to use trigger mode {}", measure.name()),
                "give the management API's address as host",
            );
        }
        let activation_value = reader.number("activationValue").unwrap_or(0.0);
        let timeout = timeout.filter(|timeout| !timeout.is_zero());
        let ask = Ask { queue: &queue, vhost, timeout, exclude_unacknowledged };
        let broker = host.and_then(|host| match host.protocol() {
            Protocol::Amqp => amqp_broker(&mut reader, &access, host, &ask),
            Protocol::Http => http_broker(&mut reader, &access, &host, &ask, search),
        });
        reader.finish()?;
        let broker = broker.ok_or_else(|| ConfigError::new("no broker given"))?;
        let Measure { mode, target, .. } = measure;
        Ok(Self { queue: queue.into(), mode, target, activation_value, broker })
    }
}

/// The address in `host`. One that is missing has been noted already.
fn host(reader: &mut ParamReader<'_>, host: &str, protocol: Option<Protocol>) -> Option<Host> {
    if host.is_empty() {
        return None;
    }
    match Host::parse(host) {
        Ok(host) if protocol.is_some_and(|protocol| protocol != host.protocol()) => {
            reader.problem_with_hint(
                "protocol does not fit the scheme of host",
                "amqp goes with amqp:// and amqps://, http with http:// and https://; leave protocol out to let host decide",
            );
            None
        }
        Ok(host) => Some(host),
        Err(problem) if is_placeholder(host) => {
            reader.problem_with_hint(problem, PLACEHOLDER);
            None
        }
        Err(problem) if !host.contains("://") => {
            reader.problem_with_hint(problem, NO_SCHEME);
            None
        }
        Err(problem) => {
            reader.problem(problem);
            None
        }
    }
}

/// The hint for an address with a placeholder.
const NO_SCHEME: &str = "host must begin with amqp://, amqps://, http:// or https://; if it is the name of an environment variable, give it as hostFromEnv";
const PLACEHOLDER: &str = "host holds a placeholder, such as <…>, ${…} or $(…): put the value in its place";

/// The question to the broker.
struct Ask<'a> {
    queue: &'a str,
    /// `vhostName`.
    vhost: Option<&'a str>,
    timeout: Option<Duration>,
    exclude_unacknowledged: bool,
}

fn amqp_broker(reader: &mut ParamReader<'_>, access: &Access, host: Host, ask: &Ask<'_>) -> Option<Broker> {
    let login = access.amqp(reader, &host);
    let unacknowledged = management_host(reader, access, login.as_ref(), ask.timeout);
    let endpoint = amqp::Endpoint::new(amqp::EndpointParts {
        tls: host.encrypted.then(|| access.tls.clone()),
        host: host.name,
        port: host.port,
        login: login?,
        vhost: ask.vhost.map_or(host.vhost, ToOwned::to_owned),
    });
    for (key, name) in [("queueName", ask.queue), ("the virtual host", endpoint.vhost())] {
        if name.len() > LONGEST_AMQP_NAME {
            reader.problem(format!("{key} is longer than {LONGEST_AMQP_NAME} bytes, which AMQP cannot carry"));
        }
    }
    let vhost: Arc<str> = endpoint.vhost().into();
    if unacknowledged.is_some() {
        refuse_dots(reader, ask.queue, &vhost);
    }
    let unacknowledged = unacknowledged.map(|endpoint| Management { endpoint, vhost });
    Some(Broker::Amqp { endpoint, unacknowledged })
}

fn http_broker(
    reader: &mut ParamReader<'_>,
    access: &Access,
    host: &Host,
    ask: &Ask<'_>,
    pattern: Option<Search>,
) -> Option<Broker> {
    if reader.text("managementHost").is_some() {
        reader.problem_with_hint(
            "managementHost can only be used with the AMQP protocol",
            "host is the management API already: drop managementHost",
        );
    }
    let identity = access.http(reader, host);
    let vhost = ask.vhost.unwrap_or(&host.vhost);
    let vhost = if vhost.is_empty() { "/" } else { vhost };
    refuse_dots(reader, if pattern.is_some() { "" } else { ask.queue }, vhost);
    let endpoint = access.management(host, identity?, ask.timeout)?;
    let at = Management { endpoint, vhost: vhost.into() };
    Some(Broker::Management { at, exclude_unacknowledged: ask.exclude_unacknowledged, pattern })
}

/// A path's `.` and `..` lead elsewhere, encoded or not, so that another queue would be asked about.
fn refuse_dots(reader: &mut ParamReader<'_>, queue: &str, vhost: &str) {
    for (key, name) in [("queueName", queue), ("the virtual host", vhost)] {
        if matches!(name, "." | "..") {
            reader.problem_with_hint(
                format!("{key} is {name:?}, which the path of a request cannot hold"),
                "give an amqp:// or amqps:// host without managementHost",
            );
        }
    }
}

fn protocol(reader: &mut ParamReader<'_>) -> Option<Protocol> {
    match reader.text("protocol") {
        None | Some("auto") => None,
        Some("amqp") => Some(Protocol::Amqp),
        Some("http") => Some(Protocol::Http),
        Some(other) => {
            reader.problem(format!("the protocol has to be either `amqp`, `http`, or `auto` but is `{other}`"));
            None
        }
    }
}

fn search(reader: &mut ParamReader<'_>) -> Option<Search> {
    let use_regex = reader.flag("useRegex");
    let page_size = reader.integer("pageSize").unwrap_or(i64::from(management::LARGEST_PAGE));
    if page_size < 1 {
        reader.problem("pageSize should be 1 or greater");
    }
    let word = reader.text("operation").unwrap_or("sum");
    let operation = Operation::named(word);
    if operation.is_none() {
        reader.problem(format!("operation mode {word} must be one of sum, avg, max"));
    }
    let allow_no_match = reader.flag("allowNoMatch");
    // The broker refuses larger pages; there may be any number of them.
    let page_size = u32::try_from(page_size).unwrap_or(u32::MAX).clamp(1, management::LARGEST_PAGE);
    use_regex.then(|| Search { page_size, operation: operation.unwrap_or_default(), allow_no_match })
}

fn refuse_what_needs_http(reader: &mut ParamReader<'_>, use_regex: bool, exclude_unacknowledged: bool) {
    if use_regex {
        reader.problem_with_hint(
            "configure useRegex=true only with HTTP protocol",
            "AMQP knows queues by their names only: give the management API's address as host",
        );
    }
    if exclude_unacknowledged {
        reader.problem_with_hint(
            "configure excludeUnacknowledged=true only with HTTP protocol",
            "AMQP counts the ready messages only: drop excludeUnacknowledged, or give the management API's address as host",
        );
    }
}

/// The management API that an AMQP trigger asks for the unacknowledged messages: an addition to KEDA.
fn management_host(
    reader: &mut ParamReader<'_>,
    access: &Access,
    login: Option<&amqp::Login>,
    timeout: Option<Duration>,
) -> Option<management::Endpoint> {
    if let Some(empty) = reader.empty("managementHost") {
        reader.problem_with_hint(format!("managementHost: {empty}"), "fill it, or drop it");
    }
    match Host::parse(reader.text("managementHost")?) {
        Ok(api) if api.protocol() == Protocol::Http => {
            let identity = access.beside_amqp(reader, login?, &api)?;
            access.management(&api, identity, timeout)
        }
        Ok(_) => {
            reader.problem("managementHost must begin with http:// or https://");
            None
        }
        Err(problem) => {
            reader.problem(format!("managementHost: {problem}"));
            None
        }
    }
}

#[cfg(test)]
mod tests;
