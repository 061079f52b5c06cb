// A box to choose from very many: typing narrows it, arrows walk it, Enter takes. The focus stays in one field.
import { make } from "./call.js";

/** Choices that are shown at once; of more, one types on. */
const SHOWN_MAX = 80;
let combos = 0;

/** How well a choice answers what was typed: its beginning, a word's beginning, somewhere, or not (null). */
export function rank(text, typed) {
  const [where, what] = [text.toLowerCase(), typed.trim().toLowerCase()];
  if (what === "" || where.startsWith(what)) return 0;
  const at = where.indexOf(what);
  if (at >= 0) return /[\s_.-]/.test(where[at - 1]) ? 1 : 2;
  // Words in any order: `total purchase` finds `Purchase total`.
  return what.split(/\s+/).every((word) => where.includes(word)) ? 3 : null;
}

/** The choices of groups `[heading, [[value, text], …]]` that answer what was typed, the best first within each. */
function matching(groups, typed) {
  let left = SHOWN_MAX;
  let over = 0;
  const found = groups.map(([heading, options]) => {
    const ranked = options.map(([value, text]) => ({ value, text, place: rank(text, typed) })).filter(({ place }) => place !== null);
    // Sorting keeps the order of those that answer equally well.
    ranked.sort((a, b) => a.place - b.place);
    over += Math.max(0, ranked.length - left);
    const shown = ranked.slice(0, left);
    left -= shown.length;
    return [heading, shown];
  });
  return { found: found.filter(([, shown]) => shown.length), over };
}

/**
 * A field that offers choices in groups. `changed` gets the value that was taken; what is typed and not taken falls
 * back to what was chosen.
 */
export function combo(label, groups, chosen, changed, attributes = {}) {
  const id = `combo-${(combos += 1)}`;
  const name = () => groups.flatMap(([, options]) => options).find(([value]) => value === chosen)?.[1] ?? "";
  const list = make("ul", { class: "offers", id, role: "listbox", "aria-label": label, hidden: true });
  const field = make("input", {
    type: "text", role: "combobox", "aria-label": label, "aria-expanded": "false", "aria-controls": id, "aria-autocomplete": "list",
    autocomplete: "off", spellcheck: "false", value: name(), size: Math.min(Math.max(name().length, 8), 26), ...attributes,
  });
  const place = make("span", { class: "combo" }, field, list);
  /** The rows that may be taken, and which of them Enter takes. */
  let rows = [];
  let active = -1;
  const isOpen = () => !list.hidden;

  const point = (at) => {
    rows[active]?.setAttribute("aria-selected", "false");
    active = rows.length ? (at + rows.length) % rows.length : -1;
    const row = rows[active];
    if (!row) { field.removeAttribute("aria-activedescendant"); return; }
    row.setAttribute("aria-selected", "true");
    field.setAttribute("aria-activedescendant", row.id);
    row.scrollIntoView({ block: "nearest" });
  };
  const close = () => {
    list.hidden = true;
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  };
  const take = (value) => {
    close();
    const isSame = value === chosen;
    chosen = value;
    field.value = name();
    if (!isSame) changed(value);
  };
  const open = (typed) => {
    const { found, over } = matching(groups, typed);
    rows = [];
    const parts = found.map(([heading, options], at) => {
      const lines = options.map(({ value, text }) => {
        const row = make("li", { role: "option", id: `${id}-${rows.length}`, "aria-selected": "false", class: value === chosen ? "chosen" : null, onpointerdown: (event) => event.preventDefault(), onclick: () => take(value) }, text);
        row.dataset.value = value;
        rows.push(row);
        return row;
      });
      return make("li", { role: "presentation" }, make("span", { class: "heading", id: `${id}-h${at}` }, heading), make("ul", { role: "group", "aria-labelledby": `${id}-h${at}` }, lines));
    });
    if (over) parts.push(make("li", { class: "dim more", role: "presentation" }, `${over} more: type on`));
    if (!rows.length) parts.push(make("li", { class: "dim more", role: "presentation" }, "Nothing of this name"));
    list.replaceChildren(...parts);
    list.hidden = false;
    field.setAttribute("aria-expanded", "true");
    const best = rows.findIndex((row) => row.dataset.value === chosen);
    point(typed === "" ? Math.max(best, 0) : bestOf(rows, typed));
  };

  field.addEventListener("click", () => { if (!isOpen()) { field.select(); open(""); } });
  field.addEventListener("focus", () => field.select());
  field.addEventListener("input", () => open(field.value));
  field.addEventListener("blur", () => {
    // A name that was written out is taken without Enter.
    const typed = field.value.trim().toLowerCase();
    const whole = isOpen() && groups.flatMap(([, options]) => options).find(([, text]) => text.toLowerCase() === typed);
    close();
    if (whole) take(whole[0]); else field.value = name();
  });
  field.addEventListener("keydown", (event) => {
    const [isDown, isUp] = [event.key === "ArrowDown", event.key === "ArrowUp"];
    if ((isDown || isUp) && !isOpen()) open("");
    else if (isDown || isUp) point(active + (isDown ? 1 : -1));
    else if (event.key === "Enter" && isOpen() && rows[active]) take(rows[active].dataset.value);
    else if (event.key === "Escape" && isOpen()) { field.value = name(); close(); field.select(); }
    else return;
    event.preventDefault();
  });
  return place;
}

/** The place of the row that answers best, of whatever group. */
function bestOf(rows, typed) {
  const ranks = rows.map((row) => rank(row.textContent, typed));
  return Math.max(ranks.indexOf(Math.min(...ranks)), 0);
}
