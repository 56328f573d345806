"use strict";
// Figures are descriptions in the words of plotly.js; colours follow the reader's light or dark.
const DARK = {
  "#0072b2": "#4ba3dd", "#d55e00": "#f08a4b", "#009e73": "#35c79c", "#cc79a7": "#e0a3c5", "#b8860b": "#d9ab3c",
  "#56b4e9": "#8ccbf2", "#7a5195": "#b48bd0", "#444444": "#b5b5b5", "#8a8f98": "#9aa0aa", "white": "#1c2024",
};
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const shown = {figures: {}, printing: false};

async function unpacked(id) {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent.trim()), one => one.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

function isDark() { return prefersDark.matches && !shown.printing; }

function coloured(colour) { return isDark() ? DARK[String(colour).toLowerCase()] || colour : colour; }

function themed(figure) {
  const {data, layout} = structuredClone(figure), dark = isDark();
  for (const one of data) {
    if (one.line) one.line.color = coloured(one.line.color);
    if (one.marker) one.marker.color = coloured(one.marker.color);
    if (one.marker && one.marker.line) one.marker.line.color = coloured(one.marker.line.color);
  }
  layout.font.color = dark ? "#c9ced4" : "#343a40";
  for (const axis of [layout.xaxis, layout.yaxis]) {
    axis.gridcolor = dark ? "#30363c" : "#e9ecef";
    axis.linecolor = dark ? "#59616a" : "#adb5bd";
  }
  layout.hoverlabel = {...layout.hoverlabel, bgcolor: dark ? "#262b30" : "#ffffff", font: {color: layout.font.color}};
  layout.uirevision = "kept";
  return {data, layout};
}

function drawAll() {
  if (!window.Plotly) return;
  for (const [id, figure] of Object.entries(shown.figures)) {
    const place = document.getElementById(id);
    if (!place) continue;
    const {data, layout} = themed(figure), crowded = data.length > 5 && place.clientWidth < 500;
    if (shown.printing) {
      layout.width = place.closest(".wide, .panel:last-child:nth-child(odd)") ? 650 : 306;
      layout.height = Math.round(0.75 * layout.height);
    } else if (crowded) {
      layout.height += 24 * data.length;
    }
    place.style.height = `${layout.height}px`;
    Plotly.react(place, data, layout, {responsive: true, displaylogo: false, displayModeBar: false});
  }
  for (const swatch of document.querySelectorAll(".swatch[data-colour]")) {
    swatch.style.background = coloured(swatch.dataset.colour);
  }
}

function comparable(text) {
  const words = text.trim(), units = {h: 3600, min: 60, s: 1};
  const times = [...words.matchAll(/([\d.]+) (h|min|s)\b/g)];
  if (times.length && /^[\d.]+ (h|min|s)\b/.test(words)) {
    return times.reduce((sum, [, number, unit]) => sum + Number(number) * units[unit], 0);
  }
  const number = /^[+-]?[\d,]*\.?\d+(e[+-]?\d+)?/i.exec(words);
  return number ? Number(number[0].replaceAll(",", "")) : words.toLowerCase();
}

function inOrder(left, right) {
  if (typeof left === "number" && typeof right === "number") return left - right;
  if (typeof left !== typeof right) return typeof left === "number" ? -1 : 1;
  return left < right ? -1 : left > right ? 1 : 0;
}

function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, place) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const turn = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", turn > 0 ? "ascending" : "descending");
      const rows = [...table.tBodies[0].rows].map(row => {
        const cell = row.cells[place], first = cell.querySelector("div") || cell;
        const text = first.firstChild && first.firstChild.nodeType === 3 ? first.firstChild.data : first.textContent;
        return [comparable(text.trim() || cell.textContent), row];
      });
      rows.sort(([left], [right]) => turn * inOrder(left, right));
      table.tBodies[0].append(...rows.map(([, row]) => row));
    });
  });
}

function filled(details, grid) {
  const table = details.querySelector("table"), body = table.tBodies[0];
  if (body.rows.length) return;
  const whole = grid.rows[0].map((_, place) => grid.rows.every(row => Number.isInteger(row[place])));
  const order = [...grid.rows].sort((left, right) => inOrder(left[grid.order], right[grid.order]));
  for (const cells of order) {
    const row = body.insertRow();
    cells.forEach((cell, place) => {
      const made = row.insertCell();
      made.textContent = typeof cell !== "number" ? cell ?? "–" : whole[place] ? cell.toLocaleString("en") : cell.toFixed(4);
      if (place === 0) made.className = "name";
    });
  }
}

function prepared(root, content) {
  shown.figures = content.figures;
  for (const table of root.querySelectorAll("table.sorts")) sortable(table);
  for (const details of root.querySelectorAll("details[data-grid]")) {
    details.addEventListener("toggle", () => filled(details, content.grids[details.dataset.grid]));
  }
  drawAll();
}

async function opened() {
  if (typeof DecompressionStream === "undefined") {
    document.body.prepend("This browser is too old to show the figures; any from 2023 on can.");
    return;
  }
  const script = document.createElement("script");
  script.textContent = await unpacked("library");
  document.head.append(script);
  prepared(document.body, JSON.parse(await unpacked("content")));
}

prefersDark.addEventListener("change", drawAll);
for (const [event, printing] of [["beforeprint", true], ["afterprint", false]]) {
  window.addEventListener(event, () => {
    shown.printing = printing;
    drawAll();
  });
}
const ready = opened();
