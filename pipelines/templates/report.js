"use strict";
(() => {
  const table = document.getElementById("hits");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const byId = (id) => document.getElementById(id);
  const search = byId("search"), least = byId("least"), inside = byId("inside"), flag = byId("flag");
  const status = byId("status"), previous = byId("previous"), next = byId("next"), cards = byId("cards");
  const size = 25;
  let page = 0;
  document.querySelectorAll("[data-js]").forEach((e) => { e.hidden = false; });

  const cell = (row, index) => row.cells[index].dataset.v ?? row.cells[index].textContent.trim();
  const wanted = (row) => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const text = row.dataset.t;
    if (!words.every((word) => text.includes(word))) return false;
    if (least.value !== "" && !(parseFloat(row.dataset.s) >= parseFloat(least.value))) return false;
    if (inside && inside.checked && row.dataset.d !== "1") return false;
    return !(flag && flag.value) || row.dataset.f.split(";").includes(flag.value);
  };
  const show = () => {
    const kept = [];
    for (const row of body.rows) {
      const keep = wanted(row);
      row.classList.toggle("off", !keep);
      if (keep) kept.push(row);
    }
    const pages = Math.max(1, Math.ceil(kept.length / size));
    page = Math.min(Math.max(page, 0), pages - 1);
    kept.forEach((row, i) => row.classList.toggle("away", Math.floor(i / size) !== page));
    const first = kept.length ? page * size + 1 : 0;
    status.textContent = `${first}–${Math.min((page + 1) * size, kept.length)} of ${kept.length}`
      + (kept.length < rows.length ? ` (${rows.length} without filter)` : "");
    previous.disabled = page === 0;
    next.disabled = page >= pages - 1;
  };
  const sort = (button) => {
    const head = button.closest("th");
    const index = head.cellIndex;
    const numeric = head.classList.contains("num");
    const up = head.getAttribute("aria-sort") === "ascending"
      || (head.getAttribute("aria-sort") === null && numeric && head.dataset.first !== "up");
    table.querySelectorAll("th[aria-sort]").forEach((th) => th.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "descending" : "ascending");
    const sign = up ? -1 : 1;
    const compare = numeric
      ? (a, b) => {
        const [x, y] = [parseFloat(cell(a, index)), parseFloat(cell(b, index))];
        if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
        return sign * (x - y);
      }
      : (a, b) => sign * cell(a, index).localeCompare(cell(b, index), undefined, { numeric: true });
    body.append(...[...rows].sort(compare));
    page = 0;
    show();
  };
  table.querySelectorAll("th button").forEach((button) => button.addEventListener("click", () => sort(button)));
  [search, least, inside, flag].forEach((e) => e && e.addEventListener("input", () => { page = 0; show(); }));
  const turn = (by) => { page += by; show(); byId("hits-title").scrollIntoView(); };
  previous.addEventListener("click", () => turn(-1));
  next.addEventListener("click", () => turn(1));
  cards.addEventListener("click", () => {
    cards.setAttribute("aria-pressed", String(table.classList.toggle("cards")));
  });
  show();
})();
