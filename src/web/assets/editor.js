// The editor: the rule as conditions and as text, each following the other, and what the rule means while it is made.
import { Refused, call, contactLink, debounced, grouped, latest, make } from "./call.js";
import { Builder } from "./builder.js";
import { hasComment, paint } from "./highlight.js";
import { History } from "./history.js";

const form = document.getElementById("editor");
const start = JSON.parse(form.dataset.start);
const at = (id) => document.getElementById(id);
const field = at("rule");
let builder = null;
/** The side that was edited and not answered yet. */
let waiting = null;
/** Edits so far. An answer counts only if none has come since it was asked for. */
let edits = 0;
/** Whether the text was typed just now, and not brought back as it was. */
let isTyped = false;
/** Whether the conditions would shorten a number of the rule. */
let isTooLong = false;
let isSaved = false;
/** Ends the question under way once it is about something else than what stands there. */
let asking = null;
/** What the rule was, step by step, whichever side made it. */
const history = new History();
/** The text as the program wrote it last: until one types on, the browser has nothing to undo. */
let written = null;
/** A text that conditions took the place of. */
let lost = "";

function show(from, to) {
  // A line end at the very end takes up a line only if something follows it.
  paint(at("overlay"), `${field.value}\u200b`, from, to);
  at("overlay").scrollTop = field.scrollTop;
  at("comment-note").hidden = !hasComment(field.value);
}

/** Puts a text into the field, as a step that can be undone. */
function write(text) {
  field.value = text;
  written = text;
  show();
}

/** Keeps a text that is about to be written over. */
function keep(text) {
  lost = text;
  at("lost").hidden = false;
}

/** Goes to another step of the past. */
function turn(text) {
  if (text === null) return;
  write(text);
  ask("text");
}

function undo() {
  if (waiting === "builder") return;
  turn(history.back(field.value));
}

function redo() {
  if (waiting !== "builder") turn(history.forth());
}

function ask(side, typed = false) {
  edits += 1;
  [waiting, isTyped] = [side, typed];
  asking?.abort();
  hold(side);
  at("preview").classList.add("stale");
  soon();
}

/** While one side waits for its answer the other shows what was before, and is not to be edited. */
function hold(side) {
  at("builder").inert = side === "text" || isTooLong;
  field.readOnly = side === "builder";
}

/** Asks what the rule of the side that was edited means, and shows it on the other. */
const preview = latest(async () => {
  const [edit, side] = [edits, waiting ?? "text"];
  const rule = side === "text" ? field.value : builder.json();
  if (rule === null || (side === "text" && rule.trim() === "")) {
    if (side === "text") builder.clear(isTyped); else { builder.count(null); overwrite(""); }
    told(null);
    return;
  }
  let answer;
  asking = new AbortController();
  try {
    answer = await call("POST", "/ui/ask/preview", start.segment ? { rule, segment: start.segment } : { rule }, asking.signal);
  } catch (error) {
    if (edit !== edits) return;
    if (!(error instanceof Refused)) throw error;
    // The conditions of before are no match for a text that is being mended: a click there would take its place.
    hold(side === "text" ? "text" : null);
    wrong(error, side);
    nothing();
    if (side === "text") { history.add(field.value, true); stepped(); }
    return;
  }
  if (edit !== edits) return;
  if (side === "text") {
    isTooLong = !JSON.rawJSON && /\d[\d._]{15,}/.test(answer.text);
    if (isTooLong) builder.clear(false); else builder.load(answer.nodes, isTyped);
  } else {
    overwrite(answer.lines);
    builder.count(answer.nodes);
  }
  told(answer, side);
});

/** Writes what the conditions say; a text with something in it that they cannot say is kept. */
function overwrite(text) {
  if (hasComment(field.value)) keep(field.value);
  write(text);
}

/** Has the conditions of before lead again; the text that is given up for them can be brought back. */
function takeBefore() {
  keep(field.value);
  ask("builder");
}

function stepped() {
  at("undo").disabled = !history.hasPast();
  at("redo").disabled = !history.hasFuture();
}

const soon = debounced(150, preview);

/** Says a thing to those who hear the page, once one pauses. */
const say = debounced(1000, (text) => { at("spoken").textContent = text; });

/** The place of a byte in a text. */
function place(text, bytes) {
  return new TextDecoder().decode(new TextEncoder().encode(text).slice(0, bytes)).length;
}

/** What is wrong with the rule, under the place where it is. */
function wrong(error, side) {
  const problem = at("rule-problem");
  problem.replaceChildren();
  at("mend").hidden = !error || side !== "text";
  at("mend-why").textContent = error?.problem?.rule ? "The text has a mistake, so the conditions wait: mend the text, or" : "The text was not read, so the conditions wait: type on, or";
  if (error) say(error.message.split("\n")[0]);
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
      const mended = rule.length > 0 ? text.slice(0, from) + rule.suggestion + text.slice(place(text, rule.offset + rule.length)) : text;
      write(mended);
      field.focus();
      ask("text", true);
    };
    box.append(make("p", {}, "Did you mean ", make("code", {}, rule.suggestion), "?"));
    if (rule.length > 0) box.append(make("button", { type: "button", onclick: take }, "Use it"));
  }
  problem.append(box);
  at("builder").classList.add("stale");
}

function nothing() {
  at("preview").classList.remove("stale");
  for (const id of ["count", "strip-count"]) at(id).textContent = "–";
  at("strip-share").textContent = "contacts";
  for (const id of ["share", "trial", "sample", "took"]) at(id).replaceChildren();
}

/** Shows what the newest edit means; nothing for no rule. */
function told(answer, side = waiting) {
  waiting = null;
  history.add(field.value, side === "text");
  stepped();
  if (!answer) isTooLong = false;
  hold(null);
  wrong(null);
  at("builder").classList.remove("stale");
  const note = at("builder-note");
  note.hidden = !isTooLong;
  note.textContent = "This rule has a number with more digits than this browser keeps: it is edited as text.";
  if (!answer) { nothing(); say(""); return; }
  at("preview").classList.remove("stale");
  for (const id of ["count", "strip-count"]) at(id).textContent = grouped(answer.count);
  at("strip-share").textContent = `contacts · ${answer.share}`;
  at("share").textContent = `contacts · ${answer.share} of ${grouped(answer.everyone)}`;
  at("took").textContent = `Counted exactly in ${(answer.took_us / 1000).toFixed(1)} ms.`;
  say(`${grouped(answer.count)} contacts, ${answer.share} of all`);
  const link = (key, about) => make("li", {}, contactLink(key, APART), make("span", { class: "dim" }, about));
  at("sample").replaceChildren(...(answer.sample.length ? [make("h3", {}, "For example"), make("ul", {}, answer.sample.map(({ key, about }) => link(key, about)))] : []));
  at("trial").replaceChildren(...(answer.trial ? difference(answer.trial) : []));
}

/** A link beside the work: what is not saved stays. */
const APART = { target: "_blank", rel: "noopener" };

/** What saving would change. */
function difference(trial) {
  const figure = (text, n, kind) => make("div", {}, make("strong", { class: kind }, n), make("div", { class: "dim" }, text));
  const shown = [make("div", { class: "trial" }, figure("now", grouped(trial.now)), figure("would enter", `+${grouped(trial.entering)}`, "plus"), figure("would leave", `−${grouped(trial.leaving)}`, "minus"))];
  for (const other of trial.dependents) {
    shown.push(make("p", { class: "dim" }, `“${other.segment}” would go from ${grouped(other.now)} to ${grouped(other.after)}.`));
  }
  for (const [text, keys] of [["Entering", trial.samples.entering], ["Leaving", trial.samples.leaving]]) {
    if (keys.length) shown.push(make("p", {}, `${text}: `, keys.map((key, place) => [place ? ", " : "", contactLink(key, APART)]).flat()));
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
    if (start.segment === null) {
      leave(await call("POST", "/v1/segments", body));
    } else {
      const changed = changes(body);
      if (await isAgreed(changed)) leave(await call("PATCH", `/v1/segments/${form.dataset.path}`, changed));
    }
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    refuse(error.message.split("\n")[0]);
    if (error.problem.rule) wrong(error, "text");
  } finally {
    button.disabled = isSaved;
  }
}

function leave(saved) {
  isSaved = true;
  location.assign(`/ui/segments/${encodeURIComponent(saved.name)}`);
}

/** Whether what is to be saved was not changed by someone else since the page was opened, or may be written over. */
async function isAgreed(changed) {
  const now = await call("GET", `/v1/segments/${form.dataset.path}`);
  const theirs = [];
  if ("rule" in changed && now.version !== start.version) theirs.push([`Rule, version ${now.version}`, now.rule]);
  if ("description" in changed && (now.description ?? "") !== at("description").defaultValue) theirs.push(["Description", now.description ?? "none"]);
  if (theirs.length === 0) return true;
  const box = at("moved");
  at("theirs").replaceChildren(...theirs.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
  box.returnValue = "";
  box.showModal();
  await new Promise((resolve) => { box.addEventListener("close", resolve, { once: true }); });
  return box.returnValue === "over";
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

/** Whether leaving would lose something. */
function isDirty() {
  if (isSaved) return false;
  const isEdited = ["name", "description", "rule"].some((id) => at(id) && at(id).value !== at(id).defaultValue);
  return isEdited || waiting !== null || (field !== null && at("builder").querySelector(".draft") !== null);
}

if (field) {
  builder = new Builder(at("builder"), start, () => { if (!at("builder").inert) ask("builder"); });
  field.addEventListener("input", () => { if (field.value !== written) written = null; show(); ask("text", true); });
  field.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z" || written === null) return;
    // The browser forgets what a program has written over: that is undone here.
    event.preventDefault();
    if (event.shiftKey) redo(); else undo();
  });
  at("undo").addEventListener("click", undo);
  at("redo").addEventListener("click", redo);
  at("take-before").addEventListener("click", takeBefore);
  at("bring-back").addEventListener("click", () => {
    at("lost").hidden = true;
    write(lost);
    field.focus();
    ask("text");
  });
  field.addEventListener("scroll", () => { at("overlay").scrollTop = field.scrollTop; });
  // The overlay scrolls with the text and has its width.
  new ResizeObserver(() => { at("overlay").scrollTop = field.scrollTop; }).observe(field);
  // Enter in a field of the builder must not save what is half made.
  at("builder").addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target.tagName === "INPUT") event.preventDefault(); });
  show();
  // Conditions that do not show the rule yet must not take its place.
  hold(field.value === "" ? null : "text");
  preview();
}
form.addEventListener("submit", save);
addEventListener("beforeunload", (event) => { if (isDirty()) event.preventDefault(); });
