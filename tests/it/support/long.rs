//! What the long versions of tests share: numbers from the environment, and all cores.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number from the environment, for long runs; `usual` where there is none.
pub fn asked(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().expect("a whole number"))
}

/// Does the work of every number below `count` on all cores; a failure of one is a failure of all.
pub fn on_all_cores(count: u64, work: &(dyn Fn(u64) + Sync)) {
    let next = AtomicU64::new(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let one = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return;
                }
                work(number);
            }
        };
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(one)).collect();
        for worker in workers {
            worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
}
