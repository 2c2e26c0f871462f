//! What Consul's own tools take from the environment.

use callboard_actors::registry::RegistryError;

use super::{ConsulOptions, NAME};

impl ConsulOptions {
    /// As Consul's tools are told by environment variables; `address` is what a setting says.
    ///
    /// # Errors
    /// [`RegistryError::Misconfigured`]: the certificates that they name cannot be read.
    pub(super) fn from_environment(
        address: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, RegistryError> {
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        let mut options = Self::default();
        if let Some(address) = address.map(str::to_owned).or_else(|| variable("CONSUL_HTTP_ADDR")) {
            options.address = address;
        }
        if is_set(variable(SSL).as_deref()).map_err(|reason| options.misconfigured(reason))? {
            let plain = options.address.strip_prefix("http://");
            let rest = plain.or_else(|| options.address.strip_prefix("https://"));
            options.address = format!("https://{}", rest.unwrap_or(&options.address));
        }
        options.token = variable("CONSUL_HTTP_TOKEN");
        options.take_tls(variable)?;
        Ok(options)
    }

    fn misconfigured(&self, reason: String) -> RegistryError {
        RegistryError::Misconfigured { registry: NAME, address: self.address.clone(), reason }
    }

    #[cfg(feature = "tls")]
    fn take_tls(
        &mut self,
        variable: impl Fn(&'static str) -> Option<String>,
    ) -> Result<(), RegistryError> {
        let file = |name| variable(name).map(Into::into);
        let files = crate::tls::TlsFiles {
            authorities: file("CONSUL_CACERT"),
            certificate: file("CONSUL_CLIENT_CERT"),
            key: file("CONSUL_CLIENT_KEY"),
            server_name: variable("CONSUL_TLS_SERVER_NAME"),
        };
        // Consul's tools have them for other agents too, which may not be reached by TLS.
        if self.address.starts_with("https://") {
            let tls = crate::tls::ClientTls::read(&files);
            self.tls = tls.map_err(|error| self.misconfigured(error.to_string()))?;
        }
        Ok(())
    }

    #[cfg(not(feature = "tls"))]
    #[allow(clippy::unnecessary_wraps, clippy::unused_self, reason = "there are no certificates")]
    fn take_tls(
        &mut self,
        _: impl Fn(&'static str) -> Option<String>,
    ) -> Result<(), RegistryError> {
        Ok(())
    }
}

/// As Go's `strconv.ParseBool` reads it. What is none of these must not be taken for a no: the token
/// would go out in the clear.
fn is_set(value: Option<&str>) -> Result<bool, String> {
    match value {
        None | Some("0" | "f" | "F" | "false" | "False" | "FALSE") => Ok(false),
        Some("1" | "t" | "T" | "true" | "True" | "TRUE") => Ok(true),
        Some(other) => Err(format!("{SSL} is `{other}`; set it to true or false")),
    }
}

const SSL: &str = "CONSUL_HTTP_SSL";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(address: Option<&str>, variables: &[(&str, &str)]) -> ConsulOptions {
        try_read(address, variables).unwrap()
    }

    fn try_read(
        address: Option<&str>,
        variables: &[(&str, &str)],
    ) -> Result<ConsulOptions, RegistryError> {
        ConsulOptions::from_environment(address, |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_setting_wins_over_the_environment_and_that_over_the_default() {
        assert_eq!(read(None, &[]).address, "127.0.0.1:8500");
        assert_eq!(read(None, &[("CONSUL_HTTP_ADDR", "")]).address, "127.0.0.1:8500");
        let variables = [("CONSUL_HTTP_ADDR", "a:1"), ("CONSUL_HTTP_TOKEN", "t")];
        assert_eq!(read(None, &variables).address, "a:1");
        assert_eq!(read(None, &variables).token.as_deref(), Some("t"));
        assert_eq!(read(Some("b:2"), &variables).address, "b:2");
    }

    #[test]
    fn tls_may_be_asked_for_beside_the_address() {
        for (address, wants, expected) in [
            ("a:1", "true", "https://a:1"),
            ("a:1", "1", "https://a:1"),
            ("a:1", "TRUE", "https://a:1"),
            ("a:1", "false", "a:1"),
            ("https://a:1", "0", "https://a:1"),
            ("http://a:1", "true", "https://a:1"),
        ] {
            assert_eq!(read(Some(address), &[(SSL, wants)]).address, expected);
        }
        let error = try_read(Some("a:1"), &[(SSL, "yes")]).unwrap_err();
        assert!(error.to_string().contains("CONSUL_HTTP_SSL is `yes`"), "{error}");
    }

    #[cfg(feature = "tls")]
    #[test]
    fn certificates_that_cannot_be_read_are_told_where_they_are_needed() {
        let missing = [("CONSUL_CACERT", "/there/is/none")];
        let error = try_read(Some("https://a:1"), &missing).unwrap_err();
        assert!(matches!(error, RegistryError::Misconfigured { .. }), "{error}");
        assert!(error.to_string().contains("/there/is/none: No such file"), "{error}");
        assert!(try_read(Some("a:1"), &missing).is_ok());
        let alone = [("CONSUL_CLIENT_CERT", "/there/is/none")];
        let error = try_read(Some("https://a:1"), &alone).unwrap_err();
        assert!(error.to_string().contains("a certificate needs its key"), "{error}");
    }
}
