// Tests of properties and of events: the JSON form, and the fields of it.
import { make } from "./call.js";
import { choice, firstValue, fits, offers, operators, valueField } from "./fields.js";

export const TIMES = [["ge", "at least"], ["le", "at most"], ["eq", "exactly"], ["gt", "more than"], ["lt", "fewer than"], ["ne", "not exactly"]];
const WINDOWS = [["", "at any time"], ["last", "in the last"], ["more_than_ago", "more than … ago"], ["since", "since"], ["before", "before"], ["after", "after"], ["between", "between"], ["period", "during"]];
const WINDOW_KINDS = { last: "length", more_than_ago: "length", since: "date", before: "date", after: "date", between: "dates", period: "period" };

/** `lead_score` as `Lead score`. */
export const label = (name) => { const words = name.replaceAll("_", " "); return words.charAt(0).toUpperCase() + words.slice(1); };
/** Whether an object has no other keys than these. */
export const only = (object, known) => Object.keys(object).every((key) => known.includes(key));

/** The tests of an event's properties as fields show them; null where one of them is of another kind. */
export function plainTests(event, tests, world) {
  const properties = world.eventProperties(event);
  const isPlain = (test) => {
    const type = properties.find(({ name }) => name === test.property)?.type;
    const kind = type && operators(type).find(([op]) => op === test.op)?.[2];
    return kind && only(test, ["property", "op", "value"]) && fits(kind, test.value);
  };
  return (tests ?? []).every(isPlain) ? (tests ?? []).map((test) => ({ ...test })) : null;
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
  const kind = operators(type).find(([op]) => op === row.op)?.[2];
  if (kind === "none") return { property: row.property, op: row.op };
  return row.value === null || row.value === undefined ? null : { property: row.property, op: row.op, value: row.value };
}

/** Adds the tests under a key of a row to the JSON form; null while one is not complete. */
export function withTests(row, made, world, key = "where") {
  const properties = world.eventProperties(row.event);
  const tests = row[key].map((test) => testOf(test, properties.find(({ name }) => name === test.property)?.type));
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

/** The fields of a test. */
export function testParts(test, type, offer, changed, redraw) {
  const known = operators(type);
  const chosen = known.find(([op]) => op === test.op) ?? known[0];
  const change = (op) => {
    const next = known.find(([word]) => word === op);
    test.op = op;
    if (next[2] !== chosen[2]) test.value = firstValue(next[2]);
    redraw();
    changed();
  };
  return [choice("Operator", known, chosen[0], change, { "data-role": "operator" }),
    ...valueField(chosen[2], "Value", test.value, (value) => { test.value = value; changed(); }, offer)];
}

/** The fields of a window. */
export function windowParts(row, changed, redraw) {
  const change = (word) => { row.window = word; row.span = word ? firstValue(WINDOW_KINDS[word]) : null; redraw("window"); changed(); };
  const field = row.window ? valueField(WINDOW_KINDS[row.window], "When", row.span, (span) => { row.span = span; changed(); }) : [];
  return [choice("When", WINDOWS, row.window, change, { "data-role": "window" }), ...field];
}

/** The fields of the tests of an event under a key, each with the word before it. */
export function whereParts(row, world, changed, redraw, key = "where") {
  const properties = world.eventProperties(row.event);
  const lines = row[key].map((test, at) => {
    const type = properties.find(({ name }) => name === test.property)?.type;
    const property = choice("Property of the event", properties.map(({ name }) => [name, label(name)]), test.property, (name) => {
      row[key][at] = withOp({ property: name }, operators(properties.find((known) => known.name === name).type)[0]);
      redraw("where");
      changed();
    }, { "data-role": "where" });
    const away = make("button", { type: "button", class: "remove", "aria-label": "Take this part away", onclick: () => { row[key].splice(at, 1); redraw("window"); changed(); } }, "×");
    return make("div", { class: "where" }, key, property, ...testParts(test, type, offers(test.property, row.event), changed, () => redraw("where")), away);
  });
  if (!properties.length) return lines;
  const more = () => {
    const first = properties.find(({ name }) => name === world.schema.events[row.event].label) ?? properties[0];
    row[key].push(withOp({ property: first.name }, operators(first.type)[0]));
    redraw("where");
    changed();
  };
  return [make("button", { type: "button", onclick: more }, `+ ${key}`), ...lines];
}
