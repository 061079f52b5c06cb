// Calls to this server's own API, and small things that every page does.

/** What the server refused, with its problem details. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `The server answered ${status}.`);
    this.status = status;
    this.problem = problem;
  }
}

/** One call; gives the JSON of the answer. `signal` may end it before that: then it fails with an `AbortError`. */
export async function call(method, path, body, signal) {
  let answer;
  let text;
  try {
    answer = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
    });
    text = await answer.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refused(0, { detail: "The server does not answer. Is it running?" });
  }
  if (!answer.ok) {
    let problem = {};
    try { problem = JSON.parse(text); } catch { /* the status says enough */ }
    throw new Refused(answer.status, problem);
  }
  if (text === "") return null;
  try {
    return JSON.parse(text, exact);
  } catch {
    throw new Refused(answer.status, { detail: "The server's answer broke off." });
  }
}

/** Keeps the digits of numbers that this language would shorten, where the browser can. */
function exact(_, value, context) {
  const isShortened = typeof value === "number" && context?.source !== undefined && String(value) !== context.source;
  return isShortened && JSON.rawJSON ? JSON.rawJSON(context.source) : value;
}

/** The digits of a number of an answer, which may be longer than a number of this language holds. */
export const digits = (value) => (value && typeof value === "object" ? value.rawJSON : String(value));

/** An element with attributes and children; texts are texts, never markup. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const grouped = (n) => Number(n).toLocaleString("en-US");

/** A share of all, as the server tells it. */
export function share(part, whole) {
  if (whole === 0 || part === 0) return "0%";
  if (part >= whole) return "100%";
  const percent = (part / whole) * 100;
  if (percent < 0.01) return "<0.01%";
  if (percent > 99.9) return ">99.9%";
  return percent < 1 ? `${percent.toFixed(2)}%` : `${percent.toFixed(1)}%`;
}

/** Runs after the last of a row of calls. */
export function debounced(delay, run) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...values), delay);
  };
}

/** Runs one at a time: of the calls that come meanwhile only the last follows. */
export function latest(run) {
  let next = null;
  let isRunning = false;
  return async (...values) => {
    next = values;
    if (isRunning) return;
    isRunning = true;
    while (next) {
      const now = next;
      next = null;
      try { await run(...now); } catch (error) { reportError(error); }
    }
    isRunning = false;
  };
}

/** Runs once for all calls within a while, however many keep coming, and never twice at a time. */
export function gathered(delay, run) {
  const turn = latest(run);
  let timer = null;
  return () => { timer ??= setTimeout(() => { timer = null; turn(); }, delay); };
}

/** Changes that are kept until they are drawn; of more only the newest. */
const NEWS_MAX = 200;
/** Milliseconds until a refused connection is tried again, at first and at most. */
const RETRY = [1000, 30000];

/**
 * Follows the feed after an entry while the page is seen; `hear` gets the changes of a frame, oldest first. A browser
 * opens few connections to a host, so a page that is not looked at holds none.
 */
export function follow(seq, segment, hear, standing = () => {}) {
  let [last, source, timer, wait, frame, news] = [seq, null, null, RETRY[0], null, []];
  const address = (more) => `/v1/feed?${new URLSearchParams({ after: last, segment, ...more })}`;
  const close = () => {
    clearTimeout(timer);
    source?.close();
    source = null;
    standing(false);
  };
  const draw = () => {
    frame = null;
    const drawn = news;
    news = [];
    hear(drawn);
  };
  const open = () => {
    if (source || document.hidden) return;
    clearTimeout(timer);
    const opened = new EventSource(address());
    source = opened;
    for (const kind of ["entered", "left", "bulk"]) {
      opened.addEventListener(kind, (event) => {
        last = event.lastEventId || last;
        news.push(JSON.parse(event.data));
        if (news.length > NEWS_MAX) news.shift();
        frame ??= requestAnimationFrame(draw);
      });
    }
    opened.onopen = () => { wait = RETRY[0]; standing(true); };
    // A connection that breaks is opened again by the browser; one that was refused is not.
    opened.onerror = () => {
      standing(false);
      if (opened.readyState !== EventSource.CLOSED || source !== opened) return;
      close();
      again();
    };
    // The feed no longer reaches back to where this page was: it is made afresh.
    opened.addEventListener("gone", () => { close(); location.reload(); });
  };
  const again = async () => {
    const status = await fetch(address({ limit: 1 })).then((answer) => answer.status, () => 0);
    if (status === 410 || status === 404) { location.reload(); return; }
    timer = setTimeout(open, wait);
    wait = Math.min(2 * wait, RETRY[1]);
  };
  document.addEventListener("visibilitychange", () => { if (document.hidden) close(); else open(); });
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
}

/** A contact, as a link to its page. */
export function contactLink(key, attributes = {}) {
  // Browsers take these for steps between folders, also when they are encoded.
  if (key === "." || key === "..") return make("span", { title: "no page: browsers do not ask for this key" }, key);
  return make("a", { href: `/ui/contacts/${encodeURIComponent(key)}`, ...attributes }, key);
}

/** Shows a number, and that it has changed. */
export function show(element, n) {
  if (element.dataset.count === String(n)) return;
  element.dataset.count = n;
  element.textContent = grouped(n);
  element.classList.remove("changed");
  void element.offsetWidth;
  element.classList.add("changed");
}

/** Reveals what needs scripts. */
export function reveal() {
  document.querySelectorAll(".scripted").forEach((element) => { element.hidden = false; });
}

/** The database's zone: whatever tells a time tells it there. */
const zone = document.querySelector("[data-zone]")?.dataset.zone ?? "UTC";
const clock = (() => {
  const parts = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  try { return [new Intl.DateTimeFormat("en-US", { ...parts, timeZone: zone }), zone]; } catch { /* a zone that this browser does not know */ }
  return [new Intl.DateTimeFormat("en-US", { ...parts, timeZone: "UTC" }), "UTC"];
})();

/** An instant of the API as the pages tell it: `2026-05-01 10:30`, in the database's zone. */
export function instant(text) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return text;
  const { year, month, day, hour, minute } = Object.fromEntries(clock[0].formatToParts(at).map(({ type, value }) => [type, value]));
  return `${year.padStart(4, "0")}-${month}-${day} ${hour}:${minute}`;
}

/** The same with its zone, for a sentence. */
export const moment = (text) => `${instant(text)} ${clock[1] === "UTC" ? "UTC" : `(${clock[1]})`}`;
