// The editor: the rule as conditions and as text, each following the other, and what the rule means while it is made.
import { Refused, call, debounced, grouped, make } from "./call.js";
import { Builder } from "./builder.js";
import { paint } from "./highlight.js";

const form = document.getElementById("editor");
const start = JSON.parse(form.dataset.start);
const at = (id) => document.getElementById(id);
const field = at("rule");
let builder = null;
let asking = null;
/** The side that was edited and not answered yet. */
let waiting = null;

if (field) {
  builder = new Builder(at("builder"), start, () => ask("builder"));
  field.addEventListener("input", () => { show(); ask("text"); });
  field.addEventListener("scroll", () => { at("overlay").scrollTop = field.scrollTop; });
  // The overlay scrolls with the text and has its width.
  new ResizeObserver(() => { at("overlay").scrollTop = field.scrollTop; }).observe(field);
  // Enter in a field of the builder must not save what is half made.
  at("builder").addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target.tagName === "INPUT") event.preventDefault(); });
  show();
  preview("text");
}
form.addEventListener("submit", save);

function show(from, to) {
  // A line end at the very end takes up a line only if something follows it.
  paint(at("overlay"), `${field.value}\u200b`, from, to);
  at("overlay").scrollTop = field.scrollTop;
}

function ask(side) {
  waiting = side;
  at("preview").classList.add("stale");
  soon(side);
}
const soon = debounced(150, preview);

/** Asks what the rule of one side means, and shows it on the other. */
async function preview(side) {
  asking?.abort();
  asking = new AbortController();
  const rule = side === "text" ? field.value : builder.json();
  if (rule === null || (side === "text" && rule.trim() === "")) {
    if (side === "text") builder.clear(); else { builder.count(null); field.value = ""; show(); }
    wrong(null);
    at("builder").classList.remove("stale");
    nothing();
    return;
  }
  const body = start.segment ? { rule, segment: start.segment } : { rule };
  try {
    const answer = await call("POST", "/ui/ask/preview", body, { signal: asking.signal });
    if (side === "text") builder.load(answer.nodes);
    else {
      field.value = inLines(answer.nodes);
      builder.count(answer.nodes);
    }
    wrong(null);
    at("builder").classList.remove("stale");
    told(answer);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof Refused)) throw error;
    wrong(error, side);
    nothing();
  }
}

/** The canonical text, a line for each part of the outermost group. */
function inLines({ kind, text, children }) {
  if (!["and", "or", "xor"].includes(kind)) return text;
  const parts = children.map((part) => (["and", "or", "xor"].includes(part.kind) ? `(${part.text})` : part.text));
  return parts.join(`\n${kind.toUpperCase()} `);
}

/** The place of a byte in a text. */
function place(text, bytes) {
  return new TextDecoder().decode(new TextEncoder().encode(text).slice(0, bytes)).length;
}

/** What is wrong with the rule, under the place where it is. */
function wrong(error, side) {
  const problem = at("rule-problem");
  problem.replaceChildren();
  field.removeAttribute("aria-invalid");
  const rule = error?.problem?.rule;
  if (!error || !rule || side !== "text") {
    show();
    if (error) problem.append(make("div", {}, error.message));
    return;
  }
  const text = field.value;
  const from = place(text, rule.offset);
  const to = Math.max(place(text, rule.offset + rule.length), from + 1);
  show(from, to);
  field.setAttribute("aria-invalid", "true");
  const lineStart = text.lastIndexOf("\n", from - 1) + 1;
  const line = text.slice(lineStart).split("\n")[0];
  const carets = " ".repeat(rule.column - 1) + "^".repeat(Math.max(1, Math.min(to, lineStart + line.length) - from));
  const box = make("div", {}, make("strong", {}, rule.message), make("pre", { "aria-hidden": "true" }, `${line}\n${carets}`));
  if (rule.expected?.length) box.append(make("p", {}, `Expected: ${rule.expected.join(", ")}.`));
  if (rule.suggestion) {
    const take = () => {
      field.value = rule.length > 0 ? text.slice(0, from) + rule.suggestion + text.slice(place(text, rule.offset + rule.length)) : text;
      show();
      field.focus();
      ask("text");
    };
    box.append(make("p", {}, "Did you mean ", make("code", {}, rule.suggestion), "?"));
    if (rule.length > 0) box.append(make("button", { type: "button", onclick: take }, "Use it"));
  }
  problem.append(box);
  at("builder").classList.add("stale");
}

function nothing() {
  at("preview").classList.remove("stale");
  at("count").textContent = "–";
  for (const id of ["share", "trial", "sample", "took"]) at(id).replaceChildren();
}

function told(answer) {
  waiting = null;
  show();
  at("preview").classList.remove("stale");
  at("count").textContent = grouped(answer.count);
  at("share").textContent = `contacts · ${answer.share} of ${grouped(answer.everyone)}`;
  at("took").textContent = `Counted exactly in ${(answer.took_us / 1000).toFixed(1)} ms.`;
  const link = (key, about) => make("li", {}, make("a", { href: `/ui/contacts/${encodeURIComponent(key)}` }, key), make("span", { class: "dim" }, about));
  at("sample").replaceChildren(...(answer.sample.length ? [make("h3", {}, "For example"), make("ul", {}, answer.sample.map(({ key, about }) => link(key, about)))] : []));
  at("trial").replaceChildren(...(answer.trial ? difference(answer.trial) : []));
}

/** What saving would change. */
function difference(trial) {
  const figure = (text, n, kind) => make("div", {}, make("strong", { class: kind }, n), make("div", { class: "dim" }, text));
  const shown = [make("div", { class: "trial" }, figure("now", grouped(trial.now)), figure("would enter", `+${grouped(trial.entering)}`, "plus"), figure("would leave", `−${grouped(trial.leaving)}`, "minus"))];
  for (const other of trial.dependents) {
    shown.push(make("p", { class: "dim" }, `“${other.segment}” would go from ${grouped(other.now)} to ${grouped(other.after)}.`));
  }
  for (const [text, keys] of [["Entering", trial.samples.entering], ["Leaving", trial.samples.leaving]]) {
    if (keys.length) shown.push(make("p", {}, `${text}: `, keys.map((key, place) => [place ? ", " : "", make("a", { href: `/ui/contacts/${encodeURIComponent(key)}` }, key)]).flat()));
  }
  return shown;
}

async function save(event) {
  event.preventDefault();
  const problem = at("save-problem");
  const button = at("save");
  const body = { name: at("name").value.trim(), description: at("description").value.trim() || null };
  if (field) body.rule = waiting === "builder" ? builder.json() : field.value;
  const refuse = (text) => { problem.textContent = text; problem.hidden = false; };
  if (field && at("builder").querySelector(".draft")) {
    refuse("A condition is not complete yet: fill it in, or take it away.");
    return;
  }
  if (field && (body.rule === null || body.rule.toString().trim() === "")) {
    refuse("A segment needs a rule: add a condition, or write it as text.");
    return;
  }
  button.disabled = true;
  problem.hidden = true;
  try {
    const saved = start.segment === null
      ? await call("POST", "/v1/segments", body)
      : await call("PATCH", `/v1/segments/${form.dataset.path}`, changes(body));
    location.assign(`/ui/segments/${encodeURIComponent(saved.name)}`);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    refuse(error.message.split("\n")[0]);
    button.disabled = false;
    if (error.problem?.rule) wrong(error, "text");
  }
}

/** What of a segment was changed here; the rest stays as it is by now. */
function changes(body) {
  const kept = {};
  for (const [name, id] of [["name", "name"], ["description", "description"], ["rule", "rule"]]) {
    const element = at(id);
    const isChanged = element && (element.value !== element.defaultValue || (name === "rule" && waiting === "builder"));
    if (isChanged) kept[name] = body[name];
  }
  return kept;
}
