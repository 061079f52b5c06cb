// One segment: what happens to it while one looks, what is to come, and the ways to change it.
import { Refused, call, contactLink, follow, gathered, grouped, instant, make, reveal, share, show } from "./call.js";
import { figures } from "./figures.js";
import { paintAll } from "./highlight.js";
import { ahead as drawAhead } from "./svg.js";

paintAll();
reveal();
const head = document.getElementById("segment");
if (head) start(head.dataset);
const versions = document.getElementById("versions");
if (versions) startVersions(versions.dataset.path);

function start({ name, path, seq }) {
  const feed = document.getElementById("feed");
  const live = document.getElementById("live");
  const refresh = gathered(250, async () => {
    try {
      const { counts: [count], everyone } = await call("POST", "/ui/ask/counts", { names: [name] });
      // Deleted or renamed by someone else: there is nothing to follow here.
      if (count === null) { location.assign("/ui/"); return; }
      show(document.getElementById("count"), count);
      document.getElementById("share").textContent = share(count, everyone);
    } catch (error) {
      // The next change asks again.
      if (!(error instanceof Refused)) throw error;
    }
  });
  follow(seq, name, (changes) => {
    feed.prepend(...changes.map(told).reverse());
    while (feed.children.length > 200) feed.lastElementChild.remove();
    document.getElementById("quiet").hidden = true;
    refresh();
  }, (stands) => { live.hidden = !stands; });

  figures(path);
  // A forecast takes as long as there is to happen, so it is made for those who ask.
  const ahead = document.getElementById("ahead");
  const look = () => lookAhead(document.getElementById("forecast"), path);
  if (ahead?.open) look(); else ahead?.addEventListener("toggle", look, { once: true });
  dialog("freeze", "freezing", async () => {
    const frozen = await call("POST", `/v1/segments/${path}/freeze`, { name: document.getElementById("frozen-name").value });
    location.assign(`/ui/segments/${encodeURIComponent(frozen.name)}`);
  });
  dialog("delete", "deleting", async () => {
    await call("DELETE", `/v1/segments/${path}`);
    location.assign("/ui/");
  });
}

const CAUSES = { write: "by a write", time: "by time", rule: "by the rule", manual: "by hand", erase: "by an erasure" };

function told(change) {
  const about = make("span", { class: "dim" }, ` ${CAUSES[change.cause] ?? change.cause}, ${instant(change.at)}`);
  const what = change.kind === "bulk"
    ? [`${grouped(change.entered)} entered, ${grouped(change.left)} left`]
    : change.contact === null ? [`an erased contact ${change.kind}`]
      : [contactLink(change.contact), ` ${change.kind}`];
  return make("li", { class: `${change.kind} changed` }, make("span", { class: "sign", "aria-hidden": "true" }), make("span", {}, what, about));
}

async function lookAhead(place, path) {
  place.textContent = "Looking ahead …";
  try {
    const { days, entering, leaving, time_zone: zone } = await call("GET", `/v1/segments/${path}/forecast?days=14&sample=0`);
    const line = make("p", {}, `${grouped(entering)} will enter and ${grouped(leaving)} will leave by ${days[days.length - 1].day} (${zone}).`);
    const busy = days.filter((day) => day.entering || day.leaving);
    if (busy.length === 0) { place.replaceChildren(make("p", {}, "Nothing will change by itself.")); return; }
    const head = make("tr", {}, ["Day", "Enter", "Leave", "Size"].map((text, at) => make("th", { scope: "col", class: at ? "number" : null }, text)));
    const rows = days.map((day) => make("tr", {}, make("td", {}, day.day),
      [day.entering, day.leaving, day.size].map((n) => make("td", { class: "number" }, grouped(n)))));
    const table = make("table", { class: "compact" }, make("thead", {}, head), make("tbody", {}, rows));
    place.replaceChildren(line, drawAhead(days), make("details", {}, make("summary", {}, "By day"), table));
  } catch (error) {
    place.textContent = error.message;
  }
}

/** A button that opens a dialog; its form does `work`, and stays open with what was refused. */
function dialog(button, id, work) {
  const box = document.getElementById(id);
  // Who may only read is not offered it.
  if (!box) return;
  const problem = box.querySelector(".problem");
  document.getElementById(button).addEventListener("click", () => { problem.hidden = true; box.showModal(); });
  box.querySelector(".cancel").addEventListener("click", () => box.close());
  box.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      problem.textContent = error.message;
      problem.hidden = false;
    }
  });
}

function startVersions(path) {
  for (const button of document.querySelectorAll(".revert")) {
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        await call("POST", `/v1/segments/${path}/revert`, { version: Number(button.dataset.version) });
        location.reload();
      } catch (error) {
        const problem = document.getElementById("revert-problem");
        problem.textContent = error.message;
        problem.hidden = false;
        button.disabled = false;
      }
    });
  }
}
