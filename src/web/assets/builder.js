// The builder: groups of rows, to any depth. It holds the rule as a tree of its own and gives the JSON form.
import { make } from "./call.js";
import { choice } from "./fields.js";
import { World, draw, jsonOf, newRow, rowOf, tellCount } from "./rows.js";

const OPS = [["and", "all of these"], ["or", "any of these"], ["xor", "an odd number of these"], ["at_least", "at least … of these"], ["at_most", "at most … of these"], ["exactly", "exactly … of these"]];
const COUNTED = ["at_least", "at_most", "exactly"];

const group = (op, parts) => ({ kind: "group", op, n: 2, negated: false, parts, count: null });

export class Builder {
  /** `changed` is called when a person has changed something here. */
  constructor(place, start, changed) {
    this.place = place;
    this.world = new World(start);
    this.changed = changed;
    this.root = group("and", []);
    this.drawAll();
  }

  /** Shows a rule, from the outline that the server makes of it; what is not complete yet stays beside it if so told. */
  load(outline, keepsDrafts) {
    this.replace(this.nodeOf(outline, false), keepsDrafts);
    this.count(outline);
  }

  /** Shows nothing, or only what is not complete yet. */
  clear(keepsDrafts) {
    this.replace(null, keepsDrafts);
  }

  replace(node, keepsDrafts) {
    const [before, drafts] = [this.root, keepsDrafts ? this.drafts(this.root, []) : []];
    const complete = this.complete(before);
    const isAround = complete.length === 1 && complete[0].kind === "group" && !COUNTED.includes(before.op);
    if (node?.kind === "group" && !(isAround && drafts.some(({ path }) => path.length === 0))) {
      this.root = node;
      // A group around a single one is not written.
      if (isAround) drafts.forEach((draft) => draft.path.shift());
    } else {
      // What stands alone is joined with the drafts as before.
      const kept = drafts.some(({ path }) => path.length === 0) && !before.negated ? before : group("and", []);
      this.root = { ...group(kept.op, node ? [node] : []), n: kept.n };
    }
    drafts.forEach((draft) => this.bring(draft));
    this.drawAll();
  }

  complete(node) {
    return node.parts.filter((part) => this.jsonOf(part) !== null);
  }

  /** What is not complete yet in a group: where it is among what is complete, and the groups around it, the outermost first. */
  drafts(node, path) {
    const found = [];
    let place = 0;
    for (const part of node.parts) {
      if (this.jsonOf(part) !== null) {
        if (part.kind === "group") found.push(...this.drafts(part, [...path, { place, op: part.op, n: part.n }]));
        place += 1;
      } else if (part.kind === "row" || part.parts.length > 0) {
        found.push({ part, path, place });
      }
    }
    return found;
  }

  /** Puts a draft where it was; where its group is none any more, what is left of that gets one around. */
  bring({ part, path, place }) {
    let node = this.root;
    for (const step of path) {
      const next = this.complete(node)[step.place];
      if (next?.kind === "group" && next.op === step.op) {
        node = next;
        continue;
      }
      const around = { ...group(step.op, next ? [next] : []), n: step.n };
      node.parts.splice(next ? node.parts.indexOf(next) : node.parts.length, next ? 1 : 0, around);
      node = around;
    }
    const after = node.parts.indexOf(this.complete(node)[place]);
    node.parts.splice(after < 0 ? node.parts.length : after, 0, part);
  }

  nodeOf(outline, negated) {
    if (outline.kind === "test") return rowOf(outline.json, outline.text, negated, this.world);
    if (outline.kind === "not") {
      if (!negated) return this.nodeOf(outline.children[0], true);
      return { ...group("and", [this.nodeOf(outline.children[0], true)]), negated: true };
    }
    const made = group(outline.kind, outline.children.map((child) => this.nodeOf(child, false)));
    return { ...made, negated, n: outline.n ?? 2 };
  }

  /** The JSON form of what is complete; null if nothing is. */
  json() {
    return this.jsonOf(this.root);
  }

  jsonOf(node) {
    if (node.kind === "row") return jsonOf(node, this.world);
    const parts = node.parts.map((part) => this.jsonOf(part)).filter((part) => part !== null);
    if (parts.length === 0) return null;
    let made;
    if (COUNTED.includes(node.op)) made = { [node.op]: node.n, of: parts };
    else made = parts.length === 1 ? parts[0] : { [node.op]: parts };
    return node.negated ? { not: made } : made;
  }

  /** Shows the count of every part, from the outline of what `json` gave. */
  count(outline) {
    this.forget(this.root);
    if (outline) this.countNode(this.root, outline);
    this.tell(this.root);
  }

  forget(node) {
    node.count = null;
    if (node.kind === "group") node.parts.forEach((part) => this.forget(part));
  }

  countNode(node, outline) {
    node.count = outline.count;
    if (node.kind === "row") return;
    let inner = outline;
    if (node.negated) {
      if (outline.kind !== "not") return;
      inner = outline.children[0];
    }
    const parts = node.parts.filter((part) => this.jsonOf(part) !== null);
    if (parts.length === 1 && !COUNTED.includes(node.op)) this.countNode(parts[0], inner);
    else if (parts.length === inner.children.length) parts.forEach((part, at) => this.countNode(part, inner.children[at]));
  }

  tell(node) {
    if (node.kind === "row") {
      node.place.classList.toggle("draft", jsonOf(node, this.world) === null);
      tellCount(node);
      return;
    }
    node.counted.textContent = node.count === null ? "" : Number(node.count).toLocaleString("en-US");
    node.parts.forEach((part) => this.tell(part));
  }

  touch() {
    this.tell(this.root);
    this.changed();
  }

  drawAll() {
    this.place.replaceChildren(this.drawGroup(this.root, null));
    this.tell(this.root);
  }

  drawGroup(node, parent) {
    const place = make("div", { class: "group", role: "group", "aria-label": parent ? "Group of conditions" : "Conditions" });
    node.counted = make("span", { class: "node-count", title: "contacts, by this group alone" });
    const inner = make("div", { class: "parts" });
    const redraw = () => {
      inner.replaceChildren(...node.parts.map((part) => {
        const removed = () => { node.parts.splice(node.parts.indexOf(part), 1); redraw(); this.touch(); add.focus(); };
        return part.kind === "row" ? draw(part, this.world, () => this.touch(), removed) : this.drawGroup(part, { removed });
      }));
    };
    const bound = make("input", { type: "number", min: 0, step: 1, "aria-label": "How many of these", value: node.n, oninput: (event) => { node.n = Number(event.target.value) || 0; this.touch(); } });
    bound.hidden = !COUNTED.includes(node.op);
    const add = make("button", { type: "button", class: "add-row", onclick: () => { node.parts.push(newRow(this.world)); redraw(); this.touch(); node.parts.at(-1).place.querySelector("[data-role=subject]").focus(); } }, "+ Condition");
    const addGroup = make("button", { type: "button", class: "add-group", onclick: () => { node.parts.push(group(node.op === "and" ? "or" : "and", [newRow(this.world)])); redraw(); this.touch(); inner.lastElementChild.querySelector("[data-role=subject]").focus(); } }, "+ Group");
    place.append(
      make("div", { class: "group-head" },
        choice("Holds or not", [["is", "Contact matches"], ["not", "Contact does not match"]], node.negated ? "not" : "is", (word) => { node.negated = word === "not"; this.touch(); }),
        choice("How the conditions are joined", OPS, node.op, (op) => { node.op = op; bound.hidden = !COUNTED.includes(op); this.touch(); }),
        bound, make("span", { class: "spring" }), node.counted,
        parent ? make("button", { type: "button", class: "remove", "aria-label": "Take this group away", onclick: parent.removed }, "×") : null),
      inner, make("div", { class: "group-foot" }, add, addGroup));
    redraw();
    return place;
  }
}
