// Rows about how events lie in time: the first or last one, on how many days, how regularly, one after the other.
import { make } from "./call.js";
import { combo } from "./combo.js";
import { UNITS, choice, fits, lengthField } from "./fields.js";
import { boundsJson, boundsOf, boundsParts, isOnce, label, only, plainTests, whereParts, whole, windowParts, withTests, withWindow } from "./where.js";

/** The kinds of rows, with their names among what a condition may be about. */
export const patternNames = [["edge", "First or last event"], ["sequence", "Events one after the other"], ["days", "Event on so many days"], ["regularly", "Event in so many weeks, months …"]];
/** Units whose length is always the same, as steps of a sequence want. */
const EXACT = UNITS.slice(0, 5);

/** A fresh row of a kind. */
export function freshPattern(type, world) {
  const plain = { event: world.events[0], where: [] };
  const open = { window: "", span: null };
  return {
    edge: () => ({ type, negated: false, end: "first", having: [], ...plain, ...open }),
    days: () => ({ type, negated: false, times: [["ge", 2]], ...plain, ...open }),
    regularly: () => ({ type, negated: false, times: [["ge", 1]], every: { n: 1, unit: "weeks" }, periods: 4, least: 3, ...plain }),
    sequence: () => ({ type, negated: false, steps: [{ ...plain, where: [] }, { event: world.events[1] ?? world.events[0], where: [] }], within: null, isBound: false, ...open }),
  }[type]();
}

/** A row of the JSON form; null where fields cannot show it. */
export function patternOf(json, negated, world) {
  const [window] = Object.entries(json.window ?? {});
  const open = { window: window ? window[0] : "", span: window ? window[1] : null };
  const known = (event) => world.events.includes(event);
  const end = "first" in json ? "first" : "last" in json ? "last" : null;
  if (end !== null && known(json[end]) && only(json, [end, "where", "having", "window"])) {
    const [where, having] = [json.where, json.having].map((tests) => plainTests(json[end], tests, world));
    return where && having ? { type: "edge", negated, end, event: json[end], where, having, ...open } : null;
  }
  if (json.days && known(json.days.event)) {
    const { event, where: tests, window: span, ...bounds } = json.days;
    const [where, times, within] = [plainTests(event, tests, world), boundsOf(bounds), Object.entries(span ?? {})[0]];
    return where ? { type: "days", negated, event, where, times, window: within ? within[0] : "", span: within ? within[1] : null } : null;
  }
  if (json.regularly && known(json.regularly.event)) {
    const { event, where: tests, count, every, periods, at_least: least } = json.regularly;
    const [where, times] = [plainTests(event, tests, world), boundsOf(count)];
    return where && fits("length", every) ? { type: "regularly", negated, event, where, times, every, periods, least } : null;
  }
  if (json.sequence && only(json, ["sequence", "within", "window"]) && json.sequence.every(({ event }) => known(event))) {
    const steps = json.sequence.map(({ event, where }) => ({ event, where: plainTests(event, where, world) }));
    const isShown = steps.every(({ where }) => where) && (!json.within || EXACT.includes(json.within.unit));
    return isShown ? { type: "sequence", negated, steps, within: json.within ?? null, isBound: Boolean(json.within), ...open } : null;
  }
  return null;
}

/** The JSON form of a row; null while something of it is missing. */
export function patternJson(row, world) {
  const times = boundsJson(row.times ?? [["ge", 1]]);
  if (!times) return null;
  switch (row.type) {
    case "edge": {
      const made = withWindow(row, { [row.end]: row.event }, world);
      return made && withTests(row, made, world, "having");
    }
    case "days": {
      const made = withWindow(row, { event: row.event, ...times }, world);
      return made && { days: made };
    }
    case "regularly": {
      const made = withTests(row, { event: row.event, every: row.every, periods: row.periods, at_least: row.least }, world);
      if (!made || !row.every || !(row.periods > 0) || row.least === null) return null;
      if (!isOnce(row.times)) made.count = times;
      return { regularly: made };
    }
    case "sequence": {
      const steps = row.steps.map((step) => withTests(step, { event: step.event }, world));
      if (steps.includes(null) || (row.isBound && !row.within)) return null;
      const made = withWindow({ ...row, where: [], event: row.steps[0].event }, { sequence: steps }, world);
      if (made && row.isBound) made.within = row.within;
      return made;
    }
    default: throw new Error(`no such row: ${row.type}`);
  }
}

/** The fields of a row. */
export function patternParts(row, world, changed, redraw) {
  const event = (of, role = "event") => combo("Event", [["Events", world.events.map((name) => [name, label(name)])]], of.event, (name) => { Object.assign(of, { event: name, where: [], ...(of.having ? { having: [] } : {}) }); redraw(role); changed(); }, { "data-role": role });
  const did = () => choice("Did or did not", [["did", "happened"], ["not", "did not happen"]], row.negated ? "not" : "did", (word) => { row.negated = word === "not"; changed(); });
  const number = (name, key, least = 0) => whole(name, row[key], (n) => { row[key] = n; }, changed, least);
  const times = (name, noun) => boundsParts(name, noun, row, changed, redraw);
  switch (row.type) {
    case "edge": return [
      choice("First or last", [["first", "the first"], ["last", "the last"]], row.end, (word) => { row.end = word; changed(); }), event(row),
      ...windowParts(row, changed), ...whereParts(row, world, changed, redraw), ...whereParts(row, world, changed, redraw, "having")];
    case "days": return [event(row), did(), "on", ...times("How many days", "days"), ...windowParts(row, changed), ...whereParts(row, world, changed, redraw)];
    case "regularly": return [event(row), did(), ...times("How often in each", "times"), "in at least", number("In how many of them", "least"), "of the last", number("How many spans", "periods", 1), "spans of",
      ...lengthField("Length of a span", row.every, (every) => { row.every = every; changed(); }), ...whereParts(row, world, changed, redraw)];
    case "sequence": return sequenceParts(row, world, changed, redraw, event, did);
    default: throw new Error(`no such row: ${row.type}`);
  }
}

function sequenceParts(row, world, changed, redraw, event, did) {
  const lines = row.steps.map((step, at) => {
    const away = row.steps.length > 2 ? make("button", { type: "button", class: "remove", "aria-label": "Take this step away", onclick: () => { row.steps.splice(at, 1); redraw("within"); changed(); } }, "×") : null;
    return make("div", { class: "where" }, at ? "then" : "first", event(step, `step-${at}`), ...whereParts(step, world, changed, redraw), away);
  });
  const more = () => { row.steps.push({ event: row.steps.at(-1).event, where: [] }); redraw(`step-${row.steps.length - 1}`); changed(); };
  const gap = choice("How soon after each other", [["", "any time after each other"], ["within", "each at most … after the one before"]], row.isBound ? "within" : "", (word) => {
    row.isBound = word !== "";
    row.within = row.isBound ? { n: 7, unit: "days" } : null;
    redraw("within");
    changed();
  }, { "data-role": "within" });
  const length = row.isBound ? lengthField("How soon", row.within, (within) => { row.within = within; changed(); }, EXACT) : [];
  return [did(), gap, ...length, ...windowParts(row, changed), make("button", { type: "button", onclick: more }, "+ then"), ...lines];
}
