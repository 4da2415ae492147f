// Plots: a quality against a cost, with intervals; axes and cache methods to choose; fewer steps are always there.
(() => {
  const { all, choose, chosen, listen, goTo } = ditbench;
  const LIGHT = ["#1b1f24", "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#b8a800"];
  const escaped = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const decoded = (text) => { try { return decodeURIComponent(text); } catch { return text; } }; // addresses get cut
  const figure = (value) => Number(value.toPrecision(4)).toLocaleString("en");
  /** A title in lines of at most `width` characters, broken at commas where that is enough. */
  const lines = (text, width) => text.split(/(?<=,) /).reduce((made, part) => {
    const last = made.at(-1);
    return last && last.length + part.length < width ? [...made.slice(0, -1), `${last} ${part}`] : [...made, part];
  }, []).map(escaped).join("<br>");
  const short = (text) => (text.length > 70 ? `${text.slice(0, 69)}…` : text);
  const colors = (print) => {
    const style = getComputedStyle(document.documentElement), of = (name) => style.getPropertyValue(name).trim();
    const family = print ? LIGHT : LIGHT.map((_, i) => of(`--c${i}`));
    return { family, text: print ? "#000" : of("--text"), grid: print ? "#e6e9ed" : of("--grid"), page: print ? "#fff" : of("--page") };
  };

  class Chart {
    constructor(root, number) {
      this.root = root;
      this.data = JSON.parse(root.querySelector("script").textContent);
      this.canvas = root.querySelector("[data-canvas]");
      this.key = (name) => `${name}${number || ""}`;
      this.selects = all("[data-axis]", root);
      this.selects.forEach((select) => this.fill(select));
      this.boxes = this.data.families.filter((family) => !family.curve).map((family) => this.box(family));
    }
    fill(select) {
      const axes = this.data[select.dataset.axis];
      select.append(...axes.map((axis) => new Option(axis.label, axis.key)));
      select.addEventListener("change", () => {
        const value = select.value === axes[0].key ? null : select.value;
        choose({ [this.key(select.dataset.axis)]: value });
      });
    }
    box(family) {
      const label = document.createElement("label"), box = document.createElement("input");
      box.type = "checkbox";
      box.value = family.name;
      label.append(box, document.createTextNode(family.name));
      this.root.querySelector("[data-families]").append(label);
      box.addEventListener("change", () => {
        const off = this.boxes.filter((other) => !other.checked).map((other) => encodeURIComponent(other.value));
        choose({ [this.key("off")]: off.join(",") });
      });
      return box;
    }
    axis(name) {
      const axes = this.data[name];
      return axes.find((axis) => axis.key === chosen(this.key(name))) ?? axes[0];
    }
    /** Draw again where this plot's part of the address changed: a table that is sorted costs no drawing. */
    refresh() {
      const state = ["x", "y", "off"].map((name) => chosen(this.key(name))).join(" ");
      if (state === this.state) return;
      this.state = state;
      this.update();
    }
    /** Read the address, then draw. */
    update(print = false) {
      this.selects.forEach((select) => { select.value = this.axis(select.dataset.axis).key; });
      const off = new Set(chosen(this.key("off")).split(",").map(decoded));
      this.boxes.forEach((box) => { box.checked = !off.has(box.value); });
      this.draw(off, print);
    }
    draw(off, print) {
      const [x, y] = [this.axis("x"), this.axis("y")], look = colors(print);
      const [xs, ys] = [this.data.values[x.key], this.data.values[y.key]];
      const shown = this.data.points.map((point, i) => i).filter((i) => xs[i] && ys[i]
        && !off.has(this.data.families[this.data.points[i].family].name));
      const traces = this.traces(shown, xs, ys, x, y, look);
      const title = `${this.data.title}: ${y.label}, against ${x.label}; ${shown.length} settings`;
      this.canvas.setAttribute("aria-label", title);
      const layout = this.layout(x, y, shown.map((i) => xs[i][0]), shown.map((i) => ys[i][0]), look, print);
      Plotly.react(this.canvas, traces, layout, { responsive: !print, displaylogo: false, showSendToCloud: false,
        modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] });
      if (this.listening) return;
      this.listening = true;
      this.canvas.on("plotly_click", (event) => {
        const point = event.points[0]?.customdata;
        if (point) goTo(this.root.dataset.prefix + point);
      });
    }
    traces(shown, xs, ys, x, y, look) {
      const groups = new Map();
      shown.forEach((i) => {
        const point = this.data.points[i], key = point.curve ?? `cache ${point.family}`;
        groups.set(key, [...(groups.get(key) ?? []), i]);
      });
      const made = [...groups.values()].map((members) => this.trace(members, xs, ys, x, y, look));
      const front = shown.filter((i) => ["use", "worth"].includes(this.data.points[i].verdict));
      made.push({ type: "scatter", mode: "markers", name: "to use, or worth its time", hoverinfo: "skip", x: front.map((i) => xs[i][0]),
        y: front.map((i) => ys[i][0]), marker: { symbol: "circle-open", size: 20, color: look.text, line: { width: 1.5 } } });
      return made.filter((trace) => trace.x.length);
    }
    trace(members, xs, ys, x, y, look) {
      const point = (i) => this.data.points[i], family = this.data.families[point(members[0]).family];
      const curve = point(members[0]).curve !== null, color = look.family[family.color];
      if (curve) members.sort((i, j) => (point(i).steps ?? 0) - (point(j).steps ?? 0) || xs[i][0] - xs[j][0]);
      return {
        type: "scatter", mode: curve ? "lines+markers" : "markers", name: escaped(short(family.name)) + (curve ? ", fewer steps" : ""),
        x: members.map((i) => xs[i][0]), y: members.map((i) => ys[i][0]), customdata: members.map((i) => point(i).row),
        text: members.map((i) => this.hover(i, x, y)), hoverinfo: "text", line: { color, width: 2.5 },
        error_x: this.bars(members, xs, color), error_y: this.bars(members, ys, color),
        marker: { symbol: family.symbol, size: 10, color, line: { color: look.text, width: 0.8 },
          opacity: members.map((i) => (!curve && point(i).verdict === "replaceable" ? 0.5 : 1)) },
      };
    }
    bars(members, values, color) {
      const side = (end) => members.map((i) => (values[i].length === 3 ? Math.abs(values[i][end] - values[i][0]) : 0));
      return { type: "data", symmetric: false, array: side(2), arrayminus: side(1), color, thickness: 1.2, width: 0 };
    }
    hover(i, x, y) {
      const point = this.data.points[i];
      const line = (axis) => {
        const [value, low, high] = this.data.values[axis.key][i];
        const interval = low === undefined ? "" : ` [${figure(low)}, ${figure(high)}]`;
        return `${escaped(short(axis.label.split(", ")[0]))}: ${figure(value)}${interval}`;
      };
      return [`<b>${escaped(short(point.name))}</b>`, line(y), line(x), ...(point.verdict ? [point.verdict] : [])].join("<br>");
    }
    layout(x, y, xs, ys, look, print) {
      const narrow = this.canvas.clientWidth < 600;
      const scale = (axis, values) => ({
        title: { text: narrow ? lines(short(axis.label), 34) : escaped(short(axis.label)), font: { size: narrow || print ? 11 : 13 } }, gridcolor: look.grid, zeroline: false, automargin: true,
        linecolor: look.grid, type: values.length && Math.min(...values) > 0 && Math.max(...values) > 6 * Math.min(...values) ? "log" : "linear",
        ...(["latency_paired_ms", "latency_ms"].includes(axis.key) ? { type: "log" } : {}),
      });
      const log = (axis) => (axis.type === "log" ? { ...axis, dtick: "D2", tickformat: ",.6~g" } : axis);
      return {
        font: { family: getComputedStyle(document.body).fontFamily, color: look.text, size: 12 }, paper_bgcolor: look.page,
        plot_bgcolor: look.page, margin: { l: 60, r: 16, t: 12, b: 56 }, hovermode: "closest", uirevision: `${x.key} ${y.key}`,
        xaxis: log(scale(x, xs)), yaxis: log(scale(y, ys)), ...(print ? { width: 700, height: 440 } : {}), autosize: !print,
        hoverlabel: { bgcolor: look.page, bordercolor: look.text, font: { color: look.text }, align: "left" },
        legend: { orientation: "h", y: narrow ? -0.42 : -0.16, yanchor: "top", itemclick: false, itemdoubleclick: false },
      };
    }
  }

  if (!window.Plotly) return;
  const charts = all("[data-chart]").map((root, i) => new Chart(root, i));
  listen(() => charts.forEach((chart) => chart.refresh()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach((chart) => chart.update()));
  window.addEventListener("beforeprint", () => charts.forEach((chart) => chart.update(true)));
  window.addEventListener("afterprint", () => charts.forEach((chart) => chart.update()));
})();
