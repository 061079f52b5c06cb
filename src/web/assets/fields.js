// Operators by type, and the fields in which their values are put.
import { call, debounced, grouped, make } from "./call.js";

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
  ["on", "on", "date"], ["before", "before", "date"], ["after", "after", "date"], ["between", "between", "dates"],
  ["period", "is", "period"], ["anniversary", "anniversary in the next", "days"],
  ["next", "in the next", "length"], ["ahead_lt", "less than … ahead", "length"], ["ahead_le", "at most … ahead", "length"],
  ["ahead_gt", "more than … ahead", "length"], ["ahead_ge", "at least … ahead", "length"],
  ["eq", "=", "date"], ["ne", "≠", "date"], ["lt", "<", "date"], ["le", "≤", "date"], ["gt", ">", "date"], ["ge", "≥", "date"],
];
const SET = [
  ["eq", "has", "text"], ["ne", "does not have", "text"], ["in", "has any of", "texts"], ["has_all", "has all of", "texts"],
  ["not_in", "has none of", "texts"], ...TEXT.slice(4),
];
const PRESENCE = [["is_set", "has a value", "none"], ["is_not_set", "has no value", "none"]];

/** The operators of a type: `[op of the JSON form, label, kind of value]`. */
export function operators(type) {
  switch (type) {
    case "boolean": return [["eq", "is", "flag"], ["ne", "is not", "flag"], ...PRESENCE];
    case "number": case "money": return [...ORDER, ...PRESENCE];
    case "timestamp": case "date": return [...TIME, ...PRESENCE];
    case "set": return [...SET, ...PRESENCE];
    default: return [...TEXT, ...PRESENCE];
  }
}

export const UNITS = ["seconds", "minutes", "hours", "days", "weeks", "months", "years"];
const PERIODS = ["today", "yesterday", "tomorrow", "this_week", "last_week", "next_week", "this_month", "last_month", "next_month", "this_year", "last_year", "next_year"];

/** The digits of a number of the JSON form, which may be longer than a number of this language holds. */
export const digits = (value) => (value && typeof value === "object" ? value.rawJSON : String(value));

/** A number as the JSON form sends it, with every digit that was typed; null for what is none. */
export function numeral(text) {
  const trimmed = text.trim();
  if (!/^-?\d+(\.\d+)?$/.test(trimmed)) return null;
  const plain = Number(trimmed);
  return String(plain) === trimmed || !JSON.rawJSON ? plain : JSON.rawJSON(trimmed.replace(/^(-?)0+(?=\d)/, "$1"));
}

/** A box to choose from `[value, label]`. */
export function choice(label, options, chosen, changed, attributes = {}) {
  const list = options.map(([value, text]) => make("option", { value, selected: value === chosen }, text));
  return make("select", { "aria-label": label, onchange: (event) => changed(event.target.value), ...attributes }, list);
}

let lists = 0;

/** A field for a text that offers the values that are there, with their counts. */
export function textField(label, value, changed, offer, attributes = {}) {
  const id = `offer-${(lists += 1)}`;
  const list = make("datalist", { id });
  const field = make("input", { type: "text", "aria-label": label, value: value ?? "", list: offer ? id : null, ...attributes });
  const ask = debounced(120, async () => {
    const values = await offer(field.value).catch(() => []);
    list.replaceChildren(...values.map(({ value: text, count }) => make("option", { value: text, label: `${text} (${grouped(count)})` })));
  });
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

/** Several values, each a chip that can be taken away. */
function chips(label, values, changed, offer, read) {
  const kept = [...(values ?? [])];
  const place = make("span", { class: "chips", role: "group", "aria-label": label });
  const draw = (focus) => {
    const shown = kept.map((value, at) => make("span", { class: "value-chip" }, digits(value),
      make("button", { type: "button", "aria-label": `Take away ${digits(value)}`, onclick: () => { kept.splice(at, 1); changed([...kept]); draw(true); } }, "×")));
    let typed = "";
    const add = (text) => {
      const value = read(text);
      if (value === null || kept.some((known) => digits(known) === digits(value))) return;
      kept.push(value);
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

function dateField(label, value, changed) {
  if (value && value.instant) {
    return make("input", { type: "text", "aria-label": label, value: value.instant, oninput: (event) => changed(event.target.value ? { instant: event.target.value } : null) });
  }
  return make("input", { type: "date", "aria-label": label, value: value?.date ?? "", oninput: (event) => changed(event.target.value ? { date: event.target.value } : null) });
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
export function valueField(kind, label, value, changed, offer) {
  const text = (typed) => (typed.trim() === "" ? null : typed.trim());
  const two = (field) => {
    const kept = Array.isArray(value) ? [...value] : [null, null];
    const tell = (at) => (part) => { kept[at] = part; changed(kept.includes(null) ? null : [...kept]); };
    return [field(`${label}: from`, kept[0], tell(0)), "and", field(`${label}: to`, kept[1], tell(1))];
  };
  switch (kind) {
    case "none": return [];
    case "text": return [textField(label, value, (typed) => changed(text(typed)), offer)];
    case "texts": return [chips(label, value, (kept) => changed(kept.length ? kept : null), offer, text)];
    case "numbers": return [chips(label, value, (kept) => changed(kept.length ? kept : null), null, numeral)];
    case "number": return [numberField(label, value, changed)];
    case "range": return two(numberField);
    case "date": return [dateField(label, value, changed)];
    case "dates": return two(dateField);
    case "length": return lengthField(label, value, changed);
    case "days": return lengthField(label, value, changed, ["days"]);
    case "flag": return [choice(label, [["true", "yes"], ["false", "no"]], String(value ?? true), (word) => changed(word === "true"))];
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

/** Whether a value of the JSON form is of the kind that an operator's field shows. */
export function fits(kind, value) {
  const isNumber = (part) => typeof part === "number" || (part && "rawJSON" in Object(part)) || (typeof part === "string" && numeral(part) !== null);
  const isDate = (part) => Boolean(part && (part.date || part.instant));
  const isLength = (part) => Boolean(part && typeof part.n === "number" && UNITS.includes(part.unit));
  switch (kind) {
    case "none": return value === undefined;
    case "text": return typeof value === "string";
    case "texts": return Array.isArray(value) && value.every((part) => typeof part === "string");
    case "numbers": return Array.isArray(value) && value.every(isNumber);
    case "number": return isNumber(value);
    case "range": return Array.isArray(value) && value.length === 2 && value.every(isNumber);
    case "date": return isDate(value);
    case "dates": return Array.isArray(value) && value.length === 2 && value.every(isDate);
    case "length": return isLength(value);
    case "days": return isLength(value) && value.unit === "days";
    case "flag": return typeof value === "boolean";
    case "period": return PERIODS.includes(value);
    default: return false;
  }
}
