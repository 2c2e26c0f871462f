//! Tests of settings as a whole.

use std::error::Error;

use super::*;

fn resolve(environment: &[(&str, &str)], line: &str) -> Result<Parsed, ConfigError> {
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    let arguments = line.split_whitespace().map(str::to_owned);
    Config::resolve(Config::default(), environment.iter().map(owned), arguments)
}

fn config(environment: &[(&str, &str)], line: &str) -> Config {
    match resolve(environment, line) {
        Ok(Parsed::Run(config)) => config,
        other => panic!("{other:?}"),
    }
}

/// The texts of an error and its cause.
fn refusal(environment: &[(&str, &str)], line: &str) -> (String, String) {
    let error = resolve(environment, line).unwrap_err();
    let reason = error.source().map(ToString::to_string);
    (error.to_string(), reason.unwrap_or_default())
}

/// Checks the texts that flags are refused with: the flags, the error, and its cause.
fn assert_refused(cases: &[(&str, &str, &str)]) {
    for (line, text, reason) in cases {
        assert_eq!(refusal(&[], line), ((*text).to_owned(), (*reason).to_owned()), "{line}");
    }
}

#[test]
fn the_default_is_valid_and_stays_when_nothing_is_given() {
    assert_eq!(config(&[], ""), Config::default());
    assert_eq!(Config::default().renewal_interval(), Duration::from_secs(10));
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_program() {
    let base =
        Config { client_retries: 2, client_pool_size: 2, log: "warn".into(), ..config(&[], "") };
    let environment = [("CALLBOARD_CLIENT_RETRIES", "3"), ("CALLBOARD_CLIENT_POOL_SIZE", "3")]
        .map(|(name, text)| (name.to_owned(), text.to_owned()));
    let arguments = ["--client-retries=4".to_owned()];
    let parsed = Config::resolve(base, environment.into_iter(), arguments.into_iter());
    let Ok(Parsed::Run(config)) = parsed else { panic!("{parsed:?}") };
    assert_eq!((config.client_retries, config.client_pool_size), (4, 3));
    assert_eq!(config.log, "warn");
}

#[test]
fn the_own_variable_wins_over_the_one_of_go_micro() {
    let micro = ("MICRO_REGISTRY", "memory");
    assert_eq!(config(&[micro], "").registry, RegistryKind::Memory);
    let padded = [("MICRO_REGISTRY", " memory\n")];
    assert_eq!(config(&padded, "").registry, RegistryKind::Memory);
    let both = [micro, ("CALLBOARD_REGISTRY", "mdns")];
    assert_eq!(config(&both, "").registry, RegistryKind::Mdns);
    let empty = [micro, ("CALLBOARD_REGISTRY", " ")];
    assert_eq!(config(&empty, "").registry, RegistryKind::Memory);
}

#[test]
fn foreign_and_empty_variables_are_ignored() {
    let environment = [("PATH", "/bin"), ("CALLBOARD_UNKNOWN", "1"), ("CALLBOARD_MAX_FRAME", "")];
    assert_eq!(config(&environment, ""), Config::default());
}

#[test]
fn of_a_flag_given_twice_the_last_counts() {
    assert_eq!(config(&[], "--client-retries 2 --client-retries 3").client_retries, 3);
}

#[test]
fn metadata_adds_up() {
    let environment = [("CALLBOARD_SERVER_METADATA", "zone=a,rack=7")];
    let config = config(&environment, "--server-metadata zone=b --server-metadata=x=1,y=");
    let pairs: Vec<_> = config.server_metadata.iter().map(|(k, v)| (&**k, &**v)).collect();
    assert_eq!(pairs, [("rack", "7"), ("x", "1"), ("y", ""), ("zone", "b")]);
}

#[test]
fn every_setting_has_a_flag() {
    let config = config(
        &[],
        "--registry static --registry-address greeter=127.0.0.1:1 --registry-interface eth0 \
         --selector hash --selector-labels zone=a,rack=7 --transport memory --broker memory \
         --broker-address nowhere --server-name a --server-version 2 --server-id a-1 \
         --server-address :9000-9010 --server-advertise example.org:80 --server-metadata k=v \
         --register-ttl 60 --register-interval 1m --register-interval 20s --client-retries 0 \
         --client-request-timeout 1.5s --client-pool-size 4 --client-pool-ttl 1h \
         --drain-timeout 0 --settle-time 0s --start-timeout 1m30s --arbiters 3 \
         --max-frame 1MiB --log debug",
    );
    let expected = Config {
        registry: RegistryKind::Static,
        registry_address: Some("greeter=127.0.0.1:1".into()),
        registry_interface: Some(RegistryInterface::Name("eth0".into())),
        selector: SelectorKind::Hash,
        selector_labels: [("zone", "a"), ("rack", "7")].map(|(n, v)| (n.into(), v.into())).into(),
        transport: TransportKind::Memory,
        broker: BrokerKind::Memory,
        broker_address: Some("nowhere".into()),
        server_name: "a".into(),
        server_version: "2".into(),
        server_id: Some("a-1".into()),
        server_address: ":9000-9010".parse().unwrap(),
        server_advertise: Some("example.org:80".parse().unwrap()),
        server_metadata: [("k".to_owned(), "v".to_owned())].into(),
        register_ttl: Duration::from_secs(60),
        register_interval: Some(Duration::from_secs(20)),
        client_retries: 0,
        client_request_timeout: Duration::from_millis(1_500),
        client_pool_size: 4,
        client_pool_ttl: Duration::from_secs(3_600),
        drain_timeout: Duration::ZERO,
        settle_time: Duration::ZERO,
        start_timeout: Duration::from_secs(90),
        arbiters: Some(3),
        max_frame: 1 << 20,
        log: "debug".into(),
    };
    assert_eq!(config, expected);
}

#[test]
fn what_may_be_unset_can_be_unset_again() {
    let environment = [("CALLBOARD_ARBITERS", "3"), ("CALLBOARD_SERVER_ID", "a")];
    let line = "--arbiters auto --server-id= --server-advertise= --registry-address=";
    assert_eq!(config(&environment, line), Config::default());
}

#[test]
fn a_refused_name_is_said_with_its_place_and_what_is_allowed() {
    const NAME: &str = "1 to 255 bytes without spaces and control characters";
    assert_refused(&[
        (
            "--registry mdsn",
            "`--registry` cannot be `mdsn`; allowed: mdns, static, consul, memory; did you mean `mdns`?",
            "there is no such name",
        ),
        (
            "--registry zookeeper",
            "`--registry` cannot be `zookeeper`; allowed: mdns, static, consul, memory",
            "there is no such name",
        ),
        (
            "--selector roundrobbin",
            "`--selector` cannot be `roundrobbin`; allowed: p2c, random, round-robin, \
             least-in-flight, hash, label, named, default, cache, blacklist, roundrobin; \
             did you mean `roundrobin`?",
            "there is no such name",
        ),
        (
            "--transport http",
            "`--transport` cannot be `http`; allowed: tcp, memory",
            "there is no such name",
        ),
        (
            "--registry-interface=",
            "`--registry-interface` cannot be ``; allowed: loopback, all, the name of an \
             interface, an IP address",
            "nothing is given",
        ),
        ("--server-name=", &format!("`--server-name` cannot be ``; allowed: {NAME}"), OUTSIDE),
        (
            "--server-version=",
            &format!("`--server-version` cannot be ``; allowed: {NAME}"),
            OUTSIDE,
        ),
        (
            "--server-id=a\u{1}b",
            &format!("`--server-id` cannot be `a\\u{{1}}b`; allowed: {NAME}"),
            OUTSIDE,
        ),
        (
            "--server-address 9000",
            "`--server-address` cannot be `9000`; allowed: host:port, host:first-last, :port, \
             unix:/path",
            "`9000` is not a host",
        ),
        (
            "--server-advertise :80",
            "`--server-advertise` cannot be `:80`; allowed: host, host:port",
            "`:80` is not a host",
        ),
        (
            "--server-metadata zone",
            "`--server-metadata` cannot be `zone`; allowed: name=value pairs separated by commas, \
             at most 64 and 16 KiB",
            "`zone` is not of the form `name=value`",
        ),
    ]);
}

#[test]
fn a_refused_duration_is_said_with_its_place_and_what_is_allowed() {
    const NOT_ZERO: &str = "a duration above zero of at most 8760h, e.g.";
    assert_refused(&[
        (
            "--register-ttl 5parsecs",
            "`--register-ttl` cannot be `5parsecs`; allowed: a duration of 100ms to 8760h, e.g. 30s",
            "`parsecs` is not a unit",
        ),
        (
            "--register-ttl 99ms",
            "`--register-ttl` cannot be `99ms`; allowed: a duration of 100ms to 8760h, e.g. 30s",
            OUTSIDE,
        ),
        (
            "--register-interval 0",
            "`--register-interval` cannot be `0`; allowed: a duration above zero and below \
             register-ttl, e.g. 10s",
            OUTSIDE,
        ),
        (
            "--client-request-timeout 0",
            &format!("`--client-request-timeout` cannot be `0`; allowed: {NOT_ZERO} 5s"),
            OUTSIDE,
        ),
        (
            "--client-pool-ttl 0",
            &format!("`--client-pool-ttl` cannot be `0`; allowed: {NOT_ZERO} 60s"),
            OUTSIDE,
        ),
        (
            "--start-timeout 0",
            &format!("`--start-timeout` cannot be `0`; allowed: {NOT_ZERO} 10s"),
            OUTSIDE,
        ),
        (
            "--drain-timeout soon",
            "`--drain-timeout` cannot be `soon`; allowed: a duration of at most 8760h, e.g. 10s",
            "it is not a number",
        ),
        (
            "--settle-time 8761h",
            "`--settle-time` cannot be `8761h`; allowed: a duration of at most 8760h, e.g. 500ms",
            OUTSIDE,
        ),
    ]);
}

#[test]
fn a_refused_number_is_said_with_its_place_and_what_is_allowed() {
    assert_refused(&[
        (
            "--client-retries 101",
            "`--client-retries` cannot be `101`; allowed: a number from 0 to 100",
            OUTSIDE,
        ),
        (
            "--client-retries -1",
            "`--client-retries` cannot be `-1`; allowed: a number from 0 to 100",
            "it is not a number",
        ),
        (
            "--client-pool-size 0",
            "`--client-pool-size` cannot be `0`; allowed: a number from 1 to 1024",
            OUTSIDE,
        ),
        (
            "--arbiters 0",
            "`--arbiters` cannot be `0`; allowed: auto, a number from 1 to 1024",
            OUTSIDE,
        ),
        (
            "--arbiters atuo",
            "`--arbiters` cannot be `atuo`; allowed: auto, a number from 1 to 1024; did you mean `auto`?",
            "it is not a number",
        ),
        (
            "--max-frame 4MB",
            "`--max-frame` cannot be `4MB`; allowed: a size from 64KiB to 1GiB, e.g. 4MiB",
            "`mb` is not a unit",
        ),
        (
            "--max-frame 2GiB",
            "`--max-frame` cannot be `2GiB`; allowed: a size from 64KiB to 1GiB, e.g. 4MiB",
            OUTSIDE,
        ),
        (
            "--log=",
            "`--log` cannot be ``; allowed: a level, or target=level pairs separated by commas, of \
             at most 4 KiB",
            "nothing is given",
        ),
    ]);
}

#[test]
fn a_refused_variable_is_named() {
    let (text, _) = refusal(&[("MICRO_TRANSPORT", "http")], "");
    assert_eq!(text, "`MICRO_TRANSPORT` cannot be `http`; allowed: tcp, memory");
}

#[test]
fn settings_have_to_go_together() {
    let (text, _) = refusal(&[], "--register-interval 30s");
    assert_eq!(text, "`register-interval` (30s) must be shorter than `register-ttl` (30s)");
    let (text, _) = refusal(&[], "--registry static");
    assert_eq!(
        text,
        "`registry` is `static`, which needs `registry-address`: \
         e.g. `greeter=127.0.0.1:9001,127.0.0.1:9002`, or a file"
    );
}

#[test]
fn flags_may_be_in_any_order_as_only_the_whole_has_to_go_together() {
    let config = config(&[], "--register-interval 40s --register-ttl 60s");
    assert_eq!(config.renewal_interval(), Duration::from_secs(40));
}

#[test]
fn what_a_program_sets_is_validated_too() {
    let base = Config { client_pool_size: 0, ..Config::default() };
    let error = base.validate().unwrap_err();
    let text = "`client-pool-size` cannot be `0`; allowed: a number from 1 to 1024";
    assert_eq!(error.to_string(), text);
    let parsed = Config::resolve(base, std::iter::empty(), std::iter::empty());
    assert_eq!(parsed, Err(error));
}

#[test]
fn metadata_has_limits() {
    let pairs = |count: usize, size: usize| Config {
        server_metadata: (10..10 + count).map(|n| (n.to_string(), "x".repeat(size))).collect(),
        ..Config::default()
    };
    assert_eq!(pairs(64, 10).validate(), Ok(()));
    assert!(pairs(65, 10).validate().is_err());
    assert_eq!(pairs(16, 1_022).validate(), Ok(()));
    assert!(pairs(16, 1_023).validate().is_err());
}

#[test]
fn mdns_stays_on_loopback_while_the_node_does() {
    assert_eq!(config(&[], "").interface(), RegistryInterface::Loopback);
    assert_eq!(config(&[], "--server-address :0").interface(), RegistryInterface::All);
    let set = config(&[], "--server-address :0 --registry-interface loopback");
    assert_eq!(set.interface(), RegistryInterface::Loopback);
}

#[test]
fn help_and_version_are_served_in_a_broken_environment() {
    let broken = [("CALLBOARD_REGISTRY", "nonsense")];
    assert_eq!(resolve(&broken, "--version"), Ok(Parsed::Version("callboard latest".into())));
    assert!(matches!(resolve(&broken, "--help"), Ok(Parsed::Help(_))));
}

const OUTSIDE: &str = "it is outside of what is allowed";

#[test]
fn go_micros_selectors_are_known_by_name() {
    for name in ["default", "cache", "blacklist"] {
        assert_eq!(config(&[("MICRO_SELECTOR", name)], "").selector, SelectorKind::PowerOfTwo);
    }
    let labelled = config(&[], "--selector label --selector-labels dc=a,region=eu");
    assert_eq!(labelled.selector, SelectorKind::Label);
    let labels: Vec<_> = labelled.selector_labels.iter().map(|(k, v)| (&**k, &**v)).collect();
    assert_eq!(labels, [("dc", "a"), ("region", "eu")]);
    assert_eq!(
        refusal(&[], "--selector label").0,
        "`selector` is `label`, which needs `selector-labels`: e.g. `dc=eu-1a,region=eu`, \
         the best first"
    );
    assert_refused(&[(
        "--selector-labels zone",
        "`--selector-labels` cannot be `zone`; allowed: name=value pairs separated by commas, \
         at most 64 and 16 KiB",
        "`zone` is not of the form `name=value`",
    )]);
}
