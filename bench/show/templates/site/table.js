// Tables: sort by a heading's button, filter by words and verdict; rows without a value stay at the end either way.
(() => {
  const { all, choose, chosen, listen } = ditbench;
  const SOME = 30; // rows of a long table that are shown until somebody asks for all
  const LATER = 100; // ms until the others follow where all are shown: what is in view is painted first
  const filter = document.querySelector("[data-filter]"), verdict = document.querySelector("[data-verdict-filter]");
  const count = document.querySelector("[data-count]");
  if (!filter) return;

  function keyOf(row, column) {
    const text = row.cells[column].dataset.key ?? "", value = Number(text);
    return text === "" ? null : Number.isNaN(value) ? text.toLowerCase() : value;
  }
  function compare(a, b) {
    if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
    return typeof a === "number" ? -1 : 1;
  }

  class Table {
    constructor(table, number) {
      this.scroller = table.closest(".scroll");
      this.body = table.tBodies[0];
      this.rows = [...this.body.rows];
      this.texts = this.rows.map((row) => row.cells[0].textContent.toLowerCase());
      this.heads = all("thead th", table);
      this.key = `sort${number || ""}`;
      this.more = this.scroller.nextElementSibling?.querySelector("[data-more]");
      this.long = this.rows.length > 1.5 * SOME;
      this.showAll = !this.long;
      this.later = [];
      this.keys = []; // of every column that was sorted by
      this.heads.forEach((head, column) => this.prepare(head, column));
      this.more?.addEventListener("click", () => { this.showAll = true; apply(); this.complete(); });
    }
    prepare(head, column) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") === "ascending";
        choose({ [this.key]: `${head.dataset.column}.${up ? "desc" : "asc"}` });
      });
    }
    sorted() {
      const [, name, direction] = /^(.*)\.(asc|desc)$/.exec(chosen(this.key)) ?? [];
      const column = this.heads.findIndex((head) => head.dataset.column === name);
      this.heads.forEach((head, i) => {
        if (i !== column) head.removeAttribute("aria-sort");
        else head.setAttribute("aria-sort", direction === "asc" ? "ascending" : "descending");
      });
      const order = this.rows.map((_, i) => i);
      if (column < 0) return order;
      const keys = this.keys[column] ??= this.rows.map((row) => keyOf(row, column)), sign = direction === "asc" ? 1 : -1;
      return order.sort((i, j) => {
        if (keys[i] === null || keys[j] === null) return (keys[i] === null) - (keys[j] === null) || i - j;
        return sign * compare(keys[i], keys[j]) || i - j;
      });
    }
    /** Only rows that are shown are in the document, so that a long table sorts at once. Returns how many match. */
    apply(words) {
      const state = [chosen(this.key), ...words, "", verdict.value, this.showAll].join(" ");
      if (state === this.state) return this.found; // another table of the page was sorted
      this.state = state;
      this.found = this.arrange(words);
      return this.found;
    }
    arrange(words) {
      const height = this.long && this.showAll ? this.scroller.offsetHeight : 0;
      const found = this.sorted().filter((i) => words.every((word) => this.texts[i].includes(word))
        && (!verdict.value || this.rows[i].dataset.verdict === verdict.value));
      const shown = this.showAll ? found : found.slice(0, SOME);
      this.place(shown.map((i) => this.rows[i]), height);
      if (this.more) {
        this.more.hidden = shown.length === found.length;
        this.more.textContent = `Show all ${found.length} rows`;
      }
      return found.length;
    }
    /** The first rows at once, the others soon; meanwhile the page keeps its height, so that nothing jumps. */
    place(rows, height) {
      clearTimeout(this.timer);
      const now = this.long ? rows.slice(0, SOME) : rows;
      this.later = rows.slice(now.length);
      this.body.replaceChildren(...now);
      this.scroller.style.minHeight = this.later.length ? `${height}px` : "";
      this.timer = setTimeout(() => this.complete(), LATER);
    }
    complete() {
      this.body.append(...this.later);
      this.later = [];
      this.scroller.style.minHeight = "";
    }
  }

  const tables = all("[data-results]").map((table, i) => new Table(table, i));
  function apply() {
    const words = filter.value.toLowerCase().split(/[\s,]+/).filter(Boolean);
    const found = tables.reduce((sum, table) => sum + table.apply(words), 0);
    const said = `${found} of ${tables.reduce((sum, table) => sum + table.rows.length, 0)} rows`;
    if (count.textContent !== said) count.textContent = said; // a screen reader says it only where it changed
  }
  filter.addEventListener("input", () => choose({ q: filter.value }, true));
  verdict.addEventListener("change", () => choose({ verdict: verdict.value }));
  listen(() => {
    if (filter.value !== chosen("q")) filter.value = chosen("q");
    verdict.value = chosen("verdict");
    if (verdict.selectedIndex < 0) verdict.value = "";
    apply();
  });

  /** Bring a row into view, whatever hides it. */
  ditbench.goTo = (id) => {
    const table = tables.find((one) => one.rows.some((row) => row.id === id));
    if (!table) return;
    const row = table.rows.find((one) => one.id === id);
    if (!row.isConnected) {
      table.showAll = true;
      choose({ q: null, verdict: null });
      apply();
      table.complete();
    }
    all(".flash").forEach((other) => other.classList.remove("flash"));
    row.classList.add("flash");
    row.scrollIntoView({ block: "center" });
  };
  window.addEventListener("beforeprint", () => {
    tables.forEach((table) => { table.showAll = true; });
    apply();
    tables.forEach((table) => table.complete());
  });
})();
