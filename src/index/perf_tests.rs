//! Temporary.
use crate::{
    codec::section::MemoryImage,
    index::{directory::Directory, flag::FlagIndex, matching::TextMatch, set::SetIndex, text::TextIndex},
    model::id::ContactId,
};
/// CPU time of this thread.
#[derive(Clone, Copy)]
struct Instant(u64);
impl Instant {
    fn now() -> Instant {
        let s = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        Instant(s.split(' ').next().unwrap().parse().unwrap())
    }
    fn elapsed(&self) -> std::time::Duration {
        std::time::Duration::from_nanos(Instant::now().0 - self.0)
    }
}
impl std::ops::Sub for Instant {
    type Output = std::time::Duration;
    fn sub(self, o: Instant) -> std::time::Duration {
        std::time::Duration::from_nanos(self.0 - o.0)
    }
}

#[derive(Clone)]
struct All {
    d: Directory,
    t: Vec<TextIndex>,
    s: SetIndex,
    f: FlagIndex,
}

fn mix(n: u32, k: u32) -> u32 {
    let x = (n ^ k.wrapping_mul(0x9e3779b9)).wrapping_mul(0x85eb_ca6b);
    let x = (x ^ x >> 13).wrapping_mul(0xc2b2_ae35);
    x ^ x >> 16
}

#[test]
#[ignore]
fn perf() {
    let n: u32 = std::env::var("N").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let batch: u32 = std::env::var("B").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000);
    let first = [
        "James",
        "Mary",
        "Robert",
        "Patricia",
        "John",
        "Jennifer",
        "Michael",
        "Linda",
        "David",
        "Elizabeth",
        "Anna",
        "Lukas",
        "Sofia",
        "Hans",
        "Greta",
    ];
    let last: Vec<String> = (0..5000)
        .map(|i| {
            format!(
                "{}{}",
                ["Smi", "Jon", "Mül", "Gar", "Bro", "Wil"][i % 6],
                ["son", "ez", "ler", "th", "ski", "mann"][i / 6 % 6].to_owned() + &(i / 36).to_string()
            )
        })
        .collect();
    let mut a = All {
        d: Directory::default(),
        t: (0..8).map(|i| TextIndex::new(false, i == 1)).collect(),
        s: SetIndex::new(false),
        f: FlagIndex::default(),
    };
    let mut spent = vec![0f64; 12];
    let mut held = a.clone();
    let mut at = 0;
    let whole = Instant::now();
    while at < n {
        let ids = at..n.min(at + batch);
        let mut rows = vec![];
        for i in ids.clone() {
            let f = first[mix(i, 1) as usize % first.len()];
            let l = &last[mix(i, 2) as usize % last.len()];
            let vals = [
                format!("{f} {l}"),
                format!("{f}.{l}{i}@{}", ["gmail.com", "outlook.com", "corp.example"][mix(i, 9) as usize % 3]),
                format!("+49 {:09}", mix(i, 3)),
                format!("Company {}", mix(i, 4) % 50_000),
                format!("City {}", mix(i, 5) % 2000),
                ["US", "DE", "FR", "GB"][mix(i, 6) as usize % 4].to_owned(),
                ["active", "lead", "churned"][mix(i, 7) as usize % 3].to_owned(),
                ["en", "de", "fr"][mix(i, 8) as usize % 3].to_owned(),
            ];
            let tags: Vec<String> = (0..3).map(|k| format!("Tag {}", mix(i, 10 + k) % 200)).collect();
            rows.push((format!("user-{i}"), vals, tags));
        }
        let t = Instant::now();
        held = a.clone();
        let n0 = Instant::now();
        spent[11] += (n0 - t).as_secs_f64();
        for r in &rows {
            a.d.insert(&r.0);
        }
        let mut t = Instant::now();
        spent[0] += (t - n0).as_secs_f64();
        for k in 0..8 {
            for (i, r) in ids.clone().zip(&rows) {
                a.t[k].set(ContactId(i), Some(&r.1[k]));
            }
            let n = Instant::now();
            spent[1 + k] += (n - t).as_secs_f64();
            t = n;
        }
        for (i, r) in ids.clone().zip(&rows) {
            a.s.set(ContactId(i), &r.2);
        }
        let n2 = Instant::now();
        spent[9] += (n2 - t).as_secs_f64();
        t = n2;
        for i in ids.clone() {
            a.f.set(ContactId(i), Some(i % 3 == 0));
        }
        let n2 = Instant::now();
        spent[10] += (n2 - t).as_secs_f64();
        at = ids.end;
    }
    let start = whole;
    let _ = held;
    eprintln!(
        "total {:.2}s; per contact ns: {:?} sum {:.0}",
        start.elapsed().as_secs_f64(),
        spent.iter().map(|s| (s * 1e9 / f64::from(n)) as u32).collect::<Vec<_>>(),
        spent.iter().sum::<f64>() * 1e9 / f64::from(n)
    );
    let mut sum = 0;
    for (k, m) in std::iter::once(a.d.memory())
        .chain(a.t.iter().map(|t| t.memory()))
        .chain([a.s.memory(), vec![("flags", a.f.memory_bytes())]])
        .enumerate()
    {
        eprintln!(
            "{k}: {:?}",
            m.iter().map(|(p, b)| format!("{p} {:.1}", *b as f64 / f64::from(n))).collect::<Vec<_>>()
        );
        sum += m.iter().map(|x| x.1).sum::<u64>();
    }
    eprintln!("bytes per contact {:.1}", sum as f64 / f64::from(n));
    for (what, p, test) in [
        ("name contains", 0, TextMatch::contains("son12", false)),
        ("email contains gmail", 1, TextMatch::contains("gmail", false)),
        ("email contains rare", 1, TextMatch::contains("linda.smison108", false)),
        ("phone ends", 2, TextMatch::ends_with("1234", false)),
        ("glob", 1, TextMatch::glob("*linda*outlook*", false)),
        ("nogram", 1, TextMatch::contains("z9", false)),
        ("regex", 1, TextMatch::regex(regex::Regex::new("^L.*7@").unwrap())),
    ] {
        let t = Instant::now();
        let codes = a.t[p].codes_matching(&test);
        let t1 = t.elapsed();
        let rows = a.t[p].rows(&codes);
        eprintln!("{what}: codes {} in {:?}, rows {} in {:?}", codes.len(), t1, rows.len(), t.elapsed() - t1);
    }
    let t = Instant::now();
    let mut image = MemoryImage::new();
    a.d.encode("d", &mut image).unwrap();
    for (k, x) in a.t.iter().enumerate() {
        x.encode(&format!("t{k}"), &mut image).unwrap();
    }
    a.s.encode("s", &mut image).unwrap();
    eprintln!(
        "encode {:?}, {:.1} bytes per contact",
        t.elapsed(),
        image.sections().values().map(Vec::len).sum::<usize>() as f64 / f64::from(n)
    );
    let bytes: Vec<(String, usize)> = image.sections().iter().map(|(k, v)| (k.clone(), v.len())).collect();
    let mut bytes = bytes;
    bytes.sort_by_key(|b| std::cmp::Reverse(b.1));
    eprintln!("{:?}", &bytes[..12]);
    let t = Instant::now();
    use crate::codec::section::SectionSource;
    for s in image.sections().keys() {
        std::hint::black_box(image.section(s).unwrap());
    }
    let copy = t.elapsed();
    let t = Instant::now();
    let d = Directory::decode("d", &image).unwrap();
    let x: Vec<TextIndex> = (0..8).map(|k| TextIndex::decode(k == 1, &format!("t{k}"), &image).unwrap()).collect();
    let s = SetIndex::decode("s", &image).unwrap();
    eprintln!("decode {:?} of which copying {copy:?}", t.elapsed());
    let mut b = All { d, t: x, s, f: a.f.clone() };
    let t = Instant::now();
    for i in 0..100_000u32 {
        if i % batch == 0 {
            held = b.clone();
        }
        let c = ContactId(mix(i, 77) % n);
        b.t[1].set(c, Some(&format!("changed{i}@x.com")));
        b.t[5].set(c, Some("DE"));
        b.s.edit(c, &["Tag 7"], &["Tag 8"]);
    }
    eprintln!("100k updates over the image {:?} {}", t.elapsed(), held.d.len());
    let t = Instant::now();
    for i in 0..100_000u32 {
        if i % batch == 0 {
            held = b.clone();
        }
        let c = ContactId(mix(i, 78) % n);
        b.t[1].set(c, Some(&format!("again{i}@x.com")));
        b.t[5].set(c, Some("US"));
        b.s.edit(c, &["Tag 8"], &["Tag 7"]);
    }
    eprintln!("100k updates again {:?}", t.elapsed());
}
