//! The thread that writes the audit log, so that no call waits on a thread that others need. Lines wait in a bounded
//! queue; a deed has its place there before it is done, so that what is done always finds room to be told.

use std::{
    io::{self, Write},
    sync::Arc,
    thread,
};

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::db::meter::Total;

/// Deeds under way and lines that wait, together.
const PLACES: usize = 1_024;

/// What the thread is given: a line to write, or nothing, to be told that all before it is written.
pub struct Job {
    line: Option<Value>,
    written: oneshot::Sender<()>,
}

/// The place of a deed in the queue.
pub type Place = mpsc::OwnedPermit<Job>;

/// The way to the thread.
pub struct Writer {
    queue: mpsc::Sender<Job>,
    lost: Arc<Lost>,
}

/// Lines that could not be written.
#[derive(Default)]
struct Lost {
    all: Total,
    /// Those that no line tells of yet.
    untold: Total,
}

impl Lost {
    fn add(&self) {
        self.all.add(1);
        self.untold.add(1);
    }
}

impl Writer {
    /// Starts the thread.
    ///
    /// Errors: when there can be no more threads.
    pub fn over(file: Box<dyn Write + Send>) -> io::Result<Writer> {
        let (queue, jobs) = mpsc::channel(PLACES);
        let lost = Arc::new(Lost::default());
        let out = Out { file, is_torn: false, lost: Arc::clone(&lost) };
        thread::Builder::new().name("throng-audit".into()).spawn(move || out.run(jobs))?;
        Ok(Writer { queue, lost })
    }

    /// Lines that could not be written, by fault of the disk or of the program.
    pub fn lost(&self) -> u64 {
        self.lost.all.get()
    }

    /// A place for a deed; waits while there is none. `None` once the thread has ended, by a fault of the program.
    pub async fn place(&self) -> Option<Place> {
        self.queue.clone().reserve_owned().await.ok()
    }

    /// Hands over a line; gives what tells that it is written, or the line back when it has no place and there is none.
    pub fn hand(&self, line: Value, place: Option<Place>) -> Result<oneshot::Receiver<()>, Value> {
        let (written, told) = oneshot::channel();
        let job = Job { line: Some(line), written };
        match place {
            Some(place) => drop(place.send(job)),
            None => {
                use mpsc::error::TrySendError::{Closed, Full};
                match self.queue.try_send(job) {
                    Ok(()) => {}
                    Err(Full(job)) => return Err(job.line.unwrap_or_default()),
                    // Whoever waits is told at once, as the sender is gone.
                    Err(Closed(_)) => self.lose(),
                }
            }
        }
        Ok(told)
    }

    /// Notes a line that is not written.
    pub fn lose(&self) {
        self.lost.add();
        tracing::error!("a deed could not be recorded: too many lines of the audit log wait, or its thread has ended");
    }

    /// Writes a line and waits for it. For a thread that may block.
    pub fn write(&self, line: Option<Value>) {
        let (written, told) = oneshot::channel();
        match self.queue.blocking_send(Job { line, written }) {
            // An error tells that the thread has ended, which `lost` has told.
            Ok(()) => drop(told.blocking_recv()),
            Err(_) => self.lose(),
        }
    }
}

/// The file.
struct Out {
    file: Box<dyn Write + Send>,
    /// Whether a line may have broken off.
    is_torn: bool,
    lost: Arc<Lost>,
}

impl Out {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(Job { line, written }) = jobs.blocking_recv() {
            if let Some(line) = line {
                self.write(line);
            }
            // Nobody may wait any more.
            let _ = written.send(());
        }
    }

    fn write(&mut self, mut line: Value) {
        let untold = self.lost.untold.get();
        if untold > 0 {
            line["lost"] = untold.into();
        }
        // What a full disk broke off must not spoil the line behind it.
        let before = if self.is_torn { "\n" } else { "" };
        // In one piece, as another process may write to the same file.
        let written = self.file.write_all(format!("{before}{line}\n").as_bytes()).and_then(|()| self.file.flush());
        self.is_torn = written.is_err();
        match written {
            Ok(()) => self.lost.untold.sub(untold),
            Err(error) => {
                self.lost.add();
                let action = line["action"].as_str();
                tracing::error!(%error, action, "a deed could not be recorded");
            }
        }
    }
}
