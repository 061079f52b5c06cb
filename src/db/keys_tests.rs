//! Tests of access keys: what is made, shown, revoked, malformed and unreadable.

use super::*;

#[test]
fn keys_are_made_shown_and_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let keyring = Keyring { dir: Some(dir.clone()), ..Keyring::default() };
    assert!(!keyring.is_keyed() && list_keys(&dir).unwrap().is_empty());
    let (key, token) = create_key(&dir, "shop", &[Scope::Write, Scope::Read, Scope::Read], "5/m".parse().ok()).unwrap();
    let (other, second) = create_key(&dir, "page", &[Scope::Track], None).unwrap();
    keyring.look().unwrap();
    assert!(keyring.is_keyed());
    let grant = keyring.grant(&token).unwrap();
    assert_eq!((&grant.id, grant.scopes.as_slice()), (&key.id, &[Scope::Read, Scope::Write][..]));
    assert!(grant.allows(Scope::Write) && !grant.allows(Scope::Track) && !grant.allows(Scope::Admin));
    assert_eq!(keyring.grant(&second).unwrap().id, other.id);
    // The secret of one is none of another's, and nothing of it stands in the file.
    let mixed = format!("thr_{}_{}", key.id, &second[17..]);
    assert_eq!(keyring.grant(&mixed), None);
    let text = std::fs::read_to_string(dir.join(KEYS)).unwrap();
    assert!(text.contains(&key.id) && !text.contains(&token[17..]), "{text}");
    revoke_key(&dir, &key.id).unwrap();
    keyring.look().unwrap();
    assert_eq!((keyring.grant(&token), keyring.grant(&second).is_some()), (None, true));
    revoke_key(&dir, &other.id).unwrap();
    keyring.look().unwrap();
    assert!(keyring.is_keyed(), "without a key that holds nobody gets in, and not everybody");
    assert!(list_keys(&dir).unwrap().iter().all(|key| key.revoked.is_some() && key.hash.is_none()));
    std::fs::remove_file(dir.join(KEYS)).unwrap();
    keyring.look().unwrap();
    assert!(keyring.is_keyed(), "a file that is gone opens no door");
}

#[test]
fn a_thousand_malformed_keys_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let (_, token) = create_key(folder.path(), "x", &[Scope::Admin], None).unwrap();
    let keyring = Keyring::open(folder.path()).unwrap();
    assert!(keyring.grant(&token).is_some());
    let mut tried = 0;
    for at in 0..token.len() {
        for letter in ["", "_", "é", "A", "0", " ", "\0", "thr_"] {
            let mut bent = token.clone();
            bent.replace_range(at..=at, letter);
            assert!(bent == token || keyring.grant(&bent).is_none(), "{bent}");
            bent = format!("{}{letter}", &token[..at]);
            assert!(keyring.grant(&bent).is_none(), "{bent}");
            tried += 2;
        }
    }
    assert!(tried > 900 && keyring.grant("").is_none() && keyring.grant(&format!("{token}A")).is_none());
}

#[test]
fn a_file_that_cannot_be_read_lets_nobody_in() {
    let folder = tempfile::tempdir().unwrap();
    for text in ["", "[]", "{\"version\":2,\"keys\":[]}", "{\"version\":1}"] {
        std::fs::write(folder.path().join(KEYS), text).unwrap();
        assert!(Keyring::open(folder.path()).is_err(), "{text}");
        assert!(create_key(folder.path(), "x", &[Scope::Admin], None).is_err(), "{text}");
    }
    assert!(create_key(folder.path(), " ", &[Scope::Admin], None).is_err());
    assert!(revoke_key(&folder.path().join("new"), "nobody").is_err());
}
