// The list: sizes follow the feed, and the search narrows while it is typed.
import { call, follow, gathered, share, show } from "./call.js";

const table = document.getElementById("segments");
if (table) {
  const rows = [...table.tBodies[0].rows];
  const field = document.getElementById("q");
  const asked = field.value;
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    // A list that the server already narrowed can only be narrowed further here; anything else is asked anew.
    if (!wanted.includes(asked.trim().toLowerCase())) { field.form.requestSubmit(); return; }
    let shown = 0;
    for (const row of rows) {
      row.hidden = !row.dataset.search.toLowerCase().includes(wanted);
      shown += row.hidden ? 0 : 1;
    }
    document.getElementById("shown").textContent = shown;
    document.getElementById("none").hidden = shown > 0;
  });

  const refresh = gathered(300, async () => {
    const { segments } = await call("GET", "/v1/segments?limit=100000");
    const { count: everyone } = await call("POST", "/v1/query", { rule: { all: true } });
    const counts = new Map(segments.map((segment) => [segment.name, segment.count]));
    for (const row of rows) {
      const count = counts.get(row.dataset.name);
      if (count === undefined) { row.hidden = true; continue; }
      show(row.querySelector(".count"), count);
      row.querySelector(".share").textContent = share(count, everyone);
    }
  });
  follow(table.dataset.seq, null, refresh);
}
