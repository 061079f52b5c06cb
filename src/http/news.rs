//! News for those who wait: that something was published, or that the server stops.

use std::sync::Arc;

use axum::http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::{db::database::Database, http::problem::Problem};

/// Calls that may wait for news at once; fewer than connections, so that those who wait leave room for others.
const WAITING_MAX: usize = 768;

/// What there is to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Told {
    /// The newest entry of the feed.
    seq: u64,
    /// Whether the server stops.
    is_over: bool,
}

/// Tells everyone who waits, at once, without keeping anything for anyone.
pub struct News {
    told: watch::Sender<Told>,
    room: Arc<Semaphore>,
}

impl News {
    /// The news of a database.
    pub fn of(db: &Database) -> Arc<News> {
        let room = Arc::new(Semaphore::new(WAITING_MAX));
        let news = Arc::new(News { told: watch::Sender::new(Told::default()), room });
        let weak = Arc::downgrade(&news);
        db.on_publish(Box::new(move |seq| match weak.upgrade() {
            Some(news) => {
                news.told.send_if_modified(|told| std::mem::replace(&mut told.seq, seq) != seq);
                true
            }
            None => false,
        }));
        news
    }

    /// The server stops: whoever waits goes home.
    pub fn end(&self) {
        self.told.send_modify(|told| told.is_over = true);
    }

    /// How many listen.
    pub fn waiting(&self) -> usize {
        WAITING_MAX - self.room.available_permits()
    }

    /// Begins to listen.
    ///
    /// Errors: 503 when too many do.
    pub fn listen(&self) -> Result<Ear, Problem> {
        match Arc::clone(&self.room).try_acquire_owned() {
            Ok(permit) => Ok(Ear { told: self.told.subscribe(), _permit: permit }),
            Err(_) => {
                let detail = format!("{WAITING_MAX} calls wait for changes already; try again shortly");
                let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_waiting", detail);
                Err(Problem { retry_after: Some(5), ..problem })
            }
        }
    }
}

/// One who listens.
pub struct Ear {
    told: watch::Receiver<Told>,
    _permit: OwnedSemaphorePermit,
}

impl Ear {
    /// Takes note of everything told so far: a view made after this call holds it. Gives whether the server stops.
    pub fn is_over(&mut self) -> bool {
        self.told.borrow_and_update().is_over
    }

    /// Waits for something that was not noted yet.
    pub async fn news(&mut self) {
        // Who listens holds the news itself, so that there is always someone to tell.
        if self.told.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
