//! The parameters of both kinds, with their sources and defaults.

use crate::params::Source::{Auth, Env, Metadata as Meta};
use crate::params::{OAuth2Field, Param, Sample};

/// Parameters of a `kafka` trigger. `oauth2` of an authentication becomes SASL's OAUTHBEARER.
pub(crate) const KAFKA: &[Param] = &[
    Param::required("bootstrapServers", &[Meta, Env]).sample(Sample::Texts(&["broker:9092"])),
    Param::required("consumerGroup", &[Meta, Env]),
    Param::optional("topic", &[Meta, Env]),
    Param::default("lagThreshold", &[Meta], "10"),
    Param::default("activationLagThreshold", &[Meta], "0"),
    Param::default("offsetResetPolicy", &[Meta], "latest"),
    Param::optional("partitionLimitation", &[Meta]),
    Param::default("allowIdleConsumers", &[Meta], "false"),
    Param::default("excludePersistentLag", &[Meta], "false"),
    Param::default("scaleToZeroOnInvalidOffset", &[Meta], "false"),
    Param::default("limitToPartitionsWithLag", &[Meta], "false"),
    Param::default("ensureEvenDistributionOfPartitions", &[Meta], "false"),
    Param::default("version", &[Meta], "1.0.0"),
    Param::default("fullMetadata", &[Meta], "true"),
    Param::default("tls", &[Meta, Auth], "disable").sample(Sample::Texts(&["enable", "disable"])),
    Param::default("unsafeSsl", &[Meta], "false"),
    Param::optional("ca", &[Auth]).sample(Sample::Unknown),
    Param::optional("cert", &[Auth]).sample(Sample::Certificate),
    Param::optional("key", &[Auth]).sample(Sample::PrivateKey).secret(),
    Param::optional("keyPassword", &[Auth]).sample(Sample::Unknown).secret(),
    Param::default("sasl", &[Meta, Auth], "none")
        .sample(Sample::Texts(&["none"]))
        .oauth2(OAuth2Field::Word("oauthbearer")),
    Param::optional("username", &[Auth]).oauth2(OAuth2Field::ClientId),
    Param::optional("password", &[Auth]).oauth2(OAuth2Field::ClientSecret).secret(),
    Param::default("saslTokenProvider", &[Meta, Auth], "bearer").sample(Sample::Texts(&["bearer"])),
    Param::optional("scopes", &[Auth]),
    Param::optional("oauthTokenEndpointUri", &[Auth])
        .sample(Sample::Texts(&["https://tokens/token"]))
        .oauth2(OAuth2Field::TokenUrl),
    Param::optional("oauthExtensions", &[Auth]).sample(Sample::Texts(&["a=b"])),
    Param::optional("keytab", &[Auth]).secret(),
    Param::optional("realm", &[Auth]),
    Param::optional("kerberosConfig", &[Auth]),
    Param::optional("kerberosServiceName", &[Auth]),
    Param::default("kerberosDisableFAST", &[Auth], "false").sample(Sample::Unknown),
    Param::optional("awsRegion", &[Meta]),
];

/// Parameters of an `apache-kafka` trigger.
pub(crate) const APACHE_KAFKA: &[Param] = &[
    Param::required("bootstrapServers", &[Meta, Env]).sample(Sample::Texts(&["broker:9092"])),
    Param::required("consumerGroup", &[Meta, Env]),
    Param::optional("topic", &[Meta, Env]),
    Param::default("lagThreshold", &[Meta], "10"),
    Param::default("activationLagThreshold", &[Meta], "0"),
    Param::default("offsetResetPolicy", &[Meta], "latest"),
    Param::optional("partitionLimitation", &[Meta]),
    Param::default("allowIdleConsumers", &[Meta], "false"),
    Param::default("excludePersistentLag", &[Meta], "false"),
    Param::default("scaleToZeroOnInvalidOffset", &[Meta], "false"),
    Param::default("limitToPartitionsWithLag", &[Meta], "false"),
    Param::default("ensureEvenDistributionOfPartitions", &[Meta], "false"),
    Param::default("tls", &[Meta, Auth], "disable").sample(Sample::Texts(&["enable", "disable"])),
    Param::optional("ca", &[Auth]).sample(Sample::Unknown),
    Param::optional("cert", &[Auth]).sample(Sample::Certificate),
    Param::optional("key", &[Auth]).sample(Sample::PrivateKey).secret(),
    Param::optional("keyPassword", &[Auth]).sample(Sample::Unknown).secret(),
    Param::default("sasl", &[Meta, Auth], "none").sample(Sample::Texts(&["none"])),
    Param::optional("username", &[Auth]),
    Param::optional("password", &[Auth]).secret(),
    Param::optional("awsRegion", &[Meta]),
];
