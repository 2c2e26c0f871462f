//! Agents that speak TLS, with certificates of an authority of our own.

use std::fs;
use std::path::PathBuf;

use callboard::prelude::*;
use callboard::registry::{ConsulOptions, ConsulRegistry, Registry, RegistryError};
use callboard::tls::ClientTls;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

use super::agent::Agent;
use super::{Echo, LIMIT, Ping, TTL, greeter, within};
use crate::ports::free_address;

#[tokio::test]
async fn nodes_find_each_other_where_each_side_shows_its_certificate() {
    let secure = Secure::start("mutual", true).await;
    let system = |name: &str| {
        let registry = ConsulRegistry::new(secure.options(secure.own())).expect("good options");
        ServiceSystem::new(name).without_environment().registry(registry)
    };
    let server = system("echo").handler(|| Echo, |h| h.request::<Ping>());
    let server = within(server.start()).await.unwrap();
    let client = within(system("client").start()).await.unwrap();
    assert_eq!(within(client.service("echo").send(Ping(7)).into_future()).await.unwrap(), 7);
    within(client.stop()).await;
    within(server.stop()).await;
}

#[tokio::test]
async fn who_shows_no_certificate_is_told() {
    let secure = Secure::start("nobody", true).await;
    let nobody = ClientTls::new().authorities(secure.authority.clone());
    let error = secure.refusal(nobody).await;
    assert!(error.to_string().contains("received fatal alert"), "{error}");
}

#[tokio::test]
async fn a_server_of_another_name_or_authority_is_not_trusted() {
    let secure = Secure::start("strangers", false).await;
    // Without a certificate of its own, which this agent does not ask for.
    let trusting = ClientTls::new().authorities(secure.authority.clone());
    let registry = ConsulRegistry::new(secure.options(trusting.clone())).unwrap();
    registry.register(greeter(1), TTL).await.unwrap();
    let named = trusting.clone().server_name("server.dc1.consul");
    let registry = ConsulRegistry::new(secure.options(named)).unwrap();
    assert_eq!(registry.get("greeter".into()).await.unwrap(), [greeter(1)]);
    let other = trusting.server_name("elsewhere.example");
    let error = secure.refusal(other).await;
    assert!(error.to_string().contains("not valid for name"), "{error}");
    let stranger = ClientTls::new().authorities(Authority::new().certificate);
    let error = secure.refusal(stranger).await;
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");
}

#[tokio::test]
async fn a_port_that_does_not_speak_tls_is_told() {
    let agent = Agent::start().await;
    let options = ConsulOptions::new(format!("https://{}", agent.address()));
    let trusting = ClientTls::new().authorities(Authority::new().certificate);
    let error = refusal(options.tls(trusting)).await;
    assert!(!error.to_string().contains("invalid peer certificate"), "{error}");
}

#[test]
fn an_address_of_ip_version_6_can_be_one_of_tls() {
    let trusting = ClientTls::new().authorities(Authority::new().certificate);
    let options = ConsulOptions::new("https://[::1]:8501").tls(trusting);
    assert!(ConsulRegistry::new(options).is_ok());
}

#[test]
fn what_is_no_certificate_is_told_before_anything_is_asked() {
    for tls in [
        ClientTls::new().authorities("nothing"),
        ClientTls::new().authorities(Authority::new().certificate).identity("nothing", "nothing"),
        ClientTls::new().authorities(Authority::new().certificate).server_name("a name"),
    ] {
        let options = ConsulOptions::new("https://127.0.0.1:8501").tls(tls);
        let error = ConsulRegistry::new(options).unwrap_err();
        assert!(matches!(error, RegistryError::Misconfigured { .. }), "{error}");
    }
}

/// What a start says that would otherwise try for as long as it may.
async fn refusal(options: ConsulOptions) -> RegistryError {
    let registry = ConsulRegistry::new(options).expect("good options");
    let registered = within(registry.register(greeter(1), TTL)).await;
    let error = registered.expect_err("nobody is trusted");
    assert!(matches!(error, RegistryError::Misconfigured { .. }), "{error}");
    error
}

/// An agent, and what its authority signed.
struct Secure {
    _agent: Agent,
    port: u16,
    authority: String,
    certificate: String,
    key: String,
    directory: PathBuf,
}

impl Secure {
    /// Starts an agent that asks for certificates or not; `name` tells its files from others'.
    async fn start(name: &str, asks: bool) -> Self {
        let authority = Authority::new();
        let (certificate, key) = authority.sign(&["127.0.0.1", "server.dc1.consul"]);
        let directory = format!("callboard-consul-{name}-{}", std::process::id());
        let directory = std::env::temp_dir().join(directory);
        fs::create_dir_all(&directory).expect("a directory can be made");
        let file = |name: &str, content: &str| {
            let path = directory.join(name);
            fs::write(&path, content).expect("a file can be written");
            path.display().to_string()
        };
        let port = free_address().port();
        let settings = format!(
            r#"-hcl=ports {{ https = {port} }} verify_incoming_https = {asks}
               ca_file = "{}" cert_file = "{}" key_file = "{}""#,
            file("authority.pem", &authority.certificate),
            file("certificate.pem", &certificate),
            file("key.pem", &key),
        );
        let agent = Agent::start_with(&[&settings]).await;
        let (certificate, key) = authority.sign(&["client.dc1.consul"]);
        Self { _agent: agent, port, authority: authority.certificate, certificate, key, directory }
    }

    /// Trusted, and trusting.
    fn own(&self) -> ClientTls {
        let tls = ClientTls::new().authorities(self.authority.clone());
        tls.identity(self.certificate.clone(), self.key.clone())
    }

    fn options(&self, tls: ClientTls) -> ConsulOptions {
        ConsulOptions::new(format!("https://127.0.0.1:{}", self.port)).timeout(LIMIT).tls(tls)
    }

    async fn refusal(&self, tls: ClientTls) -> RegistryError {
        refusal(self.options(tls)).await
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        // Nobody reads it any more.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Signs certificates; its own as PEM.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("there is randomness");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("it can be signed").pem();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// A certificate for these names, for either side, and its key.
    fn sign(&self, names: &[&str]) -> (String, String) {
        let key = KeyPair::generate().expect("there is randomness");
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("good names");
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).expect("it can be signed");
        (certificate.pem(), key.serialize_pem())
    }
}
