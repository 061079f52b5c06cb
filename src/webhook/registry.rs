//! The webhooks of a database: made, changed and kept; each is told by a task of its own.

use std::{
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
    sync::{Notify, watch},
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
        client::{Carried, Client, Signed},
        endpoint::{Endpoint, Status, Try},
        error::HookError,
        event::{self, Message},
        plan::Plan,
        sign::{Secret, signatures},
        slot::Slot,
        target::Reach,
        task::{supervised, whole},
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

/// What is kept in the file.
#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    /// The database that was told of, so that one salvaged from it is known as another.
    database: String,
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
    saving: Arc<tokio::sync::Mutex<()>>,
    is_dirty: AtomicBool,
    touched: Notify,
    /// The newest entry of the feed.
    news: watch::Sender<u64>,
    stop: watch::Sender<bool>,
    runtime: Mutex<Option<Handle>>,
    running: Mutex<Vec<JoinHandle<()>>>,
}

impl Webhooks {
    /// Reads the webhooks of a database. Nothing is told before [`Webhooks::start`].
    pub fn open(db: &Database, settings: Settings) -> Arc<Webhooks> {
        let (endpoints, is_gap, unusable) = match read(db) {
            Ok((endpoints, is_gap)) => (endpoints, is_gap, None),
            Err(why) => {
                tracing::error!(%why, "the webhooks cannot be read; nobody is told");
                (Vec::new(), false, Some(why))
            }
        };
        let connect = (settings.timeout / 3).max(Duration::from_millis(1));
        let client = Client { reach: settings.reach, own: settings.own, connect, total: settings.timeout };
        let hooks = Webhooks {
            db: db.clone(),
            client,
            settings,
            slots: Mutex::new(endpoints.into_iter().map(Slot::new).collect()),
            unusable,
            saving: Arc::default(),
            is_dirty: AtomicBool::new(false),
            touched: Notify::new(),
            news: watch::Sender::new(0),
            stop: watch::Sender::new(false),
            runtime: Mutex::default(),
            running: Mutex::default(),
        };
        // Before the feed grows: by then nothing else tells that it was another one.
        if is_gap && let Err(error) = hooks.write() {
            tracing::warn!(%error, "that webhooks missed something could not be kept; it is tried again");
            hooks.touch();
        }
        hooks.tell_alarm();
        Arc::new(hooks)
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
        running.push(handle.spawn(supervised(Arc::clone(self), Arc::clone(slot))));
    }

    /// Says that the server stops: no new call is begun.
    pub fn end(&self) {
        self.stop.send_replace(true);
    }

    /// Stops telling, and keeps how far everyone was told.
    pub async fn stop(self: &Arc<Webhooks>) {
        self.end();
        let running = std::mem::take(&mut *locked(&self.running));
        let aborts: Vec<_> = running.iter().map(JoinHandle::abort_handle).collect();
        let ended = async {
            for task in running {
                // One that panicked has ended, too.
                let _ = task.await;
            }
        };
        let is_late = timeout(LAST_CALL, ended).await.is_err();
        aborts.iter().for_each(AbortHandle::abort);
        if (self.is_dirty.swap(false, Ordering::AcqRel) || is_late)
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
        self.touched.notify_one();
    }

    async fn save_in_turn(self: Arc<Webhooks>) {
        let mut stopping = self.stopping();
        loop {
            // While there is nothing to keep, nothing runs.
            tokio::select! {
                () = async { self.touched.notified().await; sleep(SAVE_EVERY).await } => {}
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

    /// Keeps everything as it is now. Once begun it goes to its end, alone, whether or not somebody waits for it.
    pub(super) async fn save(self: &Arc<Webhooks>) -> Result<(), Error> {
        let turn = Arc::clone(&self.saving).lock_owned().await;
        let hooks = Arc::clone(self);
        let kept = spawn_blocking(move || {
            let _turn = turn;
            hooks.write()
        });
        kept.await.unwrap_or(Err(Error::Closed))
    }

    fn write(&self) -> Result<(), Error> {
        if self.unusable.is_some() {
            return Ok(());
        }
        let (oldest, now) = (self.db.view().feed_bounds().oldest, system_now());
        let mut endpoints = Vec::new();
        for slot in self.all() {
            let mut endpoint = slot.endpoint();
            endpoint.expire(oldest, now);
            endpoints.push(endpoint.clone());
        }
        let kept = Kept { version: KEPT_VERSION, database: name_of(&self.db), endpoints };
        self.db.keep_webhooks(&serde_json::to_vec(&kept).expect("texts and numbers become JSON"))
    }

    /// Tells an operator which webhooks are disabled.
    pub(super) fn tell_alarm(&self) {
        let mut wrong: Vec<String> = self.all().iter().filter_map(|slot| slot.wrong()).collect();
        wrong.extend(self.unusable.as_ref().map(|why| format!("all of them: {why}")));
        self.db.alarm_of_webhooks((!wrong.is_empty()).then(|| wrong.join("; ")));
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

    /// The webhook that an earlier call under the same idempotency key made; it is kept when this returns.
    ///
    /// Errors: [`HookError`].
    pub async fn made_before(self: &Arc<Webhooks>, made_by: &MadeBy) -> Result<Option<Arc<Slot>>, HookError> {
        self.usable()?;
        let found = made_by_call(&locked(&self.slots), made_by)?;
        if found.is_some() {
            self.save().await?;
        }
        Ok(found)
    }

    /// Adds a webhook, or finds the one that an earlier try of the same call added; it is kept when this returns. Gives
    /// it, and whether it was there.
    ///
    /// Errors: [`HookError`]; nothing is added then.
    pub async fn create(self: &Arc<Webhooks>, endpoint: Endpoint) -> Result<(Arc<Slot>, bool), HookError> {
        self.usable()?;
        let hooks = Arc::clone(self);
        whole(async move {
            let (slot, was_there) = hooks.add(endpoint)?;
            if let Err(error) = hooks.save().await {
                if !was_there {
                    locked(&hooks.slots).retain(|known| !Arc::ptr_eq(known, &slot));
                    hooks.touch();
                }
                return Err(error.into());
            }
            if !was_there {
                hooks.run(&slot);
            }
            Ok((slot, was_there))
        })
        .await
    }

    fn add(&self, endpoint: Endpoint) -> Result<(Arc<Slot>, bool), HookError> {
        let mut slots = locked(&self.slots);
        if let Some(made_by) = &endpoint.made_by
            && let Some(slot) = made_by_call(&slots, made_by)?
        {
            return Ok((slot, true));
        }
        if slots.iter().any(|known| known.endpoint().id == endpoint.id) {
            return Err(HookError::Taken(endpoint.id));
        }
        if slots.len() >= limits::WEBHOOKS_MAX {
            return Err(HookError::TooMany(slots.len()));
        }
        let slot = Slot::new(endpoint);
        slots.push(Arc::clone(&slot));
        Ok((slot, false))
    }

    /// Changes a webhook; the change is kept when this returns.
    ///
    /// Errors: those of `change`, and nothing is changed then; the disk's, and the change then holds for this process
    /// and is kept as soon as the disk takes it.
    pub async fn change(
        self: &Arc<Webhooks>,
        id: &str,
        change: impl FnOnce(&mut Endpoint) -> Result<(), HookError>,
    ) -> Result<Arc<Slot>, HookError> {
        let slot = self.get(id)?;
        slot.change(change)?;
        self.tell_alarm();
        let hooks = Arc::clone(self);
        whole(async move { hooks.save_or_later().await.map(|()| slot) }).await
    }

    /// Gives a webhook a new secret; the one before signs beside it for a day.
    ///
    /// Errors: [`HookError`]; the old secret alone stays then.
    pub async fn rotate(self: &Arc<Webhooks>, id: &str, secret: Secret) -> Result<Arc<Slot>, HookError> {
        let slot = self.get(id)?;
        let hooks = Arc::clone(self);
        whole(async move {
            let before = slot.endpoint().clone();
            slot.change(|endpoint| {
                let now = system_now();
                endpoint.rotate(secret.clone(), now);
                endpoint.updated = now;
                Ok::<(), HookError>(())
            })?;
            let saved = hooks.save().await;
            if saved.is_err() {
                // Nobody is shown the new one.
                let mut endpoint = slot.endpoint();
                if endpoint.secret == secret {
                    (endpoint.secret, endpoint.old_secrets) = (before.secret, before.old_secrets);
                }
                hooks.touch();
            }
            Ok(saved.map(|()| Arc::clone(&slot))?)
        })
        .await
    }

    async fn save_or_later(self: &Arc<Webhooks>) -> Result<(), HookError> {
        let saved = self.save().await;
        if saved.is_err() {
            self.touch();
        }
        Ok(saved?)
    }

    /// Deletes a webhook; nothing is sent to it from then on but what is on its way.
    ///
    /// Errors: [`HookError`].
    pub async fn delete(self: &Arc<Webhooks>, id: &str) -> Result<(), HookError> {
        let slot = self.get(id)?;
        slot.delete();
        locked(&self.slots).retain(|known| !Arc::ptr_eq(known, &slot));
        self.tell_alarm();
        let hooks = Arc::clone(self);
        whole(async move { hooks.save_or_later().await }).await
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

    /// Sends a message that only tells that messages arrive, now and once, whatever the webhook's status, in a trace.
    ///
    /// Errors: [`HookError`].
    pub async fn test(&self, id: &str, trace: Option<Carried>) -> Result<Try, HookError> {
        let slot = self.get(id)?;
        let _one = slot.testing.try_lock().map_err(|_| HookError::Testing(id.to_owned()))?;
        let (endpoint, now) = (slot.endpoint().clone(), system_now());
        let message = event::of_test(&endpoint.id, random()?, now);
        let took = Stopwatch::start();
        let signed = Signed { trace, ..sign(&endpoint, &message) };
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
    let signatures = signatures(endpoint.signing(now), &message.id, at, &message.body);
    Signed { message, at, signatures, trace: None }
}

fn random() -> Result<u128, HookError> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| HookError::Random(Arc::new(std::io::Error::other(error))))?;
    Ok(u128::from_le_bytes(bytes))
}

/// The call that made an endpoint, as the endpoint remembers it.
pub type MadeBy = (Box<str>, u64);

fn made_by_call(slots: &[Arc<Slot>], (key, digest): &MadeBy) -> Result<Option<Arc<Slot>>, HookError> {
    for slot in slots {
        match &slot.endpoint().made_by {
            Some((known, asked)) if known == key && asked == digest => return Ok(Some(Arc::clone(slot))),
            Some((known, _)) if known == key => return Err(HookError::KeyReused),
            _ => {}
        }
    }
    Ok(None)
}

/// The identity of a database as text.
fn name_of(db: &Database) -> String {
    format!("{:032x}", u128::from_be_bytes(db.identity()))
}

/// The endpoints that are kept, and whether one of them missed something.
fn read(db: &Database) -> Result<(Vec<Endpoint>, bool), Box<str>> {
    let Some(bytes) = db.webhooks().map_err(|error| error.to_string())? else { return Ok((Vec::new(), false)) };
    let kept: Kept = serde_json::from_slice(&bytes).map_err(|error| format!("they cannot be read: {error}"))?;
    if kept.version != KEPT_VERSION {
        return Err(format!("they are of version {}; this program reads version {KEPT_VERSION}", kept.version).into());
    }
    let (bounds, is_other, now) = (db.view().feed_bounds(), kept.database != name_of(db), system_now());
    let mut endpoints = kept.endpoints;
    let mut is_gap = false;
    for endpoint in &mut endpoints {
        is_gap |= endpoint.meet(bounds.oldest, bounds.newest, is_other, now);
    }
    Ok((endpoints, is_gap))
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
