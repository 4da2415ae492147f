"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const tips = JSON.parse(document.getElementById("tips").textContent);
  all(".js-only").forEach((node) => { node.hidden = false; });

  // Tables: sort by a heading's button; cells without a value stay at the end either way.
  function keyOf(row, column) {
    const text = row.cells[column].dataset.key ?? "";
    const value = Number(text);
    return text === "" ? null : Number.isNaN(value) ? text.toLowerCase() : value;
  }
  function compare(a, b) {
    if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
    return typeof a === "number" ? -1 : 1;
  }
  function sortBy(table, column) {
    const heads = all("thead th", table), head = heads[column];
    const direction = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
    const rows = [...table.tBodies[0].rows].map((row) => [keyOf(row, column), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      return direction * compare(a, b);
    });
    table.tBodies[0].append(...rows.map(([, row]) => row));
  }
  const tables = all("[data-results]");
  tables.forEach((table) => all("thead th", table).forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => sortBy(table, column));
  }));

  // Filter: every word must occur in the method's name or reason.
  const filter = document.getElementById("filter"), verdict = document.getElementById("verdict");
  const rows = tables.flatMap((table) => [...table.tBodies[0].rows]);
  function applyFilter() {
    const words = filter.value.toLowerCase().split(/[\s,]+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row) => {
      const text = row.cells[0].textContent.toLowerCase();
      const keep = words.every((word) => text.includes(word)) && (!verdict.value || row.dataset.verdict === verdict.value);
      row.hidden = !keep;
      shown += keep;
    });
    document.getElementById("count").textContent = `${shown} of ${rows.length} rows`;
  }
  filter.addEventListener("input", applyFilter);
  verdict.addEventListener("change", applyFilter);
  applyFilter();

  // The tip beside a point. Its texts come from the page's own data, as text and never as markup.
  const tip = document.getElementById("tip");
  function node(name, text) {
    const made = document.createElement(name);
    made.textContent = text;
    return made;
  }
  function showTip(point) {
    const data = tips[point.dataset.row];
    if (!data) return;
    const list = document.createElement("dl");
    data.lines.forEach(([name, value]) => list.append(node("dt", name), node("dd", value)));
    tip.replaceChildren(node("strong", data.name), document.createTextNode(data.verdict ? ` – ${data.verdict}` : ""), list);
    tip.hidden = false;
    const box = point.querySelector(".mark").getBoundingClientRect(), own = tip.getBoundingClientRect();
    const width = document.documentElement.clientWidth;
    tip.style.left = `${Math.max(4, Math.min(box.right + 12, width - own.width - 4))}px`;
    const above = box.top - own.height - 10;
    tip.style.top = `${above > 4 ? above : box.bottom + 10}px`;
  }
  function hideTip() { tip.hidden = true; }
  function goToRow(point) {
    const row = document.getElementById(point.dataset.row);
    if (!row) return;
    hideTip();
    filter.value = verdict.value = "";
    applyFilter();
    all(".flash").forEach((other) => other.classList.remove("flash"));
    row.classList.add("flash");
    row.scrollIntoView({ block: "center" });
  }

  // Points: one stop for the tab key in each plot; arrow keys walk by latency.
  function usable(svg) { return all(".point:not(.off)", svg); }
  function prepare(svg) {
    const points = all(".point", svg);
    const left = new Map(points.map((point) => [point, Number(point.dataset.x)]));
    const ordered = () => usable(svg).sort((a, b) => left.get(a) - left.get(b));
    points.forEach((point) => {
      all("title", point).forEach((title) => title.remove()); // the tip replaces the browser's own
      point.setAttribute("tabindex", "-1");
      point.addEventListener("pointerenter", () => showTip(point));
      point.addEventListener("pointerleave", hideTip);
      point.addEventListener("focus", () => { rove(svg, point); showTip(point); });
      point.addEventListener("blur", hideTip);
      point.addEventListener("click", () => goToRow(point));
      point.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
        if (step) {
          const list = ordered();
          list[(list.indexOf(point) + step + list.length) % list.length].focus();
          event.preventDefault();
        } else if (event.key === "Enter") { goToRow(point); } else if (event.key === "Escape") { hideTip(); }
      });
    });
    rove(svg, ordered()[0]);
  }
  function rove(svg, point) {
    all(".point", svg).forEach((other) => other.setAttribute("tabindex", other === point ? "0" : "-1"));
  }

  // Plots: choose the measure, switch families on and off.
  all("[data-plots]").forEach((figure) => {
    const plots = all("[data-plot]", figure), select = figure.querySelector("[data-measure]");
    all(".pareto", figure).forEach(prepare);
    all(".pareto > title", figure).forEach((title) => title.remove());
    select?.addEventListener("change", () => plots.forEach((plot) => { plot.hidden = plot.dataset.plot !== select.value; }));
    all("[data-toggle]", figure).forEach((box) => box.addEventListener("change", () => {
      all("[data-family]", figure).filter((part) => part.dataset.family === box.dataset.toggle)
        .forEach((part) => part.classList.toggle("off", !box.checked));
      all(".pareto", figure).forEach((svg) => {
        if (!svg.querySelector('.point[tabindex="0"]:not(.off)')) rove(svg, usable(svg)[0]);
      });
    }));
  });
  // Focusing a point may scroll to it: its tip then moves along; a tip from pointing goes away.
  window.addEventListener("scroll", () => {
    const focused = document.activeElement;
    if (focused?.classList.contains("point")) showTip(focused); else hideTip();
  }, { passive: true, capture: true });
})();
