//! Reads lists of nodes that people write.
//!
//! Pure.

use callboard_actors::registry::{Catalogue, NodeInfo, Service};

/// What is wrong with a list, and about which service if that is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) service: String,
    pub(super) text: String,
}

/// Reads `name[@version]=address,address;…`.
pub(super) fn parse_inline(text: &str) -> Result<Vec<Service>, Flaw> {
    let mut services = Vec::new();
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let flaw = |service: &str, text: String| Flaw { service: service.into(), text };
        let Some((name, addresses)) = part.split_once('=') else {
            return Err(flaw(part, format!("`{part}` is not of the form name=address,address")));
        };
        let (name, version) = match name.trim().split_once('@') {
            Some((name, version)) => (name.trim(), version.trim()),
            None => (name.trim(), ""),
        };
        if name.is_empty() {
            return Err(flaw(name, format!("`{part}` names no service")));
        }
        for address in addresses.split(',').map(str::trim) {
            check_address(address).map_err(|text| flaw(name, text))?;
            services.push(Service::new(name, version).node(node(name, address)));
        }
    }
    let services = Catalogue::new(services).records();
    check_size(&services).map_err(|text| Flaw { service: String::new(), text })?;
    Ok(services)
}

/// Reads a file: lines, or JSON if it starts with `[` or `{`.
pub(super) fn parse_file(text: &str) -> Result<Vec<Service>, String> {
    let text = text.trim_start_matches('\u{feff}');
    let services = match text.trim_start().as_bytes().first() {
        Some(b'[' | b'{') => parse_json(text)?,
        _ => parse_lines(text)?,
    };
    let services = Catalogue::new(services).records();
    check_size(&services)?;
    Ok(services)
}

fn parse_lines(text: &str) -> Result<Vec<Service>, String> {
    let mut services = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let content = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = content.split_whitespace().collect();
        if words.is_empty() {
            continue;
        }
        let service = parse_line(&words).map_err(|text| format!("line {}: {text}", index + 1))?;
        services.push(service);
    }
    Ok(services)
}

fn parse_line(words: &[&str]) -> Result<Service, String> {
    // An address has a colon, a version has none: that tells two words from three.
    let (name, version, address, labels) = match words {
        [name, address, labels @ ..] if address.contains(':') => (*name, "", *address, labels),
        [name, version, address, labels @ ..] => (*name, *version, *address, labels),
        _ => return Err("expected `service [version] address label=value …`".into()),
    };
    check_address(address)?;
    let mut node = node(name, address);
    for label in labels {
        match label.split_once('=') {
            Some(("id", id)) if !id.is_empty() => node.id = id.into(),
            Some((key, value)) if !key.is_empty() => node = node.label(key, value),
            _ => return Err(format!("`{label}` is not of the form label=value")),
        }
    }
    Ok(Service::new(name, version).node(node))
}

fn parse_json(text: &str) -> Result<Vec<Service>, String> {
    // Parsed by its first character rather than as an untagged enum, which would hide where an
    // error is.
    let records: Vec<Service> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text).map_err(|error| error.to_string())?
    } else {
        vec![serde_json::from_str(text).map_err(|error| error.to_string())?]
    };
    let mut services = Vec::new();
    for service in records {
        if service.name.is_empty() {
            return Err("a record has an empty name".into());
        }
        for node in &service.nodes {
            check_address(&node.address)
                .map_err(|text| format!("service {}: {text}", service.name))?;
        }
        services.push(service);
    }
    Ok(services)
}

fn node(service: &str, address: &str) -> NodeInfo {
    NodeInfo::new(format!("{service}@{address}"), address)
}

fn check_address(address: &str) -> Result<(), String> {
    if let Some(path) = address.strip_prefix("unix:") {
        return if path.is_empty() { Err("`unix:` lacks a path".into()) } else { Ok(()) };
    }
    let Some((host, port)) = address.rsplit_once(':') else {
        return Err(format!("address `{address}` has no port"));
    };
    if host.is_empty() {
        return Err(format!("address `{address}` has no host"));
    }
    match port.parse::<u16>() {
        Ok(1..) => Ok(()),
        _ => Err(format!("address `{address}` has no valid port")),
    }
}

fn check_size(services: &[Service]) -> Result<(), String> {
    let nodes: usize = services.iter().map(|service| service.nodes.len()).sum();
    if nodes > NODES_MAX {
        return Err(format!("{nodes} nodes are more than {NODES_MAX}"));
    }
    Ok(())
}

/// Nodes in one list; beyond it a registry is the better tool.
const NODES_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(service: &Service) -> Vec<&str> {
        service.nodes.iter().map(|node| &*node.address).collect()
    }

    #[test]
    fn inline_text_names_services_versions_and_addresses() {
        let services =
            parse_inline("users@1.2 = unix:/run/u ; greeter=127.0.0.1:1, [::1]:2;").unwrap();
        assert_eq!(services.len(), 2);
        assert_eq!(services[0].name, "greeter");
        assert_eq!(addresses(&services[0]), ["127.0.0.1:1", "[::1]:2"]);
        assert_eq!(services[0].nodes[0].id, "greeter@127.0.0.1:1");
        assert_eq!((&*services[1].name, &*services[1].version), ("users", "1.2"));
        assert_eq!(addresses(&services[1]), ["unix:/run/u"]);
    }

    #[test]
    fn inline_text_that_is_wrong_is_refused_with_its_part() {
        let flaw = |text| parse_inline(text).unwrap_err().text;
        assert_eq!(flaw("greeter"), "`greeter` is not of the form name=address,address");
        assert_eq!(flaw("=127.0.0.1:1"), "`=127.0.0.1:1` names no service");
        assert_eq!(flaw("greeter=127.0.0.1"), "address `127.0.0.1` has no port");
        assert_eq!(flaw("greeter=127.0.0.1:70000"), "address `127.0.0.1:70000` has no valid port");
        assert_eq!(flaw("greeter=:80"), "address `:80` has no host");
        assert_eq!(flaw("greeter=unix:"), "`unix:` lacks a path");
        assert_eq!(parse_inline("greeter=x").unwrap_err().service, "greeter");
    }

    #[test]
    fn lines_carry_versions_labels_ids_and_comments() {
        let text = "# all of them\n\ngreeter 1.0 127.0.0.1:1 zone=a=b id=one # first\n\
                    greeter 1.0 127.0.0.1:2\nusers unix:/run/u\n";
        let services = parse_file(text).unwrap();
        assert_eq!(services.len(), 2);
        assert_eq!(services[0].version, "1.0");
        // By their ids.
        assert_eq!(addresses(&services[0]), ["127.0.0.1:2", "127.0.0.1:1"]);
        assert_eq!(services[0].nodes[1].id, "one");
        assert_eq!(services[0].nodes[1].metadata["zone"], "a=b");
        assert_eq!(services[1].version, "");
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number() {
        let flaw = |text| parse_file(text).unwrap_err();
        assert_eq!(flaw("# ok\ngreeter 1.0 here"), "line 2: address `here` has no port");
        assert_eq!(flaw("greeter a:1 zone"), "line 1: `zone` is not of the form label=value");
        assert!(flaw("greeter").starts_with("line 1: expected `service"));
    }

    #[test]
    fn json_is_an_array_of_records_or_one_record() {
        let node = r#"{"id":"a","address":"127.0.0.1:1"}"#;
        let record = format!(r#"{{"name":"greeter","version":"1","nodes":[{node}]}}"#);
        let one = parse_file(&record).unwrap();
        let many = parse_file(&format!(" [{record}]")).unwrap();
        assert_eq!(one, many);
        assert_eq!(addresses(&one[0]), ["127.0.0.1:1"]);
        assert!(parse_file("[\n{\"name\":1}]").unwrap_err().contains("line 2"));
        assert!(parse_file(&record.replace(":1\"", "\"")).unwrap_err().contains("has no port"));
    }

    #[test]
    fn too_many_nodes_are_refused() {
        let line = |index: usize| format!("s{index} 127.0.0.1:1\n");
        let text: String = (0..=NODES_MAX).map(line).collect();
        assert_eq!(parse_file(&text).unwrap_err(), "10001 nodes are more than 10000");
    }
}
