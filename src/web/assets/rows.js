// The rows of the builder: each a predicate. What a row cannot show with fields is shown as text, so nothing is lost.
import { Refused, call, debounced, latest, make } from "./call.js";
import { combo } from "./combo.js";
import { carried, choice, domainOffers, fits, offers, operators, textField, valueField } from "./fields.js";
import { patternOf, patternJson, patternNames, patternParts, freshPattern } from "./patterns.js";
import { boundsJson, boundsOf, boundsParts, eventOf, isOnce, isShown, label, only, testOf, testParts, whereParts, whole, windowParts, withOp, withWindow } from "./where.js";

const FUNCTIONS = [["sum", "sum of"], ["count", "number of"], ["avg", "average of"], ["min", "least of"], ["max", "greatest of"], ["distinct", "distinct values of"]];
const SIGNS = [["gt", ">"], ["ge", "≥"], ["lt", "<"], ["le", "≤"], ["eq", "="], ["ne", "≠"], ["between", "between"]];
/** Rows that say by themselves that something did not happen or is not so. */
const SAY_NOT = ["event", "days", "regularly", "sequence", "segment", "domain"];
/** What rows need to know of the database. */
export class World {
  constructor({ schema, order, events, segments }) {
    Object.assign(this, { schema, order, events, segments });
    this.emails = order.filter((name) => this.type(name) === "email");
  }
  type(property) { return this.schema.properties[property]?.type; }
  eventProperties(event) { return Object.entries(this.schema.events[event]?.properties ?? {}).map(([name, about]) => ({ name, ...about })); }
  eventProperty(event, name) { return this.schema.events[event]?.properties?.[name]; }
  about(property) { return { currency: property?.currency, isDayOnly: property?.type === "date" }; }
}

/** A row that shows a predicate of the JSON form; `text` is its canonical text. */
export function rowOf(json, text, negated, world) {
  const read = shapes(json, negated, world);
  return { kind: "row", count: null, ...(read ?? { type: "text", text: negated ? `NOT (${text})` : text, json: negated ? { not: json } : json }) };
}

function shapes(json, negated, world) {
  if (json.all || json.none) return { type: "all", none: Boolean(json.none), negated };
  if ("tag" in json) return { type: "property", property: "tags", op: negated ? "ne" : "eq", value: json.tag };
  if ("any_tag" in json) return { type: "property", property: "tags", op: negated ? "not_in" : "in", value: json.any_tag };
  if ("all_tags" in json) return { type: "property", negated, property: "tags", op: "has_all", value: json.all_tags };
  if ("segment" in json) return world.segments.includes(json.segment) ? { type: "segment", segment: json.segment, negated } : null;
  if ("event" in json && only(json, ["event", "where", "count", "window"])) {
    const event = eventOf(json, world);
    return event && { type: "event", negated, ...event, times: boundsOf(json.count) };
  }
  if ("email_domain" in json) return { type: "domain", negated, property: json.property ?? "", value: [json.email_domain].flat() };
  if ("bucket" in json) return bucketOf(json, negated);
  if ("aggregate" in json && "value" in json) return aggregateOf(json, negated, world);
  const pattern = patternOf(json, negated, world);
  if (pattern) return pattern;
  if ("property" in json && isShown(json, world.type(json.property))) return { type: "property", negated, ...json };
  return null;
}

function bucketOf({ bucket: name, of, lt, between }, negated) {
  const isPercent = of === 10000 && lt !== undefined;
  const how = isPercent ? "percent" : between ? "between" : "lt";
  return { type: "bucket", negated, name, how, of, percent: isPercent ? lt / 100 : 10, lt: lt ?? null, from: between?.[0] ?? null, to: between?.[1] ?? null };
}

function aggregateOf(json, negated, world) {
  const event = eventOf(json, world);
  const row = event && { type: "aggregate", negated, ...event, function: json.aggregate, of: json.of ?? "", op: json.op, value: json.value };
  return row && fits(figureKind(row, world), json.value) ? row : null;
}

/** The kind of value that a figure over events is compared with. */
function figureKind(row, world) {
  const type = ["count", "distinct"].includes(row.function) ? "number" : world.eventProperty(row.event, row.of)?.type;
  const isDate = ["timestamp", "date"].includes(type);
  return row.op === "between" ? (isDate ? "dates" : "range") : isDate ? "date" : "number";
}

/** The JSON form of a row; null while something of it is missing. */
export function jsonOf(row, world) {
  const made = positive(row, world);
  return made !== null && row.negated ? { not: made } : made;
}

function positive(row, world) {
  switch (row.type) {
    case "all": return row.none ? { none: true } : { all: true };
    case "text": return row.json ?? null;
    case "segment": return row.segment ? { segment: row.segment } : null;
    case "domain": return row.value?.length ? { email_domain: row.value.length === 1 ? row.value[0] : row.value, ...(row.property ? { property: row.property } : {}) } : null;
    case "bucket": return bucketJson(row);
    case "property": return testOf(row, world.type(row.property));
    case "event": {
      const event = withWindow(row, { event: row.event }, world);
      const times = boundsJson(row.times);
      if (!event || !times) return null;
      return isOnce(row.times) ? event : { ...event, count: times };
    }
    case "aggregate": {
      const made = withWindow(row, { aggregate: row.function, event: row.event }, world);
      if (!made || row.value === null || row.value === undefined || (row.function !== "count" && !row.of)) return null;
      if (row.of) made.of = row.of;
      return { ...made, op: row.op, value: row.value };
    }
    default: return patternJson(row, world);
  }
}

function bucketJson({ name, how, of, percent, lt, from, to }) {
  if (!name) return null;
  if (how === "percent") return percent >= 0 && percent <= 100 ? { bucket: name, of: 10000, lt: Math.round(percent * 100) } : null;
  if (!of) return null;
  if (how === "lt") return lt === null ? null : { bucket: name, of, lt };
  return from === null || to === null ? null : { bucket: name, of, between: [from, to] };
}

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
    e: () => ({ type: "event", event: name, negated: false, times: [["ge", 1]], ...none }),
    a: () => ({ type: "aggregate", function: "count", event: world.events[0], of: "", op: "ge", value: null, ...none }),
    d: () => ({ type: "domain", negated: false, property: "", value: null }),
    s: () => ({ type: "segment", segment: world.segments[0] ?? "", negated: false }),
    b: () => ({ type: "bucket", name: "sample", how: "percent", percent: 10, of: 100, lt: 10, from: 0, to: 9 }),
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
    const turn = (word) => {
      const fresh = subject(row, word, world);
      Object.keys(row).forEach((key) => delete row[key]);
      Object.assign(row, fresh, { place });
      redraw("subject");
      changed();
    };
    const cells = make("div", { class: "cells" }, notPart(row, changed, redraw), subjects(row, world, turn), ...parts(row, world, changed, redraw));
    const more = hasMore(row) ? make("button", { type: "button", class: "more", "aria-label": "More about this condition", "aria-expanded": String(Boolean(row.isOpen)), "data-role": "more", onclick: () => { row.isOpen = !row.isOpen; redraw("more"); } }, "⋯") : null;
    const away = make("button", { type: "button", class: "remove", "aria-label": "Take this condition away", onclick: removed }, "×");
    place.replaceChildren(cells, make("div", { class: "tail" }, count, more, away));
    tellCount(row);
    if (role) (place.querySelector(`[data-role="${role}"]`) ?? place.querySelector("[data-role=subject]")).focus();
  };
  redraw();
  return place;
}

const hasMore = (row) => !SAY_NOT.includes(row.type) || (row.type === "event" && row.negated) || row.type === "domain";

/** Turns a condition into its complement; shown where it is one, or where one asked for more. */
function notPart(row, changed, redraw) {
  if (SAY_NOT.includes(row.type) || (!row.negated && !row.isOpen)) return null;
  const turn = () => { row.negated = !row.negated; redraw("not"); changed(); };
  return make("button", { type: "button", class: "negate", "aria-pressed": String(Boolean(row.negated)), title: "everyone else: also those without a value", "data-role": "not", onclick: turn }, "not");
}

/** Shows a row's count, and whether it is complete. */
export function tellCount(row) {
  row.counted.textContent = row.count === null ? "" : `${Number(row.count).toLocaleString("en-US")}`;
  row.counted.title = row.count === null ? "" : "contacts, by this condition alone";
}

function subjects(row, world, changed) {
  const others = [["d:", "Email domain"], ["a:", "Figure over events"], world.segments.length ? ["s:", "Segment"] : null, ["b:", "Random sample"], ...(world.events.length ? patternNames.map(([type, name]) => [`o:${type}`, name]) : []), ["n:", "Everyone or no one"], ["t:", "As text"]];
  const groups = [
    ["Properties", world.order.map((name) => [`p:${name}`, label(name)])],
    ["Events", world.events.map((name) => [`e:${name}`, label(name)])],
    ["Other", others.filter(Boolean)],
  ];
  return combo("What the condition is about", groups, subjectWord(row), changed, { "data-role": "subject" });
}

function parts(row, world, changed, redraw) {
  const set = (key) => (value) => { row[key] = value; changed(); };
  const not = (name, is, isNot) => choice(name, [["is", is], ["not", isNot]], row.negated ? "not" : "is", (word) => { row.negated = word === "not"; redraw("negation"); changed(); }, { "data-role": "negation" });
  switch (row.type) {
    case "property": return testParts(row, world.type(row.property), offers(row.property), changed, world.about(world.schema.properties[row.property]));
    case "event": return [
      not("Did or did not", "happened", "did not happen"),
      // "Did not happen" says it all; a bound is for who wants another.
      ...(row.negated && isOnce(row.times) && !row.isOpen ? [] : boundsParts("How often", "times", row, changed, redraw)),
      ...windowParts(row, changed), ...whereParts(row, world, changed, redraw)];
    case "aggregate": return aggregateParts(row, world, changed, redraw);
    case "domain": return [
      ...(world.emails.length > 1 || row.property ? [choice("Of which property", [["", "of any email"], ...world.emails.map((name) => [name, `of ${label(name)}`])], row.property, set("property"))] : []),
      not("Is or is not", "is any of", "is none of"), ...valueField("texts", "Domains", row.value, set("value"), domainOffers(row.property))];
    case "segment": return [
      not("In or not in", "contact is in", "contact is not in"),
      combo("Segment", [["Segments", world.segments.map((name) => [name, name])]], row.segment, set("segment"))];
    case "bucket": return bucketParts(row, set, changed, redraw);
    case "all": return [choice("Everyone or no one", [["all", "everyone"], ["none", "no one"]], row.none ? "none" : "all", (word) => { row.none = word === "none"; changed(); })];
    case "text": return textParts(row, changed);
    default: return patternParts(row, world, changed, redraw);
  }
}

function aggregateParts(row, world, changed, redraw) {
  const value = make("span", { class: "holder" });
  const kind = () => figureKind(row, world);
  const about = () => (["count", "distinct"].includes(row.function) ? {} : world.about(world.eventProperty(row.event, row.of)));
  const draw = () => value.replaceChildren(...valueField(kind(), "Value", row.value, (next) => { row.value = next; changed(); }, null, about()).filter((part) => part !== null));
  const keep = (change) => { const before = kind(); change(); row.value = carried(before, kind(), row.value); };
  const take = (name, values) => (word) => { keep(() => Object.assign(row, values(word))); redraw(name); changed(); };
  const known = figured(row, world);
  draw();
  return [
    choice("Figure", FUNCTIONS, row.function, take("figure", (word) => ({ function: word, of: figured({ ...row, function: word }, world).some(({ name }) => name === row.of) ? row.of : "" })), { "data-role": "figure" }),
    combo("Event", [["Events", world.events.map((name) => [name, label(name)])]], row.event, take("event", (name) => ({ event: name, of: "", where: [] })), { "data-role": "event" }),
    ...(row.function === "count" && !row.of && !row.isOpen ? [] : [choice("Of which property", [["", row.function === "count" ? "all of them" : "choose …"], ...known.map(({ name }) => [name, label(name)])], row.of, take("of", (name) => ({ of: name })), { "data-role": "of" })]),
    choice("Comparison", SIGNS, row.op, (op) => { keep(() => { row.op = op; }); draw(); changed(); }),
    value, ...windowParts(row, changed), ...whereParts(row, world, changed, redraw)];
}

function figured(row, world) {
  const kinds = { sum: ["number", "money"], avg: ["number", "money"], min: ["number", "money", "timestamp", "date"] };
  kinds.max = kinds.min;
  return world.eventProperties(row.event).filter(({ type }) => kinds[row.function]?.includes(type) ?? true);
}

function bucketParts(row, set, changed, redraw) {
  const number = (name, key, least) => whole(name, row[key], (n) => { row[key] = n; }, changed, least);
  const how = choice("What part of a draw", [["percent", "percent"], ["lt", "numbers below"], ["between", "numbers between"]], row.how, (word) => {
    Object.assign(row, { how: word, of: row.how === "percent" ? 100 : row.of, lt: row.lt ?? 10, from: row.from ?? 0, to: row.to ?? 9 });
    redraw("how");
    changed();
  }, { "data-role": "how" });
  const name = textField("Name of the draw", row.name, (text) => set("name")(text.trim()));
  if (row.how === "percent") return [make("input", { type: "number", min: 0, max: 100, step: "any", "aria-label": "Percent", value: row.percent, oninput: ({ target }) => set("percent")(target.value === "" ? NaN : Number(target.value)) }), how, "of", name];
  const bounds = row.how === "lt" ? [number("Below", "lt")] : [number("From", "from"), "and", number("To", "to")];
  return [how, ...bounds, "of", number("Numbers in all", "of", 1), "of", name];
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
  // Drawn anew while it was not read yet.
  if (row.text && !row.json) read();
  return [field, hint];
}
