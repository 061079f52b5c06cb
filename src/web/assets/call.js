// Calls to this server's own API, and small things that every page does.

/** What the server refused, with its problem details. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `The server answered ${status}.`);
    this.status = status;
    this.problem = problem;
  }
}

/** One call; gives the JSON of the answer. */
export async function call(method, path, body, options = {}) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: options.signal,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, { detail: "The server does not answer. Is it running?" });
  }
  const text = await answer.text();
  if (!answer.ok) {
    let problem = {};
    try { problem = JSON.parse(text); } catch { /* the status says enough */ }
    throw new Refused(answer.status, problem);
  }
  return text === "" ? null : JSON.parse(text, exact);
}

/** Keeps the digits of numbers that this language would shorten, where the browser can. */
function exact(_, value, context) {
  const isShortened = typeof value === "number" && context?.source !== undefined && String(value) !== context.source;
  return isShortened && JSON.rawJSON ? JSON.rawJSON(context.source) : value;
}

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

/** Runs once for all calls within a while, however many keep coming. */
export function gathered(delay, run) {
  let timer = null;
  return () => { timer ??= setTimeout(() => { timer = null; run(); }, delay); };
}

/** Follows the feed after an entry; `hear` gets each change. Connects again by itself. */
export function follow(seq, segment, hear, standing = () => {}) {
  const query = new URLSearchParams({ after: seq });
  if (segment) query.set("segment", segment);
  const source = new EventSource(`/v1/feed?${query}`);
  for (const kind of ["entered", "left", "bulk"]) {
    source.addEventListener(kind, (event) => hear(JSON.parse(event.data)));
  }
  source.onopen = () => standing(true);
  source.onerror = () => standing(false);
  // The feed no longer reaches back to where this page was: it is made afresh.
  source.addEventListener("gone", () => { source.close(); location.reload(); });
  addEventListener("pagehide", () => source.close());
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

/** Instants of the API as the pages tell them, in UTC. */
export const instant = (text) => text.slice(0, 16).replace("T", " ");
