//! Addresses as they are typed: what is ours, what is the library's, and where a password comes from.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use postgres::config::SslMode;

use crate::cli::from_postgres::{address::Address, trust::Trust};

fn parse(url: &str) -> Result<Address, String> {
    Address::parse(url, |_| None).map_err(|failure| failure.message)
}

#[test]
fn addresses_say_where_and_how_safely() {
    let address = parse("postgres://crm:s3cret@db.example:6432/shop?application_name=me&connect_timeout=3").unwrap();
    assert_eq!(address.shown, "db.example:6432/shop");
    assert_eq!(address.config.get_application_name(), Some("me"));
    assert_eq!((address.trust, address.config.get_ssl_mode()), (Trust::Anyone, SslMode::Prefer));
    for (mode, trust, ssl) in [
        ("sslmode=disable", Trust::Anyone, SslMode::Disable),
        ("sslmode=require", Trust::Anyone, SslMode::Require),
        ("sslmode=require&sslrootcert=ca.pem", Trust::Vouched, SslMode::Require),
        ("sslmode=verify-ca", Trust::Vouched, SslMode::Require),
        ("sslmode=verify-full&sslrootcert=system", Trust::Host, SslMode::Require),
        ("sslrootcert=system", Trust::Host, SslMode::Require),
    ] {
        let address = parse(&format!("postgresql://db/shop?{mode}")).unwrap();
        assert_eq!((address.trust, address.config.get_ssl_mode()), (trust, ssl), "{mode}");
    }
    let files = parse("postgres://db/shop?sslrootcert=a%20b.pem&sslcert=c.pem&sslkey=k.pem").unwrap().certificates;
    assert_eq!(files.authorities.as_deref(), Some(Path::new("a b.pem")));
    assert_eq!((files.own.as_deref(), files.key.as_deref()), (Some(Path::new("c.pem")), Some(Path::new("k.pem"))));
    assert_eq!(parse("postgres://crm@%2Frun%2Fpg/shop").unwrap().shown, "/run/pg:5432/shop");
    assert_eq!(parse("postgres://crm@a,b:7/shop").unwrap().config.get_hosts().len(), 2);
}

#[test]
fn a_wrong_address_is_told_without_its_password() {
    for (url, why) in [
        ("mysql://u:s3cret@db/shop", "such as postgres://"),
        ("postgres://u:s3cret@db/shop?sslmode=verify", "sslmode is disable, prefer, require, verify-ca or verify-full"),
        ("postgres://u:s3cret@db/shop?schema=public", "schema"),
        ("postgres://u:s3cret@db:port/shop", "port"),
        ("postgres://u:s3cret@/shop", "names no host"),
        ("postgres://u:p@s3cret@db/shop", "%40"),
        ("postgres://u:s3cret@db/shop?sslmode=require&sslrootcert=system", "verify-full"),
        ("postgres://", "names no host"),
    ] {
        let told = parse(url).err().unwrap_or_default();
        assert!(told.contains(why) && !told.contains("s3cret"), "{url}: {told}");
    }
}

#[test]
fn passwords_come_from_the_address_the_environment_or_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pass file");
    let lines =
        "# all\nother:*:*:*:no\ndb.example:5432:*:crm:from\\:file:x\nlocalhost:*:shop:*:sock\\\\et\n*:*:*:*:last\n";
    fs::write(&file, lines).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let shown = file.display().to_string();
    let found = |url: &str, variables: &[(&str, &str)]| {
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into());
        let address = Address::parse(url, variable).unwrap();
        let password = address.config.get_password().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        (password, address.notes)
    };
    let named = [("PGPASSFILE", shown.as_str())];
    assert_eq!(found("postgres://crm:a%40b@db.example/shop", &[("PGPASSWORD", "c")]).0.as_deref(), Some("a@b"));
    assert_eq!(found("postgres://crm@db.example/shop", &[("PGPASSWORD", "c")]).0.as_deref(), Some("c"));
    assert_eq!(found("postgres://crm@db.example/shop", &named).0.as_deref(), Some("from:file:x"));
    assert_eq!(found("postgres://crm@%2Frun%2Fpg/shop", &named).0.as_deref(), Some("sock\\et"));
    assert_eq!(found("postgres://crm@db.example:7/shop", &named).0.as_deref(), Some("last"));
    let by_address = format!("postgres://crm@db.example/shop?passfile={}", shown.replace(' ', "%20"));
    assert_eq!(found(&by_address, &[]).0.as_deref(), Some("from:file:x"));
    assert_eq!(found("postgres://crm@db.example/shop", &[("HOME", &shown)]), (None, Vec::new()));
    assert!(Address::parse("postgres://crm@db/shop?passfile=missing", |_| None).is_err());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let (password, notes) = found("postgres://crm@db.example/shop", &named);
    assert!(password.is_none() && notes[0].contains("chmod 600"), "{notes:?}");
}
