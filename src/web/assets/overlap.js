// How segments overlap: every pair in a matrix, one pair as two circles.
import { Refused, call, grouped, make, reveal } from "./call.js";
import { percent } from "./figures.js";
import { venn } from "./svg.js";

reveal();
const place = document.getElementById("overlap");
if (place) compare(JSON.parse(place.dataset.names));

async function compare(names) {
  let told;
  try {
    told = await call("GET", `/v1/overlap?${new URLSearchParams(names.map((name) => ["segments", name]))}`);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    place.replaceChildren(make("p", { class: "problem" }, error.message));
    return;
  }
  const picture = make("div", { id: "pair", "aria-live": "polite" });
  const pairs = new Map();
  for (const pair of told.pairs) pairs.set(JSON.stringify([pair.a, pair.b]), pair);
  const between = (a, b) => pairs.get(JSON.stringify([a, b])) ?? pairs.get(JSON.stringify([b, a]));
  const cell = (a, b) => {
    if (a === b) return make("td", { class: "number dim" }, grouped(a.count));
    const pair = between(a.name, b.name);
    return make("td", { class: "number" }, make("button", { type: "button", class: "cell", "aria-label": `${a.name} and ${b.name}: ${grouped(pair.both)} in both`, onclick: () => drawn(pair) }, grouped(pair.both), make("small", { class: "dim" }, percent(pair.jaccard))));
  };
  const head = make("tr", {}, make("td", {}), told.segments.map(({ name }) => make("th", { scope: "col", class: "number" }, name)));
  const rows = told.segments.map((a) => make("tr", {}, make("th", { scope: "row" }, a.name), told.segments.map((b) => cell(a, b))));
  const drawn = (pair) => {
    picture.replaceChildren(make("h2", {}, `${pair.a} and ${pair.b}`), venn(pair),
      make("p", {}, `${grouped(pair.both)} are in both: ${percent(pair.share_of_a)} of “${pair.a}”, ${percent(pair.share_of_b)} of “${pair.b}”, ${percent(pair.jaccard)} of those in either.`));
  };
  place.replaceChildren(
    make("p", {}, `${grouped(told.union)} contacts are in at least one of them, ${grouped(told.joint.count)} in all.`),
    make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Pairs" }, make("table", { class: "compact" }, make("thead", {}, head), make("tbody", {}, rows))),
    make("p", { class: "dim" }, "How many are in both, and their share of those in either (Jaccard). A cell shows its pair."), picture);
  drawn(told.pairs[0]);
}
