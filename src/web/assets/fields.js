// Operators by type, and the fields in which their values are put.
import { call, debounced, digits, grouped, latest, make } from "./call.js";

const TEXT = [
  ["eq", "is", "text"], ["ne", "is not", "text"], ["in", "is any of", "texts"], ["not_in", "is none of", "texts"],
  ["contains", "contains", "text"], ["not_contains", "does not contain", "text"],
  ["starts_with", "starts with", "text"], ["not_starts_with", "does not start with", "text"],
  ["ends_with", "ends with", "text"], ["not_ends_with", "does not end with", "text"],
  ["matches", "matches (* and ?)", "text"], ["not_matches", "does not match (* and ?)", "text"],
  ["regex", "matches the regex", "text"], ["not_regex", "does not match the regex", "text"],
];
const ORDER = [
  ["eq", "=", "number"], ["ne", "≠", "number"], ["gt", ">", "number"], ["ge", "≥", "number"], ["lt", "<", "number"],
  ["le", "≤", "number"], ["between", "between", "range"], ["in", "is any of", "numbers"], ["not_in", "is none of", "numbers"],
];
const TIME = [
  ["within", "in the last", "length"], ["age_lt", "less than … ago", "length"], ["age_le", "at most … ago", "length"],
  ["age_gt", "more than … ago", "length"], ["age_ge", "at least … ago", "length"],
  ["on", "on", "day"], ["before", "before", "date"], ["after", "after", "date"], ["between", "between", "dates"],
  ["period", "is", "period"], ["anniversary", "anniversary in the next", "days"],
  ["next", "in the next", "length"], ["ahead_lt", "less than … ahead", "length"], ["ahead_le", "at most … ahead", "length"],
  ["ahead_gt", "more than … ahead", "length"], ["ahead_ge", "at least … ahead", "length"],
  ["eq", "=", "date"], ["ne", "≠", "date"], ["lt", "<", "date"], ["le", "≤", "date"], ["gt", ">", "date"], ["ge", "≥", "date"],
  ["in", "is any of", "datelist"], ["not_in", "is none of", "datelist"],
];
const SET = [
  ["eq", "has", "text"], ["ne", "does not have", "text"], ["in", "has any of", "texts"], ["has_all", "has all of", "texts"],
  ["not_in", "has none of", "texts"], ...TEXT.slice(4),
];
const PRESENCE = [["is_set", "has a value", "none"], ["is_not_set", "has no value", "none"]];

/** The operators of a type: `[op of the JSON form, label, kind of value]`. */
export function operators(type) {
  switch (type) {
    case "boolean": return [["eq", "is", "flag"], ["ne", "is not", "flag"], ["in", "is any of", "flags"], ["not_in", "is none of", "flags"], ...PRESENCE];
    case "number": case "money": return [...ORDER, ...PRESENCE];
    case "timestamp": case "date": return [...TIME, ...PRESENCE];
    case "set": return [...SET, ...PRESENCE];
    default: return [...TEXT, ...PRESENCE];
  }
}

export const UNITS = ["seconds", "minutes", "hours", "days", "weeks", "months", "years"];
const PERIODS = ["today", "yesterday", "tomorrow", "this_week", "last_week", "next_week", "this_month", "last_month", "next_month", "this_year", "last_year", "next_year"];

/** A number as the JSON form sends it, with every digit that was typed; null for what is none. */
export function numeral(text) {
  const trimmed = text.trim();
  if (!/^-?\d+(\.\d+)?$/.test(trimmed)) return null;
  const plain = Number(trimmed);
  if (String(plain) === trimmed) return plain;
  if (JSON.rawJSON) return JSON.rawJSON(trimmed.replace(/^(-?)0+(?=\d)/, "$1"));
  // An older browser would shorten what has more digits than this.
  return trimmed.replace(/\D/g, "").length <= 15 ? plain : null;
}

/** A box to choose from a few `[value, label]`. */
export function choice(label, options, chosen, changed, attributes = {}) {
  const option = ([value, text]) => make("option", { value, selected: value === chosen }, text);
  return make("select", { "aria-label": label, onchange: (event) => changed(event.target.value), ...attributes }, options.map(option));
}

let lists = 0;

/** Offers values for what a field holds; the server looks through all of them, so one question at a time. */
const complete = latest(async (offer, field, list) => {
  const values = await offer(field.value).catch(() => []);
  list.replaceChildren(...values.map(({ value: text, count }) => make("option", { value: text, label: `${text} (${grouped(count)})` })));
});

/** A field for a text that offers the values that are there, with their counts. */
export function textField(label, value, changed, offer, attributes = {}) {
  const id = `offer-${(lists += 1)}`;
  const list = make("datalist", { id });
  const field = make("input", { type: "text", "aria-label": label, value: value ?? "", list: offer ? id : null, ...attributes });
  const ask = debounced(120, () => complete(offer, field, list));
  if (offer) {
    field.addEventListener("focus", ask);
    field.addEventListener("input", ask);
  }
  field.addEventListener("input", () => changed(field.value));
  return make("span", { class: "combo" }, field, offer ? list : null);
}

/** What completes a property's values: of contacts, or of an event. */
export const offers = (property, event) => async (typed) => {
  const query = new URLSearchParams({ property, event: event ?? "", q: typed });
  return (await call("GET", `/ui/ask/values?${query}`)).values;
};

/** What was typed as several values: `US, DE` is two unless it is one of those that are offered; quotes hold one together. */
function several(text, combo) {
  const isOffered = [...combo.querySelectorAll("option")].some((option) => option.value === text.trim());
  if (isOffered) return [text];
  return (text.match(/"[^"]*"|[^,]+/g) ?? []).map((part) => part.trim().replace(/^"(.*)"$/, "$1"));
}

/** What completes the domains of emails. */
export const domainOffers = (property) => async (typed) => (await call("GET", `/ui/ask/values?${new URLSearchParams({ property, domain: "yes", q: typed })}`)).values;

/** Several values, each a chip that can be taken away. */
function chips(label, values, changed, offer, read) {
  const kept = [...(values ?? [])];
  const place = make("span", { class: "chips", role: "group", "aria-label": label });
  const draw = (focus) => {
    const shown = kept.map((value, at) => make("span", { class: "value-chip" }, digits(value),
      make("button", { type: "button", "aria-label": `Take away ${digits(value)}`, onclick: () => { kept.splice(at, 1); changed([...kept]); draw(true); } }, "×")));
    let typed = "";
    const add = (text) => {
      const found = several(text, combo).map(read).filter((value) => value !== null);
      const fresh = found.filter((value, at) => ![...kept, ...found.slice(0, at)].some((known) => digits(known) === digits(value)));
      if (!fresh.length) return;
      kept.push(...fresh);
      changed([...kept]);
      draw(true);
    };
    const combo = textField(`${label}: add`, "", (text) => { typed = text; }, offer, { placeholder: "add …" });
    const field = combo.querySelector("input");
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") { event.preventDefault(); add(typed); }
      if (event.key === "Backspace" && field.value === "" && kept.length) { kept.pop(); changed([...kept]); draw(true); }
    });
    field.addEventListener("input", (event) => { if (!event.inputType || event.inputType === "insertReplacementText") add(field.value); });
    field.addEventListener("change", () => add(field.value));
    place.replaceChildren(...shown, combo);
    if (focus) field.focus();
  };
  draw(false);
  return place;
}

function numberField(label, value, changed) {
  const shown = value === null || value === undefined ? "" : digits(value);
  return make("input", { type: "text", inputmode: "decimal", class: "figure", size: 8, "aria-label": label, value: shown, oninput: (event) => changed(numeral(event.target.value)) });
}

const MOMENT = /^(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)Z$/;

/** A field for an instant, told in UTC. */
function momentField(label, value, changed) {
  const text = value?.instant ?? "";
  // What the browser's own field cannot hold stays as it is written.
  if (text && !MOMENT.test(text)) return make("input", { type: "text", "aria-label": label, value: text, oninput: ({ target }) => changed(target.value ? { instant: target.value } : null) });
  return make("input", { type: "datetime-local", step: "any", "aria-label": `${label}, UTC`, value: text.replace(MOMENT, "$1"), oninput: ({ target }) => changed(target.value ? { instant: `${target.value}${/T\d\d:\d\d$/.test(target.value) ? ":00" : ""}Z` } : null) });
}

const dayField = (label, value, changed) => make("input", { type: "date", "aria-label": label, value: value?.date ?? "", oninput: ({ target }) => changed(target.value ? { date: target.value } : null) });

/** Days, or instants where the property has them: both ends of a span are of one kind. */
function dateFields(labels, values, changed, isDayOnly) {
  const kept = labels.map((_, at) => values[at] ?? null);
  const place = make("span", { class: "dates" });
  const draw = (isMoment) => {
    const field = isMoment ? momentField : dayField;
    const fields = labels.flatMap((label, at) => [at ? "and" : null, field(label, kept[at], (value) => { kept[at] = value; changed([...kept]); })]);
    const turn = (word) => {
      const turned = (value) => (word === "moment" ? { instant: `${value.date}T00:00:00Z` } : { date: value.instant.slice(0, 10) });
      kept.forEach((value, at) => { kept[at] = value && turned(value); });
      draw(word === "moment");
      changed([...kept]);
      place.querySelector("select").focus();
    };
    const kind = isDayOnly ? null : choice(`${labels[0]}: day or moment`, [["day", "day"], ["moment", "moment, UTC"]], isMoment ? "moment" : "day", turn, { class: "small" });
    place.replaceChildren(...[...fields, kind].filter((part) => part !== null));
  };
  draw(kept.some((value) => value?.instant));
  return place;
}

/** Several dates, each a chip. */
function dateChips(label, values, changed, isDayOnly) {
  const kept = [...(values ?? [])];
  const told = (value) => value.date ?? value.instant.replace("T", " ");
  const place = make("span", { class: "chips", role: "group", "aria-label": label });
  const draw = () => {
    const away = (at) => () => { kept.splice(at, 1); changed([...kept]); draw(); };
    let next = null;
    const add = () => { if (next && !kept.some((known) => told(known) === told(next))) { kept.push(next); changed([...kept]); draw(); place.querySelector("input").focus(); } };
    place.replaceChildren(...kept.map((value, at) => make("span", { class: "value-chip" }, told(value), make("button", { type: "button", "aria-label": `Take away ${told(value)}`, onclick: away(at) }, "×"))),
      dateFields([`${label}: add`], [], ([value]) => { next = value; }, isDayOnly), make("button", { type: "button", onclick: add }, "Add"));
    place.querySelector("input").addEventListener("keydown", (event) => { if (event.key === "Enter") add(); });
  };
  draw();
  return place;
}

/** Yes, no, or both. */
function flagBoxes(label, values, changed) {
  const kept = [...(values ?? [])];
  const box = (value, text) => make("label", { class: "flag" }, make("input", { type: "checkbox", checked: kept.includes(value), onchange: ({ target }) => {
    if (target.checked) kept.push(value); else kept.splice(kept.indexOf(value), 1);
    changed([...kept]);
  } }), text);
  return make("span", { class: "chips", role: "group", "aria-label": label }, box(true, "yes"), box(false, "no"));
}

/** A length of time: how many of which unit. */
export function lengthField(label, value, changed, units = UNITS) {
  const kept = { n: value?.n ?? null, unit: units.includes(value?.unit) ? value.unit : "days" };
  const tell = () => changed(kept.n === null ? null : { n: kept.n, unit: kept.unit });
  const number = make("input", { type: "number", min: 0, step: 1, "aria-label": label, value: kept.n === null ? "" : kept.n, oninput: (event) => { kept.n = /^\d+$/.test(event.target.value) ? Number(event.target.value) : null; tell(); } });
  if (units.length === 1) return [number, units[0]];
  return [number, choice(`${label}: unit`, units.map((unit) => [unit, unit]), kept.unit, (unit) => { kept.unit = unit; tell(); })];
}

/** The field of a kind of value. `changed` gets the value of the JSON form, or null while there is none. */
export function valueField(kind, label, value, changed, offer, { currency, isDayOnly } = {}) {
  const text = (typed) => (typed.trim() === "" ? null : typed.trim());
  const some = (kept) => changed(kept.length ? kept : null);
  const unit = currency ? make("span", { class: "unit dim" }, currency) : null;
  switch (kind) {
    case "none": return [];
    case "text": return [textField(label, value, (typed) => changed(text(typed)), offer)];
    case "texts": return [chips(label, value, some, offer, text)];
    case "numbers": return [unit, chips(label, value, some, null, numeral)];
    case "number": return [unit, numberField(label, value, changed)];
    case "range": {
      const kept = Array.isArray(value) ? [...value] : [null, null];
      const tell = (at) => (part) => { kept[at] = part; changed(kept.includes(null) ? null : [...kept]); };
      return [unit, numberField(`${label}: from`, kept[0], tell(0)), "and", numberField(`${label}: to`, kept[1], tell(1))];
    }
    case "date": return [dateFields([label], [value], ([one]) => changed(one), isDayOnly)];
    // Whole days by their name, never an instant.
    case "day": return [dateFields([label], [value], ([one]) => changed(one), true)];
    case "dates": return [dateFields([`${label}: from`, `${label}: to`], value ?? [], (both) => changed(both.includes(null) ? null : both), isDayOnly)];
    case "datelist": return [dateChips(label, value, some, isDayOnly)];
    case "length": return lengthField(label, value, changed);
    case "days": return lengthField(label, value, changed, ["days"]);
    case "flag": return [choice(label, [["true", "yes"], ["false", "no"]], String(value ?? true), (word) => changed(word === "true"))];
    case "flags": return [flagBoxes(label, value, some)];
    case "period": return [choice(label, PERIODS.map((word) => [word, word.replace("_", " ")]), value ?? "today", changed)];
    default: throw new Error(`no field for ${kind}`);
  }
}

/** What a kind of value is before anything is chosen. */
export function firstValue(kind) {
  switch (kind) {
    case "flag": return true;
    case "period": return "today";
    case "length": return { n: 30, unit: "days" };
    case "days": return { n: 7, unit: "days" };
    default: return null;
  }
}

/** Kinds of one value, with those of several and of a span of them. */
const KIN = [["text", "texts", ""], ["number", "numbers", "range"], ["date", "datelist", "dates"], ["day", "datelist", "dates"], ["flag", "flags", ""]];

/** A value as one of another kind: what was put in stays where it fits. */
export function carried(from, to, value) {
  if (from === to) return value;
  const kin = KIN.find((kinds) => kinds.includes(from) && kinds.includes(to));
  if (!kin || value === null || value === undefined) {
    return value && from === "length" && to === "days" && value.unit === "days" ? value : firstValue(to);
  }
  const values = Array.isArray(value) ? value : [value];
  if (to === kin[1]) return values;
  if (to === kin[0]) return values[0];
  return values.length > 1 ? values.slice(0, 2) : firstValue(to);
}

/** Whether a value of the JSON form is of the kind that an operator's field shows. */
export function fits(kind, value) {
  const isNumber = (part) => typeof part === "number" || (part && "rawJSON" in Object(part)) || (typeof part === "string" && numeral(part) !== null);
  const isDate = (part) => Boolean(part && (part.date || part.instant));
  const isLength = (part) => Boolean(part && typeof part.n === "number" && UNITS.includes(part.unit));
  const all = (test) => Array.isArray(value) && value.every(test);
  switch (kind) {
    case "none": return value === undefined;
    case "text": return typeof value === "string";
    case "texts": return all((part) => typeof part === "string");
    case "numbers": return all(isNumber);
    case "number": return isNumber(value);
    case "range": return all(isNumber) && value.length === 2;
    case "date": return isDate(value);
    case "day": return isDate(value) && Boolean(value.date);
    case "dates": return all(isDate) && value.length === 2;
    case "datelist": return all(isDate);
    case "length": return isLength(value);
    case "days": return isLength(value) && value.unit === "days";
    case "flag": return typeof value === "boolean";
    case "flags": return all((part) => typeof part === "boolean");
    case "period": return PERIODS.includes(value);
    default: return false;
  }
}
