// Small drawings: a bar, and two circles whose areas and common area are to scale.
import { grouped } from "./call.js";

/** An SVG element with attributes and children. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A bar as long as a share of the whole; beside it a mark where everyone stands. */
export function bar(part, mark = null) {
  const at = (value) => Math.max(0, Math.min(1, value)) * 100;
  const drawn = svg("svg", { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { class: "track", x: 0, y: 2, width: 100, height: 6 }), svg("rect", { class: "part", x: 0, y: 2, width: at(part), height: 6 }));
  if (mark !== null) drawn.append(svg("rect", { class: "all", x: Math.min(at(mark), 99.2), y: 0, width: 0.8, height: 10 }));
  return drawn;
}

/** The area that two circles have in common, their centres so far apart. */
function common(r, s, apart) {
  if (apart >= r + s) return 0;
  if (apart <= Math.abs(r - s)) return Math.PI * Math.min(r, s) ** 2;
  const angle = (a, b) => 2 * Math.acos((apart * apart + a * a - b * b) / (2 * apart * a));
  const cap = (radius, width) => (radius * radius * (width - Math.sin(width))) / 2;
  return cap(r, angle(r, s)) + cap(s, angle(s, r));
}

/** Two sets as circles: areas and the area in common are to scale. */
export function venn({ a, b, both, only_a: onlyA, only_b: onlyB }) {
  const [sizeA, sizeB] = [onlyA + both, onlyB + both];
  const unit = 74 / Math.sqrt(Math.max(sizeA, sizeB, 1) / Math.PI);
  const [r, s] = [sizeA, sizeB].map((size) => Math.max(Math.sqrt(size / Math.PI) * unit, size ? 2 : 0));
  let [near, far] = [Math.abs(r - s), r + s];
  for (let round = 0; round < 50; round += 1) {
    const middle = (near + far) / 2;
    if (common(r, s, middle) > both * unit * unit) near = middle; else far = middle;
  }
  // What is apart or within is drawn so, whatever the rounding.
  const apart = both === 0 ? r + s + 8 : onlyA === 0 || onlyB === 0 ? Math.abs(r - s) : (near + far) / 2;
  const width = Math.max(r, apart + s) + Math.max(r, s - apart);
  const x = (340 - width) / 2 + Math.max(r, s - apart);
  const told = `${a}: ${grouped(sizeA)}; ${b}: ${grouped(sizeB)}; in both: ${grouped(both)}`;
  const name = (text, count, at, anchor) => svg("text", { x: at, y: 176, "text-anchor": anchor }, `${text.length > 22 ? `${text.slice(0, 21)}…` : text}: ${grouped(count)}`);
  return svg("svg", { class: "venn", viewBox: "0 0 340 200", role: "img", "aria-label": told },
    svg("circle", { class: "a", cx: x, cy: 80, r }), svg("circle", { class: "b", cx: x + apart, cy: 80, r: s }),
    name(a, sizeA, 4, "start"), svg("text", { x: 170, y: 196, "text-anchor": "middle" }, `in both: ${grouped(both)}`), name(b, sizeB, 336, "end"));
}

/** What is to come by day: the size as a line, who enters above another line and who leaves below it. */
export function ahead(days) {
  const [from, to] = [48, 412];
  const step = (to - from) / days.length;
  const x = (place) => from + step * (place + 0.5);
  const sizes = days.map(({ size }) => size);
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  const y = (size) => (most === least ? 36 : 62 - (52 * (size - least)) / (most - least));
  const full = Math.max(1, ...days.map(({ entering, leaving }) => Math.max(entering, leaving)));
  const label = (text, at, height, anchor = "end") => svg("text", { x: at, y: height, "text-anchor": anchor }, text);
  const bars = days.flatMap(({ day, entering, leaving }, place) => [["entered", entering], ["left", leaving]].filter(([, n]) => n).map(([kind, n]) => {
    const height = Math.max(1, (26 * n) / full);
    return svg("rect", { class: kind, x: x(place) - step * 0.35, width: step * 0.7, y: kind === "entered" ? 104 - height : 104, height }, svg("title", {}, `${day}: ${grouped(n)} ${kind === "entered" ? "enter" : "leave"}`));
  }));
  const told = `Members by day from ${days[0].day} to ${days.at(-1).day}: ${grouped(sizes[0])} at first, ${grouped(sizes.at(-1))} at the end`;
  return svg("svg", { class: "ahead", viewBox: "0 0 420 148", role: "img", "aria-label": told },
    svg("polyline", { class: "line", points: days.map(({ size }, place) => `${x(place).toFixed(1)},${y(size).toFixed(1)}`).join(" ") }),
    svg("line", { class: "zero", x1: from, x2: to, y1: 104, y2: 104 }), ...bars,
    label(grouped(most), from - 4, 14), ...(most === least ? [] : [label(grouped(least), from - 4, 66)]), label(`+${grouped(full)}`, from - 4, 84), label(`−${grouped(full)}`, from - 4, 132),
    label(days[0].day, from, 146, "start"), label(days.at(-1).day, to, 146));
}
