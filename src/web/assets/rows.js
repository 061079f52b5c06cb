// The rows of the builder: each a predicate. What a row cannot show with fields is shown as text, so nothing is lost.
import { Refused, call, debounced, latest, make } from "./call.js";
import { choice, fill, fits, offers, operators, textField, valueField } from "./fields.js";
import { patternOf, patternJson, patternNames, patternParts, freshPattern } from "./patterns.js";
import { TIMES, eventOf, label, only, testOf, testParts, whereParts, windowParts, withOp, withWindow } from "./where.js";

const FUNCTIONS = [["sum", "sum of"], ["count", "number of"], ["avg", "average of"], ["min", "least of"], ["max", "greatest of"], ["distinct", "distinct values of"]];
const SIGNS = [["gt", ">"], ["ge", "≥"], ["lt", "<"], ["le", "≤"], ["eq", "="], ["ne", "≠"]];
/** What rows need to know of the database. */
export class World {
  constructor({ schema, order, events, segments }) {
    Object.assign(this, { schema, order, events, segments });
  }
  type(property) { return this.schema.properties[property]?.type; }
  eventProperties(event) { return Object.entries(this.schema.events[event]?.properties ?? {}).map(([name, { type }]) => ({ name, type })); }
}

/** A row that shows a predicate of the JSON form; `text` is its canonical text. */
export function rowOf(json, text, negated, world) {
  const read = shapes(json, negated, world);
  return { kind: "row", count: null, ...(read ?? { type: "text", text: negated ? `NOT (${text})` : text, json: negated ? { not: json } : json }) };
}

function shapes(json, negated, world) {
  if (json.all || json.none) return negated ? null : { type: "all", none: Boolean(json.none) };
  if ("tag" in json) return { type: "property", property: "tags", op: negated ? "ne" : "eq", value: json.tag };
  if ("any_tag" in json) return { type: "property", property: "tags", op: negated ? "not_in" : "in", value: json.any_tag };
  if ("segment" in json) return world.segments.includes(json.segment) ? { type: "segment", segment: json.segment, negated } : null;
  if ("event" in json && only(json, ["event", "where", "count", "window"])) {
    const event = eventOf(json, world);
    const counts = Object.entries(json.count ?? { ge: 1 });
    if (!event || counts.length !== 1) return null;
    return { type: "event", negated, ...event, times: counts[0] };
  }
  if ("email_domain" in json && !json.property) return { type: "domain", negated, value: [json.email_domain].flat() };
  const pattern = patternOf(json, negated, world);
  if (pattern || negated) return pattern;
  if ("all_tags" in json) return { type: "property", property: "tags", op: "has_all", value: json.all_tags };
  if ("bucket" in json && json.of === 10000 && "lt" in json) return { type: "bucket", name: json.bucket, percent: json.lt / 100 };
  if ("aggregate" in json && "value" in json && json.op !== "between") {
    const event = eventOf(json, world);
    if (!event || !fits("number", json.value)) return null;
    return { type: "aggregate", ...event, function: json.aggregate, of: json.of ?? "", op: json.op, value: json.value };
  }
  if ("property" in json && only(json, ["property", "op", "value"])) {
    const kind = operators(world.type(json.property)).find(([op]) => op === json.op)?.[2];
    return kind && fits(kind, json.value) ? { type: "property", property: json.property, op: json.op, value: json.value } : null;
  }
  return null;
}

/** The JSON form of a row; null while something of it is missing. */
export function jsonOf(row, world) {
  switch (row.type) {
    case "all": return row.none ? { none: true } : { all: true };
    case "text": return row.json ?? null;
    case "segment": return row.segment ? maybeNot({ segment: row.segment }, row.negated) : null;
    case "domain": return row.value?.length ? maybeNot({ email_domain: row.value.length === 1 ? row.value[0] : row.value }, row.negated) : null;
    case "bucket": return row.name && row.percent >= 0 && row.percent <= 100 ? { bucket: row.name, of: 10000, lt: Math.round(row.percent * 100) } : null;
    case "property": return testOf(row, world.type(row.property));
    case "event": {
      const event = withWindow(row, { event: row.event }, world);
      const [op, n] = row.times;
      if (!event || !Number.isInteger(n)) return null;
      if (op !== "ge" || n !== 1) event.count = { [op]: n };
      return maybeNot(event, row.negated);
    }
    case "aggregate": {
      const made = withWindow(row, { aggregate: row.function, event: row.event }, world);
      if (!made || row.value === null || row.value === undefined || (row.function !== "count" && !row.of)) return null;
      if (row.function !== "count") made.of = row.of;
      return { ...made, op: row.op, value: row.value };
    }
    default: {
      const made = patternJson(row, world);
      return made === null ? null : maybeNot(made, row.negated);
    }
  }
}

const maybeNot = (json, negated) => (negated ? { not: json } : json);

/** A fresh row. */
export function newRow(world) {
  const property = world.order.includes("tags") ? "tags" : world.order[0];
  return property ? subject({ kind: "row", count: null }, `p:${property}`, world) : { kind: "row", count: null, type: "all", none: false };
}

function subject(row, word, world) {
  const [what, name] = [word.slice(0, 1), word.slice(2)];
  const none = { where: [], window: "", span: null };
  const fresh = {
    p: () => withOp({ type: "property", property: name }, operators(world.type(name))[0]),
    e: () => ({ type: "event", event: name, negated: false, times: ["ge", 1], ...none }),
    a: () => ({ type: "aggregate", function: "count", event: world.events[0], of: "", op: "ge", value: null, ...none }),
    d: () => ({ type: "domain", negated: false, value: null }),
    s: () => ({ type: "segment", segment: world.segments[0] ?? "", negated: false }),
    b: () => ({ type: "bucket", name: "sample", percent: 10 }),
    n: () => ({ type: "all", none: false }),
    t: () => ({ type: "text", text: "", json: null }),
    o: () => freshPattern(name, world),
  }[what]();
  return { kind: row.kind, count: null, ...fresh };
}

function subjectWord(row) {
  return { property: `p:${row.property}`, event: `e:${row.event}`, aggregate: "a:", domain: "d:", segment: "s:", bucket: "b:", all: "n:", text: "t:" }[row.type] ?? `o:${row.type}`;
}

/** Draws a row. `changed` is called after each change; `removed` when it is to go. */
export function draw(row, world, changed, removed) {
  const place = make("div", { class: "condition", role: "group", "aria-label": "Condition" });
  row.place = place;
  const redraw = (role) => {
    const count = make("span", { class: "node-count" });
    row.counted = count;
    const cells = make("div", { class: "cells" }, subjects(row, world, (word) => { const fresh = subject(row, word, world); Object.keys(row).forEach((key) => delete row[key]); Object.assign(row, fresh, { place }); redraw("subject"); changed(); }),
      ...parts(row, world, changed, redraw));
    const away = make("button", { type: "button", class: "remove", "aria-label": "Take this condition away", onclick: removed }, "×");
    place.replaceChildren(cells, make("div", { class: "tail" }, count, away));
    tellCount(row);
    if (role) place.querySelector(`[data-role="${role}"]`)?.focus();
  };
  redraw();
  return place;
}

/** Shows a row's count, and whether it is complete. */
export function tellCount(row) {
  row.counted.textContent = row.count === null ? "" : `${Number(row.count).toLocaleString("en-US")}`;
  row.counted.title = row.count === null ? "" : "contacts, by this condition alone";
}

function subjects(row, world, changed) {
  const group = (text, options) => make("optgroup", { label: text }, options.map(([value, name]) => make("option", { value, selected: value === chosen }, name)));
  const chosen = subjectWord(row);
  const others = [["d:", "Email domain"], ["a:", "Figure over events"], world.segments.length ? ["s:", "Segment"] : null, ["b:", "Random sample"], ...(world.events.length ? patternNames.map(([type, name]) => [`o:${type}`, name]) : []), ["n:", "Everyone or no one"], ["t:", "As text"]];
  const groups = [
    ["Properties", world.order.map((name) => [`p:${name}`, label(name)])],
    ["Events", world.events.map((name) => [`e:${name}`, label(name)])],
    ["Other", others.filter(Boolean)],
  ];
  const box = make("select", { "aria-label": "What the condition is about", "data-role": "subject", onchange: (event) => changed(event.target.value) });
  const part = (keep) => groups.map(([text, options]) => group(text, options.filter(keep))).filter((made) => made.children.length);
  fill(box, world.order.length + world.events.length, () => part(() => true), () => part(([value]) => value === chosen));
  return box;
}

function parts(row, world, changed, redraw) {
  const set = (key) => (value) => { row[key] = value; changed(); };
  switch (row.type) {
    case "property": return testParts(row, world.type(row.property), offers(row.property), changed, () => redraw("operator"));
    case "event": return [
      choice("Did or did not", [["did", "happened"], ["not", "did not happen"]], row.negated ? "not" : "did", (word) => { row.negated = word === "not"; changed(); }),
      choice("How often: bound", TIMES, row.times[0], (op) => { row.times = [op, row.times[1]]; changed(); }),
      make("input", { type: "number", min: 0, step: 1, "aria-label": "How often", value: row.times[1], oninput: (event) => { row.times = [row.times[0], /^\d+$/.test(event.target.value) ? Number(event.target.value) : null]; changed(); } }),
      "times", ...windowParts(row, changed, redraw), ...whereParts(row, world, changed, redraw)];
    case "aggregate": return [
      choice("Figure", FUNCTIONS, row.function, (word) => { row.function = word; redraw("figure"); changed(); }, { "data-role": "figure" }),
      choice("Event", world.events.map((name) => [name, label(name)]), row.event, (name) => { Object.assign(row, { event: name, of: "", where: [] }); redraw("event"); changed(); }, { "data-role": "event" }),
      ...(row.function === "count" ? [] : [choice("Of which property", [["", "choose …"], ...figured(row, world).map(({ name }) => [name, label(name)])], row.of, set("of"))]),
      choice("Comparison", SIGNS, row.op, set("op")),
      ...valueField("number", "Value", row.value, set("value")), ...windowParts(row, changed, redraw), ...whereParts(row, world, changed, redraw)];
    case "domain": return [
      choice("Is or is not", [["is", "is any of"], ["not", "is none of"]], row.negated ? "not" : "is", (word) => { row.negated = word === "not"; changed(); }),
      ...valueField("texts", "Domains", row.value, set("value"))];
    case "segment": return [
      choice("In or not in", [["in", "contact is in"], ["not", "contact is not in"]], row.negated ? "not" : "in", (word) => { row.negated = word === "not"; changed(); }),
      choice("Segment", world.segments.map((name) => [name, name]), row.segment, set("segment"))];
    case "bucket": return [
      make("input", { type: "number", min: 0, max: 100, step: "any", "aria-label": "Percent", value: row.percent, oninput: (event) => set("percent")(event.target.value === "" ? NaN : Number(event.target.value)) }),
      "% of", textField("Name of the draw", row.name, (name) => set("name")(name.trim()))];
    case "all": return [choice("Everyone or no one", [["all", "everyone"], ["none", "no one"]], row.none ? "none" : "all", (word) => { row.none = word === "none"; changed(); })];
    case "text": return textParts(row, changed);
    default: return patternParts(row, world, changed, redraw);
  }
}

function figured(row, world) {
  const properties = world.eventProperties(row.event);
  return row.function === "distinct" ? properties : properties.filter(({ type }) => ["number", "money"].includes(type));
}

function textParts(row, changed) {
  const hint = make("span", { class: "hint", role: "status" });
  const read = debounced(100, latest(async () => {
    const { text } = row;
    let [json, problem] = [null, ""];
    try {
      if (text.trim() !== "") json = (await call("POST", "/v1/rules/parse", { rule: text })).json;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      problem = error.problem.rule?.message ?? error.message;
    }
    // Typed on meanwhile, or not shown any more: the answer is about something else.
    if (row.text !== text || !field.isConnected) return;
    row.json = json;
    hint.textContent = problem;
    changed();
  }));
  const field = make("input", { type: "text", class: "text-row", "aria-label": "Condition as text", spellcheck: "false", value: row.text, placeholder: "first purchase in last 14 days", oninput: (event) => { row.text = event.target.value; row.json = null; changed(); read(); } });
  return [field, hint];
}

