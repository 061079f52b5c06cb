// Colours of the rule language: words, strings, numbers, comments. It judges nothing; the server does.

const WORDS = new Set(("and or not xor is in between contains does doesn't has have had no any all of tags tag starts ends with matches " +
  "where then within since before after at least most exactly times time once twice on ago last next days day weeks week months month years year " +
  "hours hour minutes minute seconds second from now ahead set including excluding missing segment sample bucket everyone one did first " +
  "having count distinct sum min max avg today yesterday tomorrow this true false the during regex like").split(" "));
const TOKEN = /(#[^\n]*)|("(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|`[^`]*`?)|([$€£]?\b\d[\d,_]*(?:\.\d+)?(?:-\d\d-\d\d(?:T[\d:.]+Z?)?)?%?)|([\p{L}_][\p{L}\p{N}_'-]*)|(\s+|[^\s])/gu;

/** The pieces of a rule's text: `[class or "", text]`. */
export function pieces(text) {
  const found = [];
  for (const match of text.matchAll(TOKEN)) {
    const [whole, comment, string, number, word] = match;
    const isComment = comment && (match.index === 0 || /\s/.test(text[match.index - 1]));
    const kind = isComment ? "c" : string ? "s" : number ? "n" : word && WORDS.has(word.toLowerCase()) ? "w" : "";
    const last = found[found.length - 1];
    if (last && last[0] === kind && kind === "") last[1] += whole;
    else found.push([kind, whole]);
  }
  return found;
}

/** Whether a rule has something in it that is only for its readers. */
export const hasComment = (text) => text.includes("#") && pieces(text).some(([kind]) => kind === "c");

/** Writes a rule into an element, coloured; characters `from` to `to` are marked as wrong. */
export function paint(element, text, from = -1, to = -1) {
  const nodes = [];
  let at = 0;
  for (const [kind, piece] of pieces(text)) {
    for (const [start, end, wrong] of cuts(at, at + piece.length, from, to)) {
      let node = document.createTextNode(text.slice(start, end));
      if (kind) node = wrap("span", kind, node);
      if (wrong) node = wrap("mark", "", node);
      nodes.push(node);
    }
    at += piece.length;
  }
  element.replaceChildren(...nodes);
}

function cuts(start, end, from, to) {
  const left = Math.max(start, from);
  const right = Math.min(end, to);
  if (from < 0 || left >= right) return [[start, end, false]];
  return [[start, left, false], [left, right, true], [right, end, false]].filter(([a, b]) => a < b);
}

function wrap(tag, kind, node) {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  element.append(node);
  return element;
}

/** Colours every rule that the server wrote into the page. */
export function paintAll(root = document) {
  root.querySelectorAll(".rule").forEach((element) => paint(element, element.textContent));
}
