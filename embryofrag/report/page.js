"use strict";
// Sorts and filters the table of embryos; everything is on the page without it.
const table = document.getElementById("embryo-table");
const body = table.tBodies[0];
const rows = Array.from(body.rows);
const filters = document.getElementById("filters");
const count = document.getElementById("embryo-count");
const search = document.getElementById("embryo-search");
const more = document.getElementById("embryo-more");
const PAGE_ROWS = 100;
let limit = PAGE_ROWS;
const words = new Intl.Collator(undefined, { numeric: true });

function compare(column, kind, sign) {
  const value = (row) => row.cells[column].textContent;
  if (kind === "text") return (a, b) => sign * words.compare(value(a), value(b));
  return (a, b) => {
    const [x, y] = [parseFloat(value(a)), parseFloat(value(b))];
    return Number.isNaN(x) - Number.isNaN(y) || sign * (x - y);  // the unknown comes last either way
  };
}

function sortBy(heading) {
  const rising = heading.getAttribute("aria-sort") !== "ascending";
  for (const other of heading.parentNode.cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", rising ? "ascending" : "descending");
  rows.sort(compare(heading.cellIndex, heading.dataset.sort, rising ? 1 : -1));
  body.append(...rows);
  filter();
}

function filter() {
  const grades = new Set(Array.from(filters.querySelectorAll("[data-filter]:checked"), (box) => box.value));
  const referred = filters.querySelector("[name=referred]:checked").value;
  const name = search.value.trim().toLowerCase();
  let matching = 0;
  for (const row of rows) {
    const matches = grades.has(row.dataset.grade) && (referred === "all" || row.dataset.referred === referred)
      && row.cells[1].textContent.toLowerCase().includes(name);
    matching += matches;
    row.hidden = !matches || matching > limit;
  }
  const shown = Math.min(matching, limit);
  count.textContent = `${shown} of ${matching} matching rows shown, ${rows.length} rows in all`;
  more.hidden = shown === matching;
}

function show(rowsMore) {
  limit += rowsMore;
  filter();
}

for (const heading of table.tHead.rows[0].cells) {
  if (!heading.dataset.sort) continue;
  // no <button>: browsers leave it out where print repeats the headings
  const button = document.createElement("span");
  button.setAttribute("role", "button");
  button.tabIndex = 0;
  button.append(...heading.childNodes);
  button.addEventListener("click", () => sortBy(heading));
  button.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    sortBy(heading);
  });
  heading.append(button);
}
filters.addEventListener("input", () => { limit = PAGE_ROWS; filter(); });
const [showMore, showAll] = more.querySelectorAll("button");
showMore.addEventListener("click", () => show(PAGE_ROWS));
showAll.addEventListener("click", () => show(rows.length));
filters.hidden = false;
filter();
