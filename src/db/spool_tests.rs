//! Places for uploads: what was added is read, and no name stays.

use crate::db::{database::Database, options::Options};

#[test]
fn what_was_added_is_read_and_no_name_stays() {
    let folder = tempfile::tempdir().unwrap();
    let names = || std::fs::read_dir(folder.path()).unwrap().flatten().map(|e| e.file_name()).collect::<Vec<_>>();
    for options in [Options::default(), Options::folder(folder.path())] {
        let db = Database::open(options).unwrap();
        let before = names();
        let mut spool = db.spool().unwrap();
        spool.append(b"one ").unwrap();
        spool.append(b"two").unwrap();
        let mut found = [0; 16];
        assert_eq!((spool.size(), spool.read_at(&mut found, 4).unwrap(), &found[..3]), (7, 3, &b"two"[..]));
        assert_eq!(spool.read_at(&mut found, 7).unwrap() + spool.read_at(&mut found, 99).unwrap(), 0);
        let mut after = names();
        after.retain(|name| name != "spare");
        assert!(after.iter().all(|name| before.contains(name)), "{after:?}");
    }
}
