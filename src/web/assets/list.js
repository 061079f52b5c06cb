// The list: sizes are asked for again while it is seen, and the search narrows what is here.
import { Refused, call, latest, share, show } from "./call.js";

/** Milliseconds between two looks at the sizes. */
const LOOK = 2000;
const table = document.getElementById("segments");
if (table) {
  const rows = [...table.tBodies[0].rows];
  const field = document.getElementById("q");
  const asked = field.value.trim().toLowerCase();
  const isWhole = table.dataset.pages === "1";
  // After a search one goes on typing.
  if (document.activeElement === field) field.setSelectionRange(field.value.length, field.value.length);
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    // What is not all here, or was narrowed by the server, is searched by Enter.
    const isHere = isWhole && wanted.includes(asked);
    let shown = 0;
    for (const row of rows) {
      row.hidden = isHere && !row.dataset.search.toLowerCase().includes(wanted);
      shown += row.hidden ? 0 : 1;
    }
    if (isWhole) document.getElementById("shown").textContent = shown;
    document.getElementById("none").hidden = shown > 0;
  });
  document.getElementById("sort").addEventListener("change", () => field.form.requestSubmit());

  const look = latest(async () => {
    const names = rows.map((row) => row.dataset.name);
    try {
      const { counts, everyone } = await call("POST", "/ui/ask/counts", { names });
      counts.forEach((count, at) => {
        const row = rows[at];
        row.classList.toggle("gone", count === null);
        if (count === null) return;
        show(row.querySelector(".count"), count);
        row.querySelector(".share").textContent = share(count, everyone);
      });
    } catch (error) {
      // The next look may be luckier; until then the sizes stand.
      if (!(error instanceof Refused)) throw error;
    }
  });
  setInterval(() => { if (!document.hidden) look(); }, LOOK);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
}
