//! What this machine gives: memory, disk and processor, measured in the same run.

use std::{
    fs::File,
    hint::black_box,
    io::{Read, Write},
    path::Path,
    thread,
};

use serde_json::{Value, json};

use crate::{
    bitmap::{kernels, yardstick},
    cli::{bench::rows::median_of, failure::Failure},
    db::clock::Stopwatch,
};

/// Measured once, at the start.
pub struct Machine {
    /// One core reads so fast. Units: bytes a microsecond.
    pub read: f64,
    /// One read of memory at a place that only the last one tells. Units: microseconds.
    pub random: f64,
    /// One synced write of 4 KiB into room that is there already. Units: microseconds.
    pub sync: f64,
    /// A long file is written, and synced at its end, so fast. Units: bytes a microsecond.
    pub write: f64,
}

impl Machine {
    /// Measures, with files in a folder.
    ///
    /// Errors: those of the disk.
    pub fn measure(folder: &Path) -> Result<Machine, Failure> {
        Ok(Machine { read: memory_read(), random: memory_random(), sync: sync_us(folder)?, write: disk_write(folder)? })
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!({
            "cpu": cpu(), "cores": thread::available_parallelism().map_or(1, usize::from), "memory_bytes": memory_bytes(),
            "system": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH), "kernels": kernels::level(),
            "memory_read_gb_s": self.read / 1e3, "random_read_ns": self.random * 1e3, "sync_us": self.sync,
            "disk_write_mb_s": self.write,
        })
    }
}

/// Where figures of the disk cannot be had, and why.
fn cannot(error: std::io::Error) -> Failure {
    Failure::operator(format!("the disk cannot be measured: {error}"))
}

/// Words that hardly a cache holds, 256 MiB. Units: words of eight bytes.
const FAR: usize = 1 << 25;

fn memory_read() -> f64 {
    let words = vec![1u64; FAR];
    let runs = (0..7).map(|_| {
        let watch = Stopwatch::start();
        black_box(yardstick::read_words(&words));
        (FAR * 8) as f64 / (watch.elapsed_ns() as f64 / 1e3)
    });
    median_of(runs.collect())
}

fn memory_random() -> f64 {
    // One ring through all places: a congruential generator of full period (Hull, Dobell, SIAM Review 4, 1962).
    let places = FAR * 2;
    let ring: Vec<u32> = (0..places).map(|at| ((at * 5_000_005 + 3) % places) as u32).collect();
    let runs = (0..7u32).map(|run| {
        let (watch, mut at, steps) = (Stopwatch::start(), run, 200_000);
        for _ in 0..steps {
            at = ring[at as usize];
        }
        black_box(at);
        watch.elapsed_ns() as f64 / 1e3 / f64::from(steps)
    });
    median_of(runs.collect())
}

/// One synced write of 4 KiB. Units: microseconds.
///
/// Errors: those of the disk.
pub fn sync_us(folder: &Path) -> Result<f64, Failure> {
    const PLACES: usize = 256;
    let path = folder.join("sync");
    let measured = (|| {
        let mut file = File::create(&path)?;
        file.write_all(&vec![0; PLACES * 4_096])?;
        file.sync_data()?;
        let mut file = File::options().write(true).open(&path)?;
        let mut times = Vec::new();
        for _ in 0..PLACES {
            let watch = Stopwatch::start();
            file.write_all(&[1; 4_096])?;
            file.sync_data()?;
            times.push(watch.elapsed_ns() as f64 / 1e3);
        }
        Ok(median_of(times))
    })();
    let _ = std::fs::remove_file(&path);
    measured.map_err(cannot)
}

fn disk_write(folder: &Path) -> Result<f64, Failure> {
    let mut rates = Vec::new();
    for _ in 0..3 {
        rates.push(write_rate(folder, 32 << 20)?);
    }
    Ok(median_of(rates))
}

/// How fast so many bytes are written and synced. Units: bytes a microsecond.
fn write_rate(folder: &Path, bytes: usize) -> Result<f64, Failure> {
    let (path, block) = (folder.join("stream"), vec![0x5Au8; 1 << 20]);
    let measured = (|| {
        let watch = Stopwatch::start();
        let mut file = File::create(&path)?;
        for _ in 0..bytes / block.len() {
            file.write_all(&block)?;
        }
        file.sync_data()?;
        Ok(bytes as f64 / (watch.elapsed_ns() as f64 / 1e3))
    })();
    let _ = std::fs::remove_file(&path);
    measured.map_err(cannot)
}

fn cpu() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

fn memory_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib =
        text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1_024
}

/// What this process holds of the machine's memory, where the system tells. Units: bytes.
pub fn resident_bytes() -> Option<u64> {
    told_of("self", "VmRSS:")
}

/// What a process holds of it for itself alone, without files that are mapped. Units: bytes.
pub fn memory_of(process: u32) -> Option<u64> {
    told_of(&process.to_string(), "RssAnon:")
}

fn told_of(process: &str, what: &str) -> Option<u64> {
    let mut text = String::new();
    File::open(format!("/proc/{process}/status")).ok()?.read_to_string(&mut text).ok()?;
    let kib = text.lines().find_map(|line| line.strip_prefix(what)?.trim().strip_suffix(" kB")?.parse::<u64>().ok())?;
    Some(kib * 1_024)
}
