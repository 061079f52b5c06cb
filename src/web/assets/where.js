// Tests of properties and of events: the JSON form, and the fields of it.
import { make } from "./call.js";
import { combo } from "./combo.js";
import { carried, choice, firstValue, fits, offers, operators, valueField } from "./fields.js";

const TIMES = [["ge", "at least"], ["le", "at most"], ["eq", "exactly"], ["gt", "more than"], ["lt", "fewer than"], ["ne", "not exactly"]];
const WINDOWS = [["", "at any time"], ["last", "in the last"], ["more_than_ago", "more than … ago"], ["since", "since"], ["before", "before"], ["after", "after"], ["between", "between"], ["period", "during"]];
const WINDOW_KINDS = { last: "length", more_than_ago: "length", since: "date", before: "date", after: "date", between: "dates", period: "period" };

/** `lead_score` as `Lead score`. */
export const label = (name) => { const words = name.replaceAll("_", " "); return words.charAt(0).toUpperCase() + words.slice(1); };
/** Whether an object has no other keys than these. */
export const only = (object, known) => Object.keys(object).every((key) => known.includes(key));
/** Whether an operator holds for contacts without a value, unless it is said otherwise. */
const isNegative = (op) => op === "ne" || op.startsWith("not_");

const kindOf = (type, op) => type && operators(type).find(([known]) => known === op)?.[2];

/** Whether fields show a test of a property of some type. */
export function isShown(test, type) {
  const kind = kindOf(type, test.op);
  return Boolean(kind) && only(test, ["property", "op", "value", "missing"]) && fits(kind, test.value);
}

/** The tests of an event's properties, and groups of them, as fields show them; null where one of them is of another kind. */
export function plainTests(event, tests, world) {
  const read = (test) => {
    if (test.not) {
      const inner = read(test.not);
      if (!inner) return null;
      return inner.join && !inner.negated ? { ...inner, negated: true } : { join: "and", negated: true, parts: [inner] };
    }
    for (const join of ["and", "or"]) {
      if (!test[join]) continue;
      const parts = test[join].map(read);
      return parts.includes(null) ? null : { join, negated: false, parts };
    }
    return isShown(test, world.eventProperty(event, test.property)?.type) ? { ...test } : null;
  };
  const found = (tests ?? []).map(read);
  return found.includes(null) ? null : found;
}

/** The event, its tests and its window, of the JSON form; null where fields cannot show them. */
export function eventOf(json, world) {
  const where = plainTests(json.event, json.where, world);
  if (!where) return null;
  const [window] = Object.entries(json.window ?? {});
  return { event: json.event, where, window: window ? window[0] : "", span: window ? window[1] : null };
}

/** The JSON form of a test of a property; null while something of it is missing. */
export function testOf(row, type) {
  const kind = kindOf(type, row.op);
  if (kind === "none") return { property: row.property, op: row.op };
  if (row.value === null || row.value === undefined) return null;
  const made = { property: row.property, op: row.op, value: row.value };
  return row.missing === undefined ? made : { ...made, missing: row.missing };
}

/** The JSON form of a test of an event or of a group of them; null while something of it is missing. */
function nodeJson(node, event, world) {
  if (!node.join) return testOf(node, world.eventProperty(event, node.property)?.type);
  const parts = node.parts.map((part) => nodeJson(part, event, world));
  if (!parts.length || parts.includes(null)) return null;
  const made = parts.length === 1 ? parts[0] : { [node.join]: parts };
  return node.negated ? { not: made } : made;
}

/** Adds the tests under a key of a row to the JSON form; null while one is not complete. */
export function withTests(row, made, world, key = "where") {
  const tests = row[key].map((test) => nodeJson(test, row.event, world));
  if (tests.includes(null)) return null;
  if (tests.length) made[key] = tests;
  return made;
}

/** Adds tests and window of a row to the JSON form; null while something of them is missing. */
export function withWindow(row, made, world) {
  if (!withTests(row, made, world)) return null;
  if (row.window) {
    if (row.span === null) return null;
    made.window = { [row.window]: row.span };
  }
  return made;
}

/** A test with another operator. */
export const withOp = (row, [op, , kind]) => ({ ...row, op, value: firstValue(kind) });

/** The fields of a test; `about` tells the currency, and whether a date is a day. */
export function testParts(test, type, offer, changed, about = {}) {
  const known = operators(type);
  const kind = () => kindOf(type, test.op) ?? known[0][2];
  const value = make("span", { class: "holder" });
  // The box of operators stays where it is, so that one can go on choosing by its letters.
  const draw = () => value.replaceChildren(
    ...valueField(kind(), "Value", test.value, (next) => { test.value = next; changed(); }, offer, about).filter((part) => part !== null),
    ...[missingPart(test, kind(), changed)].filter(Boolean));
  const change = (op) => {
    const before = kind();
    test.op = op;
    test.value = carried(before, kind(), test.value);
    delete test.missing;
    draw();
    changed();
  };
  draw();
  return [choice("Operator", known, test.op, change, { "data-role": "operator" }), value];
}

/** What is to be of those without a value; shown where it was said, or where one asked for it. */
function missingPart(test, kind, changed) {
  if (kind === "none" || (test.missing === undefined && !test.isOpen)) return null;
  const [yes, no] = ["or has no value", "and has a value"];
  const usual = isNegative(test.op) ? yes : no;
  return choice("Without a value", [["", `${usual} (as usual)`], ["true", yes], ["false", no]], test.missing === undefined ? "" : String(test.missing), (word) => {
    if (word === "") delete test.missing; else test.missing = word === "true";
    changed();
  });
}

/** The fields of a window. */
export function windowParts(row, changed) {
  const when = make("span", { class: "holder" });
  const draw = () => when.replaceChildren(...(row.window ? valueField(WINDOW_KINDS[row.window], "When", row.span, (span) => { row.span = span; changed(); }) : []));
  const change = (word) => {
    const [before, after] = [WINDOW_KINDS[row.window], WINDOW_KINDS[word]];
    row.window = word;
    row.span = word ? carried(before, after, row.span) : null;
    draw();
    changed();
  };
  draw();
  return [choice("When", WINDOWS, row.window, change, { "data-role": "window" }), when];
}

/** A whole number; `set` gets null while it is none. */
export function whole(name, value, set, changed, least = 0) {
  return make("input", { type: "number", min: least, step: 1, "aria-label": name, value: value ?? "", oninput: ({ target }) => { set(/^\d+$/.test(target.value) ? Number(target.value) : null); changed(); } });
}

/** The bounds of a count, of the JSON form: one or two of them hold together. */
export const boundsOf = (object) => Object.entries(object ?? { ge: 1 });
/** Whether bounds say no more than that it happened. */
export const isOnce = (times) => times.length === 1 && times[0][0] === "ge" && times[0][1] === 1;
/** Bounds as the JSON form; null while one of them is no number. */
export const boundsJson = (times) => (times.every(([, n]) => Number.isInteger(n)) ? Object.fromEntries(times) : null);

/** The fields of the bounds of a count. */
export function boundsParts(name, noun, row, changed, redraw) {
  const fields = row.times.flatMap((pair, at) => {
    const about = at ? `${name}, second` : name;
    const free = TIMES.filter(([op]) => op === pair[0] || !row.times.some(([known]) => known === op));
    const away = row.times.length > 1 ? make("button", { type: "button", class: "remove", "aria-label": `${about}: take it away`, onclick: () => { row.times.splice(at, 1); redraw("bound"); changed(); } }, "×") : null;
    return [at ? "and" : null, choice(`${about}: bound`, free, pair[0], (op) => { pair[0] = op; changed(); }, { "data-role": "bound" }), whole(about, pair[1], (n) => { pair[1] = n; counted.textContent = word(); }, changed), away];
  });
  const word = () => (row.times.at(-1)[1] === 1 ? noun.slice(0, -1) : noun);
  const counted = make("span", {}, word());
  const more = () => { row.times.push([row.times[0][0] === "le" ? "ge" : "le", null]); redraw("bound"); changed(); };
  const second = row.times.length === 1 && ["ge", "gt", "le", "lt"].includes(row.times[0][0]) ? make("button", { type: "button", class: "slight", "aria-label": `${name}: second bound`, onclick: more }, "+ and") : null;
  return [...fields, counted, second];
}

/** The fields of the tests of an event under a key, each with the word before it. */
export function whereParts(row, world, changed, redraw, key = "where") {
  const properties = world.eventProperties(row.event);
  if (!properties.length) return [];
  const lines = row[key].map((node, at) => nodeParts(row, row[key], at, at ? "and" : key, world, changed, redraw));
  const buttons = addButtons(row, row[key], key, world, changed, redraw);
  return [...buttons, ...lines];
}

function addButtons(row, list, word, world, changed, redraw) {
  const properties = world.eventProperties(row.event);
  const fresh = () => {
    const first = properties.find(({ name }) => name === world.schema.events[row.event].label) ?? properties[0];
    return withOp({ property: first.name }, operators(first.type)[0]);
  };
  const add = (node) => { list.push(node); redraw(); (node.join ? node.parts[0] : node).field.focus(); changed(); };
  const one = make("button", { type: "button", class: "slight", onclick: () => add(fresh()) }, `+ ${word}`);
  if (!list.length) return [one];
  return [one, make("button", { type: "button", class: "slight", onclick: () => add({ join: "or", negated: false, parts: [fresh()] }) }, "+ group")];
}

const JOINS = [["and", "all of"], ["or", "any of"], ["!and", "not all of"], ["!or", "none of"]];

function nodeParts(row, list, at, word, world, changed, redraw) {
  const node = list[at];
  const away = make("button", { type: "button", class: "remove", "aria-label": "Take this part away", onclick: () => { list.splice(at, 1); redraw("window"); changed(); } }, "×");
  if (!node.join) return make("div", { class: "where" }, word, ...leafParts(row, list, at, world, changed, redraw), away);
  const join = choice("How these parts are joined", JOINS, `${node.negated ? "!" : ""}${node.join}`, (said) => { Object.assign(node, { negated: said.startsWith("!"), join: said.replace("!", "") }); redraw("group"); changed(); }, { "data-role": "group" });
  const parts = node.parts.map((_, place) => nodeParts(row, node.parts, place, place ? node.join : "", world, changed, redraw));
  return make("div", { class: "where of", role: "group", "aria-label": "Group of parts" }, word, join, ...addButtons(row, node.parts, "part", world, changed, redraw), away, ...parts);
}

function leafParts(row, list, at, world, changed, redraw) {
  const test = list[at];
  const properties = world.eventProperties(row.event);
  const known = world.eventProperty(row.event, test.property);
  const property = combo("Property of the event", [["Properties", properties.map(({ name }) => [name, label(name)])]], test.property, (name) => {
    list[at] = withOp({ property: name }, operators(world.eventProperty(row.event, name).type)[0]);
    redraw();
    list[at].field.focus();
    changed();
  }, { "data-role": "where" });
  test.field = property.querySelector("input");
  const more = make("button", { type: "button", class: "more", "aria-label": "More about this part", "aria-expanded": String(Boolean(test.isOpen)), onclick: () => { test.isOpen = !test.isOpen; redraw(); test.field.focus(); } }, "⋯");
  return [property, ...testParts(test, known?.type, offers(test.property, row.event), changed, world.about(known)), more];
}
