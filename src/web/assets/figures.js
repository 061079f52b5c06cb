// Figures of a segment, asked for when they are first seen: what its members do, how it is made up, advice.
import { Refused, call, digits, grouped, latest, make, moment } from "./call.js";
import { bar } from "./svg.js";

/** A share in percent; a dash where there is nothing to share. */
export function percent(rate) {
  if (rate === null) return "–";
  const part = Number(digits(rate));
  return part > 0 && part < 0.001 ? "<0.1%" : `${(part * 100).toFixed(1)}%`;
}
function times(lift) {
  if (lift === null) return "–";
  const factor = Number(digits(lift));
  return `${factor.toFixed(factor < 10 ? 2 : 0)}×`;
}
const at = (id) => document.getElementById(id);

/** Fills a card when it comes into sight, and again when what it asks for is changed; one question at a time. */
function card(id, boxes, ask, draw) {
  const place = at(id);
  if (!place) return;
  const out = place.querySelector(".figures");
  const fill = latest(async () => {
    try {
      out.replaceChildren(...draw(await call("GET", ask())));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      out.replaceChildren(make("p", { class: "problem" }, error.message));
    }
  });
  const sight = new IntersectionObserver((seen) => {
    if (!seen.some((entry) => entry.isIntersecting)) return;
    sight.disconnect();
    fill();
  });
  sight.observe(place);
  for (const box of boxes) at(box).addEventListener("change", fill);
}

export function figures(path) {
  const to = (call, query) => `/v1/segments/${path}/${call}?${new URLSearchParams(query)}`;
  card("doings", ["window", "engaging", "goal", "within", "from", "to"], () => {
    const query = [["window", at("window").value]];
    for (const box of at("engaging").querySelectorAll("input:checked")) query.push(["engagement", box.value]);
    if (at("goal").value) query.push(["goal", at("goal").value], ["within", at("within").value]);
    for (const end of ["from", "to"]) if (at(end).value) query.push([end, at(end).value]);
    return to("analytics", query);
  }, doings);
  card("made-up", ["by"], () => to("breakdown", { by: at("by").value, limit: 12 }), madeUp);
  card("advice", [], () => to("review", {}), advice);
}

/** What counts as doing something, in words. */
function something() {
  const chosen = [...at("engaging").querySelectorAll("input:checked")].map((box) => box.parentElement.textContent.trim().toLowerCase());
  return chosen.length ? chosen.join(" or ") : "something";
}

function doings({ engagement, conversion }) {
  const events = engagement.events.map(({ event, engaged, rate }) => make("tr", {}, make("td", {}, event.replaceAll("_", " ")), number(grouped(engaged)), number(percent(rate))));
  const told = [
    make("p", {}, make("strong", {}, percent(engagement.rate)), ` of the members did ${something()} in the last ${engagement.window}: ${grouped(engagement.engaged)} of ${grouped(engagement.members)}. Of everyone ${percent(engagement.everyone.rate)} did; that is ${times(engagement.lift)}.`),
  ];
  if (events.length) told.push(table(["Event", "Members", "Share"], events));
  if (conversion) told.push(...converted(conversion));
  else told.push(make("p", { class: "dim" }, "Choose a goal to see how many of those who entered reached it."));
  return told;
}

function converted({ goal, within, entered, rate, rate_so_far: soFar, converted: done, closed, open, complete, known_since: since, unlisted }) {
  const did = ` did ${goal.replaceAll("_", " ")} within ${within} after they entered: ${grouped(closed.converted)} of the ${grouped(closed.entered)} whose time is over.`;
  // A rate of a part of the entries is never shown as if it were of all.
  const from = since ? `entered since ${moment(since)}` : "are known to have entered";
  const told = [
    make("h3", {}, "Conversion"),
    complete ? make("p", {}, make("strong", {}, percent(rate)), did)
      : make("p", { class: "partly" }, make("strong", {}, "Not all is known. "), `Of those who ${from}, as far as the feed reaches back, ${percent(rate)}${did}`),
    make("p", { class: "dim" }, `${grouped(open.entered)} still have time. So far ${grouped(done)} of all ${grouped(entered)} did, ${percent(soFar)}. Everyone who was in it when it was made entered then.`),
  ];
  if (unlisted) told.push(make("p", { class: "dim" }, `Of ${grouped(unlisted)} more entries it is not known any more whose they were.`));
  return told;
}

function madeUp({ values, other, missing }) {
  const line = (name, { count, share, everyone_share: all, lift }) => make("tr", {}, make("td", {}, name), number(grouped(count)), number(percent(share)), make("td", { class: "bar-cell" }, bar(Number(digits(share ?? 0)), all === null ? null : Number(digits(all)))), number(times(lift)));
  const rows = values.map((row) => line(typeof row.value === "boolean" ? (row.value ? "yes" : "no") : String(row.value), row));
  if (other.count) rows.push(line(`${grouped(other.values)} others`, other));
  if (missing.count) rows.push(line("no value", missing));
  if (!rows.length) return [make("p", { class: "dim" }, "No one is in it now.")];
  return [table(["Value", "Members", "Share", "", "Lift"], rows), make("p", { class: "dim" }, "The thin mark is the share of everyone; lift is how many times as common it is here.")];
}

const WEIGHTS = { problem: "Problem", warning: "Warning", hint: "Hint" };

function advice({ findings }) {
  if (!findings.length) return [make("p", {}, "Nothing to mend.")];
  return [make("ul", { class: "plain advice" }, findings.map(({ severity, detail, suggestion }) => make("li", {},
    make("span", { class: `chip ${severity}` }, WEIGHTS[severity] ?? severity), " ", detail,
    suggestion ? make("div", { class: "dim" }, `What to do: ${suggestion}`) : null)))];
}

const number = (text) => make("td", { class: "number" }, text);

function table(heads, rows) {
  const head = make("tr", {}, heads.map((text, place) => (text ? make("th", { scope: "col", class: place ? "number" : null }, text) : make("td", { class: "bar-cell" }))));
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": heads[0] }, make("table", { class: "compact" }, make("thead", {}, head), make("tbody", {}, rows)));
}
