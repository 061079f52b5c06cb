//! The webhooks of a database: made, changed and kept; each is told by a task of its own.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    runtime::Handle,
    sync::watch,
    task::{AbortHandle, JoinHandle, spawn_blocking},
    time::{sleep, timeout},
};

use crate::{
    db::{
        clock::{Stopwatch, system_now},
        database::Database,
        error::Error,
    },
    model::limits,
    webhook::{
        client::{Client, Signed},
        deliver,
        endpoint::{Endpoint, Status, Try, remember},
        event::{self, Message},
        plan::Plan,
        sign::{Secret, signatures},
        target::Reach,
    },
};

/// How long what was told may be unknown to the file. It lags by so much after a kill: these messages come again.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// How long a call under way may take once the server stops; it is sent again after the next start.
const LAST_CALL: Duration = Duration::from_secs(3);

/// How webhooks are told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// When failed messages are tried again.
    pub plan: Plan,
    /// How long nothing may be delivered before an endpoint is disabled.
    pub disable_after: Duration,
    /// How long a whole call may take; a connection a third of it.
    pub timeout: Duration,
    /// Which addresses may be called.
    pub reach: Reach,
    /// Where the server itself listens.
    pub own: Option<SocketAddr>,
    /// Whether anything is told at all; else webhooks can be edited and wait.
    pub deliver: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            plan: Plan::default(),
            disable_after: Duration::from_secs(5 * 24 * 3_600),
            timeout: Duration::from_secs(15),
            reach: Reach::Public,
            own: None,
            deliver: true,
        }
    }
}

/// Why a call about webhooks cannot be done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HookError {
    /// There is none of this id.
    #[error("there is no webhook \"{0}\"")]
    Unknown(String),
    /// There is one of this id.
    #[error("there is a webhook \"{0}\" already")]
    Taken(String),
    /// There are as many as there may be.
    #[error("there are {0} webhooks already, and no more can be")]
    TooMany(usize),
    /// The file of webhooks cannot be read; it is left as it is.
    #[error("the webhooks cannot be used: {0}")]
    Unusable(Box<str>),
    /// A change is refused.
    #[error("{0}")]
    Refused(String),
    /// The disk.
    #[error(transparent)]
    Database(#[from] Error),
    /// The system.
    #[error("no random bytes: {0}")]
    Random(Arc<std::io::Error>),
}

/// One endpoint at work.
pub struct Slot {
    endpoint: Mutex<Endpoint>,
    tries: Mutex<VecDeque<Try>>,
    /// Counts the owner's changes, and wakes the task.
    changes: watch::Sender<u64>,
    gone: AtomicBool,
}

impl Slot {
    fn new(endpoint: Endpoint) -> Arc<Slot> {
        Arc::new(Slot {
            endpoint: Mutex::new(endpoint),
            tries: Mutex::default(),
            changes: watch::Sender::new(0),
            gone: AtomicBool::new(false),
        })
    }

    /// The endpoint, for a moment.
    pub fn endpoint(&self) -> MutexGuard<'_, Endpoint> {
        // Changes are made by whole assignments, so it is whole whatever panicked.
        self.endpoint.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tries of the last past, the newest first.
    pub fn tries(&self) -> Vec<Try> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Remembers a try.
    pub(super) fn note(&self, one: Try) {
        remember(&mut self.tries.lock().unwrap_or_else(PoisonError::into_inner), one);
    }

    /// Hears of the owner's changes.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Whether it was deleted.
    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }
}

/// What is kept in the file.
#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    endpoints: Vec<Endpoint>,
}

/// The version of what is kept.
const KEPT_VERSION: u32 = 1;

/// All webhooks of a database.
pub struct Webhooks {
    pub(super) db: Database,
    pub(super) settings: Settings,
    pub(super) client: Client,
    slots: Mutex<Vec<Arc<Slot>>>,
    /// Why the file could not be read.
    unusable: Option<Box<str>>,
    saving: tokio::sync::Mutex<()>,
    is_dirty: AtomicBool,
    /// The newest entry of the feed.
    news: watch::Sender<u64>,
    stop: watch::Sender<bool>,
    runtime: Mutex<Option<Handle>>,
    running: Mutex<Vec<JoinHandle<()>>>,
}

impl Webhooks {
    /// Reads the webhooks of a database. Nothing is told before [`Webhooks::start`].
    pub fn open(db: &Database, settings: Settings) -> Arc<Webhooks> {
        let (endpoints, unusable) = match read(db) {
            Ok(endpoints) => (endpoints, None),
            Err(why) => {
                tracing::error!(%why, "the webhooks cannot be read; nobody is told");
                (Vec::new(), Some(why))
            }
        };
        let connect = (settings.timeout / 3).max(Duration::from_millis(1));
        let client = Client { reach: settings.reach, own: settings.own, connect, total: settings.timeout };
        Arc::new(Webhooks {
            db: db.clone(),
            client,
            settings,
            slots: Mutex::new(endpoints.into_iter().map(Slot::new).collect()),
            unusable,
            saving: tokio::sync::Mutex::default(),
            is_dirty: AtomicBool::new(false),
            news: watch::Sender::new(0),
            stop: watch::Sender::new(false),
            runtime: Mutex::default(),
            running: Mutex::default(),
        })
    }

    /// Begins to tell. To be called once, within a runtime.
    pub fn start(self: &Arc<Webhooks>) {
        if !self.settings.deliver || self.unusable.is_some() {
            return;
        }
        let weak = Arc::downgrade(self);
        self.db.on_publish(Box::new(move |seq| match weak.upgrade() {
            Some(hooks) => {
                hooks.news.send_if_modified(|told| std::mem::replace(told, seq) != seq);
                true
            }
            None => false,
        }));
        let handle = Handle::current();
        let saver = handle.spawn(Arc::clone(self).save_in_turn());
        locked(&self.running).push(saver);
        *locked(&self.runtime) = Some(handle);
        for slot in locked(&self.slots).iter() {
            self.run(slot);
        }
    }

    fn run(self: &Arc<Webhooks>, slot: &Arc<Slot>) {
        let Some(handle) = locked(&self.runtime).clone() else { return };
        let mut running = locked(&self.running);
        running.retain(|task| !task.is_finished());
        running.push(handle.spawn(deliver::run(Arc::clone(self), Arc::clone(slot))));
    }

    /// Says that the server stops: no new call is begun.
    pub fn end(&self) {
        self.stop.send_replace(true);
    }

    /// Stops telling, and keeps how far everyone was told.
    pub async fn stop(&self) {
        self.end();
        let running = std::mem::take(&mut *locked(&self.running));
        let aborts: Vec<_> = running.iter().map(JoinHandle::abort_handle).collect();
        let ended = async {
            for task in running {
                // One that panicked has ended, too.
                let _ = task.await;
            }
        };
        if timeout(LAST_CALL, ended).await.is_err() {
            aborts.iter().for_each(AbortHandle::abort);
        }
        if self.is_dirty.swap(false, Ordering::AcqRel)
            && let Err(error) = self.save().await
        {
            tracing::warn!(%error, "how far webhooks were told is not kept; some messages will come again");
        }
    }

    /// Hears when the server stops.
    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Hears of new entries of the feed.
    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Notes that something is to be kept before long.
    pub(super) fn touch(&self) {
        self.is_dirty.store(true, Ordering::Release);
    }

    async fn save_in_turn(self: Arc<Webhooks>) {
        let mut stopping = self.stopping();
        loop {
            tokio::select! {
                () = sleep(SAVE_EVERY) => {}
                _ = stopping.wait_for(|stop| *stop) => return,
            }
            if self.is_dirty.swap(false, Ordering::AcqRel)
                && let Err(error) = self.save().await
            {
                tracing::warn!(%error, "how far webhooks were told could not be kept; it is tried again");
                self.touch();
            }
        }
    }

    /// Keeps everything as it is now.
    async fn save(&self) -> Result<(), Error> {
        let _turn = self.saving.lock().await;
        let oldest = self.db.view().feed_bounds().oldest;
        let mut endpoints = Vec::new();
        for slot in self.all() {
            let mut endpoint = slot.endpoint();
            endpoint.expire(oldest);
            endpoints.push(endpoint.clone());
        }
        let db = self.db.clone();
        let kept = spawn_blocking(move || {
            let kept = Kept { version: KEPT_VERSION, endpoints };
            db.keep_webhooks(&serde_json::to_vec(&kept).expect("texts and numbers become JSON"))
        });
        kept.await.unwrap_or(Err(Error::Closed))
    }

    /// How calls are made.
    pub fn client(&self) -> &Client {
        &self.client
    }

    fn usable(&self) -> Result<(), HookError> {
        self.unusable.clone().map_or(Ok(()), |why| Err(HookError::Unusable(why)))
    }

    fn all(&self) -> Vec<Arc<Slot>> {
        locked(&self.slots).clone()
    }

    /// All webhooks, in order of creation.
    ///
    /// Errors: [`HookError::Unusable`].
    pub fn list(&self) -> Result<Vec<Arc<Slot>>, HookError> {
        self.usable()?;
        Ok(self.all())
    }

    /// One webhook.
    ///
    /// Errors: [`HookError::Unusable`], [`HookError::Unknown`].
    pub fn get(&self, id: &str) -> Result<Arc<Slot>, HookError> {
        self.usable()?;
        let slots = locked(&self.slots);
        let found = slots.iter().find(|slot| slot.endpoint().id == id);
        found.cloned().ok_or_else(|| HookError::Unknown(id.to_owned()))
    }

    /// Adds a webhook; it is kept when this returns.
    ///
    /// Errors: [`HookError`]; nothing is added then.
    pub async fn create(self: &Arc<Webhooks>, endpoint: Endpoint) -> Result<Arc<Slot>, HookError> {
        self.usable()?;
        let slot = Slot::new(endpoint);
        {
            let mut slots = locked(&self.slots);
            let id = slot.endpoint().id.clone();
            if slots.iter().any(|known| known.endpoint().id == id) {
                return Err(HookError::Taken(id));
            }
            if slots.len() >= limits::WEBHOOKS_MAX {
                return Err(HookError::TooMany(slots.len()));
            }
            slots.push(Arc::clone(&slot));
        }
        if let Err(error) = self.save().await {
            locked(&self.slots).retain(|known| !Arc::ptr_eq(known, &slot));
            return Err(error.into());
        }
        self.run(&slot);
        Ok(slot)
    }

    /// Changes a webhook; the change is kept when this returns.
    ///
    /// Errors: those of `change`, and nothing is changed then; the disk's, and the change then holds for this process
    /// and is kept as soon as the disk takes it.
    pub async fn change(
        &self,
        id: &str,
        change: impl FnOnce(&mut Endpoint) -> Result<(), HookError>,
    ) -> Result<Arc<Slot>, HookError> {
        let slot = self.get(id)?;
        {
            let mut endpoint = slot.endpoint();
            let mut next = endpoint.clone();
            change(&mut next)?;
            *endpoint = next;
        }
        slot.changes.send_modify(|count| *count += 1);
        self.save_or_later().await?;
        Ok(slot)
    }

    async fn save_or_later(&self) -> Result<(), HookError> {
        let saved = self.save().await;
        if saved.is_err() {
            self.touch();
        }
        Ok(saved?)
    }

    /// Deletes a webhook; nothing is sent to it from then on but what is on its way.
    ///
    /// Errors: [`HookError`].
    pub async fn delete(&self, id: &str) -> Result<(), HookError> {
        let slot = self.get(id)?;
        slot.gone.store(true, Ordering::Release);
        locked(&self.slots).retain(|known| !Arc::ptr_eq(known, &slot));
        slot.changes.send_modify(|count| *count += 1);
        self.save_or_later().await
    }

    /// A fresh id.
    ///
    /// Errors: [`HookError::Random`].
    pub fn fresh_id() -> Result<String, HookError> {
        Ok(format!("wh_{:016x}", random()? as u64))
    }

    /// A fresh secret.
    ///
    /// Errors: [`HookError::Random`].
    pub fn fresh_secret() -> Result<Secret, HookError> {
        Secret::random().map_err(|error| HookError::Random(Arc::new(error)))
    }

    /// Sends a message that only tells that messages arrive, now and once, whatever the status of the webhook.
    ///
    /// Errors: [`HookError`].
    pub async fn test(&self, id: &str) -> Result<Try, HookError> {
        let slot = self.get(id)?;
        let (endpoint, now) = (slot.endpoint().clone(), system_now());
        let message = event::of_test(&endpoint.id, random()?, now);
        let took = Stopwatch::start();
        let signed = sign(&endpoint, &message);
        let sent = self.client.send(&endpoint.url, &signed, &mut None).await;
        let took_ms = took.elapsed_us() / 1_000;
        let one = Try { id: message.id, seq: None, at: now, tries: 1, outcome: sent.outcome, took_ms, next: None };
        slot.note(one.clone());
        Ok(one)
    }
}

/// A message with the signatures of its endpoint, as of now.
pub(super) fn sign<'a>(endpoint: &Endpoint, message: &'a Message) -> Signed<'a> {
    let now = system_now();
    let at = now.0.div_euclid(1_000);
    Signed { message, at, signatures: signatures(endpoint.signing(now), &message.id, at, &message.body) }
}

fn random() -> Result<u128, HookError> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| HookError::Random(Arc::new(std::io::Error::other(error))))?;
    Ok(u128::from_le_bytes(bytes))
}

fn read(db: &Database) -> Result<Vec<Endpoint>, Box<str>> {
    let Some(bytes) = db.webhooks().map_err(|error| error.to_string())? else { return Ok(Vec::new()) };
    let kept: Kept = serde_json::from_slice(&bytes).map_err(|error| format!("they cannot be read: {error}"))?;
    if kept.version != KEPT_VERSION {
        return Err(format!("they are of version {}; this program reads version {KEPT_VERSION}", kept.version).into());
    }
    Ok(kept.endpoints)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Lists of handles, whole whatever panicked.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Endpoint {
    /// Whether it is told now.
    pub fn is_active(&self) -> bool {
        self.status == Status::Active
    }
}
