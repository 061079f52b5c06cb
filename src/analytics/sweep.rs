//! Work chunk by chunk, on several threads when there are many.

use rayon::prelude::*;

/// So few tasks stay on the calling thread.
const ALONE_MAX: usize = 3;

/// Runs a task for every number below a count and gives what they found, in order.
pub fn sweep<T: Send>(count: usize, task: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    if count <= ALONE_MAX {
        return (0..count).map(task).collect();
    }
    (0..count).into_par_iter().map(task).collect()
}

/// Adds up lists of figures of one length.
pub fn summed(lists: Vec<Vec<u64>>, length: usize) -> Vec<u64> {
    let mut sums = vec![0; length];
    for list in lists {
        sums.iter_mut().zip(list).for_each(|(sum, figure)| *sum += figure);
    }
    sums
}
