// Two settings side by side: which two stands in the address; differences are calculated here, from stored replicates.
(() => {
  const { all, choose, chosen, listen } = ditbench;
  const root = document.querySelector("[data-versus]");
  if (!root) return;
  const data = JSON.parse(root.querySelector("script[type='application/json']").textContent);
  const MARKS = { "#": "computed", ".": "reused", s: "skipped", o: "offset" };
  const SVG = "http://www.w3.org/2000/svg";
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const around = (value, half) => ({ value, low: value - half, high: value + half });
  const sign = (interval) => (interval.low > 0) - (interval.high < 0);

  /** a - b of a metric with its 95 % interval: paired delete-group jackknife, without bias; else both errors added. */
  function difference(a, b) {
    const value = a.value - b.value, groups = a.replicates.length;
    if (groups < 2 || groups !== b.replicates.length) {
      return around(value, a.error && b.error ? data.z * Math.hypot(a.error, b.error) : Infinity);
    }
    const gaps = a.replicates.map((left, i) => left - b.replicates[i]), mean = sum(gaps) / groups;
    const error = Math.sqrt(((groups - 1) / groups) * sum(gaps.map((gap) => (gap - mean) ** 2)));
    return around(groups * value - (groups - 1) * mean, data.quantiles[groups] * error);
  }
  /** Latency of a over that of b with its 95 % interval; latencies are [logarithm, errors by part]. */
  function ratio(a, b) {
    const log = around(a[0] - b[0], data.z * unshared(a[1], b[1]));
    return { value: Math.exp(log.value), low: Math.exp(log.low), high: Math.exp(log.high), sign: sign(log) };
  }

  /** Standard error of a difference: a part that both sides share counts by what it differs. */
  function unshared(a, b) {
    const parts = new Set([...Object.keys(a), ...Object.keys(b)]);
    return Math.hypot(...[...parts].map((part) => (a[part] ?? 0) - (b[part] ?? 0)));
  }

  /** Three significant digits, a true minus. */
  function figure(value) {
    if (!Number.isFinite(value)) return "…";
    const size = Math.abs(value);
    const text = size && (size < 1e-3 || size >= 1e6) ? value.toExponential(2) : Number(value.toPrecision(3)).toLocaleString("en", { maximumSignificantDigits: 3, minimumSignificantDigits: value ? 3 : 1 });
    return text.replace("-", "−");
  }
  const signed = (value) => (value >= 0 ? "+" : "") + figure(value);
  const ends = ({ low, high }, text) => (Number.isFinite(low) ? ` [${text(low)}, ${text(high)}]` : "");
  const interval = (found, text) => text(found.value) + ends(found, text);
  const times = (found) => `${figure(found.value)}×${ends(found, figure)}`;

  /** [text, the side that is better or ""] of one line; nothing where it cannot be compared. */
  function against(line, a, b) {
    if (line.kind === "latency" && a.latency && b.latency) {
      const found = ratio(a.latency, b.latency);
      return [times(found), better(found.sign)];
    }
    if (line.kind === "paired" && a.metrics[line.key] && b.metrics[line.key]) {
      const found = difference(a.metrics[line.key], b.metrics[line.key]), scale = line.percent ? 100 : 1;
      const text = interval(found, (value) => signed(scale * value)) + (line.percent ? " points" : "");
      return [text, better(sign(found) * (line.higher ? -1 : 1))];
    }
    const [left, right] = [a.numbers[line.key], b.numbers[line.key]];
    return line.kind === "ratio" && left && right ? [`${figure(left / right)}×`, ""] : ["", ""];
  }
  /** Which side is better where `worse` says whether A minus B is certainly above (1) or below (-1) zero. */
  const better = (worse) => ({ 1: "B", 0: "", "-1": "A" })[worse];

  /** What speed and quality together decide. */
  function conclusion(a, b) {
    if (a === b) return "The same setting twice.";
    const speed = a.latency && b.latency && ratio(a.latency, b.latency);
    const quality = a.metrics.fd && b.metrics.fd && difference(a.metrics.fd, b.metrics.fd);
    const words = [];
    if (speed) words.push(speed.sign ? `takes ${times(speed)} the time` : "cannot be told apart in latency");
    if (quality) {
      const word = { 1: "worse", 0: "not distinguishable", "-1": "better" }[sign(quality)];
      words.push(`is ${word} in quality (${data.distance} ${interval(quality, signed)})`);
    }
    return words.length ? `A ${words.join(" and ")}${verdict(speed, quality)}.` : "The two share no measure with an interval.";
  }
  function verdict(speed, quality) {
    if (!speed || !quality) return "";
    const [slower, worse] = [speed.sign, sign(quality)];
    if (!slower && !worse) return "";
    if (slower * worse < 0) return ": which is preferable depends on what is needed";
    if (slower * worse > 0) return `: ${slower < 0 ? "A" : "B"} dominates`;
    return "";
  }

  function node(name, text = "", attributes = {}) {
    const made = document.createElement(name);
    made.textContent = text;
    Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
    return made;
  }
  function row(line, i, a, b) {
    const made = node("tr"), head = node("th", line.heading, { scope: "row", title: line.meaning });
    const [text, side] = against(line, a, b);
    const last = node("td", text || "–", side ? { class: "decided" } : {});
    if (side) last.append(node("span", ` ${side} is better`, { class: "muted" }));
    made.append(head, node("td", a.texts[i]), node("td", b.texts[i]), last);
    return made;
  }

  /** The plan as bench/show/report/heatmaps.py draws it; rows[evaluation] holds a mark for every branch. */
  function plan(cell, side) {
    const figure = node("figure"), caption = node("figcaption", `${side}: ${cell.name}`), rows = cell.plan.map((i) => data.plan_rows[i]);
    figure.append(caption);
    if (!rows.length) figure.append(node("p", "No plan is stored with this cell.", { class: "note" }));
    else figure.append(drawing(rows, `Plan of ${cell.name}: ${rows.length} evaluations across, ${rows[0].length / 2} blocks down`));
    return figure;
  }
  function shape(name, attributes, text = "") {
    const made = document.createElementNS(SVG, name);
    Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
    made.textContent = text;
    return made;
  }
  function drawing(rows, title) {
    const [width, height, gap, margin] = [300, 6, 8, 34], panel = (height * rows[0].length) / 2, unit = width / rows.length;
    const svg = shape("svg", { class: "plan", role: "img", "aria-label": title, viewBox: `0 -1 ${margin + width + 1} ${2 * panel + gap + 2}` });
    ["attn", "MLP"].forEach((name, kind) => {
      const top = kind * (panel + gap), paths = {};
      rows.forEach((marks, k) => [...marks].forEach((mark, j) => {
        if (j % 2 !== kind) return;
        paths[mark] = `${paths[mark] ?? ""}M${(margin + unit * k).toFixed(2)} ${top + (height * (j - kind)) / 2}h${unit.toFixed(2)}v${height}h-${unit.toFixed(2)}z`;
      }));
      Object.entries(paths).forEach(([mark, d]) => svg.append(shape("path", { d, class: MARKS[mark] })));
      svg.append(shape("text", { x: margin - 5, y: top + panel / 2 + 4, class: "tick end" }, name));
      svg.append(shape("rect", { x: margin, y: top, width, height: panel, class: "frame" }));
    });
    return svg;
  }
  function strip(cell, side) {
    const figure = node("figure");
    figure.append(node("figcaption", `${side}: ${cell.name}`));
    figure.append(cell.strip ? node("img", "", { src: cell.strip, alt: `Ten samples of ${cell.name}, seeds in order` })
      : node("p", "No samples are stored with this cell.", { class: "note" }));
    return figure;
  }

  root.querySelector("[data-view]").hidden = false;
  const selects = all("[data-side]", root);
  const families = [...new Set(data.cells.map((cell) => cell.family))];
  selects.forEach((select) => {
    select.append(...families.map((family) => {
      const group = node("optgroup", "", { label: family });
      group.append(...data.cells.filter((cell) => cell.family === family).map((cell) => new Option(cell.name, cell.slug)));
      return group;
    }));
    select.addEventListener("change", () => choose({ [select.dataset.side]: select.value }));
  });
  const cellOf = (side) => data.cells.find((cell) => cell.slug === chosen(side))
    ?? data.cells.find((cell) => cell.slug === data.chosen[side === "a" ? 0 : 1]);
  all("[data-pick]").forEach((link) => link.addEventListener("click", (event) => {
    event.preventDefault();
    choose(Object.fromEntries(new URLSearchParams(link.hash.slice(2))));
    root.scrollIntoView();
  }));
  root.querySelector("[data-swap]").addEventListener("click", () => choose({ a: cellOf("b").slug, b: cellOf("a").slug }));

  listen(() => {
    const [a, b] = ["a", "b"].map(cellOf);
    selects.forEach((select) => { select.value = cellOf(select.dataset.side).slug; });
    all("[data-name]", root).forEach((head) => { head.textContent = head.dataset.name === "a" ? `A: ${a.name}` : `B: ${b.name}`; });
    root.querySelector("[data-conclusion]").textContent = conclusion(a, b);
    root.querySelector("[data-lines]").replaceChildren(...data.lines.map((line, i) => row(line, i, a, b)));
    root.querySelector("[data-plans]").replaceChildren(plan(a, "A"), plan(b, "B"));
    root.querySelector("[data-strips]")?.replaceChildren(strip(a, "A"), strip(b, "B"));
  });
  ditbench.versus = { data, difference, ratio };
})();
