// One contact: opening a segment asks why it holds the contact, or why not.
import { call, digits, make, moment, reveal } from "./call.js";
import { paint } from "./highlight.js";

const path = document.getElementById("contact").dataset.path;
reveal();
const next = document.getElementById("next");
// It is worked out for those who ask: segment by segment.
if (next.open) lookAhead(); else next.addEventListener("toggle", lookAhead, { once: true });

async function lookAhead() {
  const place = document.getElementById("coming");
  place.textContent = "Looking ahead …";
  try {
    const { changes, more, looked_at: looked, left_out: out, time_zone: zone } = await call("GET", `/ui/ask/next?${new URLSearchParams({ contact: next.dataset.key })}`);
    const name = (change) => (change.path === null ? change.segment : make("a", { href: `/ui/segments/${change.path}` }, change.segment));
    const line = (change) => make("li", { class: change.member ? "entered" : "left" }, make("span", { class: "sign", "aria-hidden": "true" }),
      make("span", {}, change.member ? "enters " : "leaves ", name(change), make("span", { class: "dim" }, ` at ${change.told}`)));
    const told = changes.length ? [make("ol", { class: "feed" }, changes.map(line)), make("p", { class: "dim" }, `If nothing else is written; times of ${zone}.`)]
      : [make("p", {}, out ? "Time alone changes none of the segments that were looked at." : "Time alone changes none of its segments.")];
    if (more) told.push(make("p", { class: "dim" }, `${more} later changes are not shown.`));
    if (out) told.push(make("p", { class: "dim" }, `${looked} segments were looked at, those that hold it first; ${out} were not, or not to the end.`));
    place.replaceChildren(...told);
  } catch (error) {
    place.replaceChildren(make("p", { class: "problem" }, error.message));
    next.addEventListener("toggle", () => { if (next.open) lookAhead(); }, { once: true });
  }
}
for (const details of document.querySelectorAll("details.why")) {
  const ask = async () => {
    if (!details.open || details.dataset.asked) return;
    details.dataset.asked = "yes";
    const place = details.querySelector(".because");
    const link = place.querySelector("a");
    try {
      const why = await call("GET", `/v1/contacts/${path}/segments/${details.dataset.path}?explain=true`);
      place.replaceChildren(...because(why), make("p", {}, link));
    } catch (error) {
      delete details.dataset.asked;
      place.replaceChildren(make("p", { class: "problem" }, error.message), make("p", {}, link));
    }
  };
  details.addEventListener("toggle", ask);
  // It may have been opened before this script was here.
  ask();
}

function because(why) {
  const told = [];
  if (why.since) told.push(make("p", {}, `In it since ${moment(why.since)}.`));
  if (why.pinned) told.push(make("p", {}, why.pinned === "in" ? "Pinned in by hand, whatever the rule says." : "Pinned out by hand, whatever the rule says."));
  const lines = [];
  flatten(why.why, 0, lines);
  told.push(make("ul", { class: "tree" }, lines));
  for (const change of [why.next_change]) {
    if (change) told.push(make("p", {}, make("strong", {}, "Next change by time: "), `${change.member ? "enters" : "leaves"} at ${moment(change.at)}, if nothing else is written.`));
    else told.push(make("p", { class: "dim" }, why.next_change_after ? `Time alone changes nothing before ${moment(why.next_change_after)}.` : "Time alone will not change it."));
  }
  if (why.smallest_change) {
    const must = make("code", { class: "rule" });
    paint(must, why.smallest_change.must);
    told.push(make("p", {}, make("strong", {}, why.member ? "It would leave if: " : "It would enter if: "), must));
  }
  for (const suppression of why.suppressions) told.push(make("p", {}, `Held back from sends by the suppression “${suppression.name}”.`));
  return told;
}

const JOINS = { and: "all of", or: "any of", xor: "an odd number of", not: "not" };

function flatten(node, depth, lines) {
  const mark = make("span", { class: `mark ${node.holds ? "yes" : "no"}`, role: "img", "aria-label": node.holds ? "holds" : "does not hold" }, node.holds ? "✓" : "✗");
  const join = JOINS[node.rule?.toLowerCase?.()];
  let text;
  if (join) {
    text = make("span", { class: "join" }, join);
  } else {
    text = make("code", { class: "rule" });
    paint(text, node.rule);
  }
  const value = "value" in node ? make("span", { class: "value" }, node.value === null ? "no value" : `is ${shown(node.value)}`) : null;
  lines.push(make("li", { class: `d${Math.min(depth, 8)}` }, mark, text, value));
  for (const child of node.children ?? []) flatten(child, depth + 1, lines);
}

function shown(value) {
  if (Array.isArray(value)) return value.map(shown).join(", ");
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string" && /^\d{4}-\d\d-\d\dT/.test(value)) return moment(value);
  return digits(value);
}
