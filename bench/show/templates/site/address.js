"use strict";
// The address of a view: everything that a reader chose stands behind "#?", so that it can be shared and gone back to.
const ditbench = (() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const listeners = [];
  const read = () => new URLSearchParams(location.hash.startsWith("#?") ? location.hash.slice(2) : "");
  let state = read();

  /** Change choices; null forgets one. `quiet` replaces the entry in the history, as while typing. */
  function choose(changes, quiet = false) {
    const next = new URLSearchParams(state);
    Object.entries(changes).forEach(([key, value]) => { if (value) next.set(key, value); else next.delete(key); });
    const hash = next.toString() ? `#?${next}` : "#?";
    if (hash === location.hash) return;
    if (quiet) location.replace(hash); else location.hash = hash;
    update();
  }
  function update() {
    if (location.hash && !location.hash.startsWith("#?")) return; // a link into the page changes no choice
    const next = read();
    if (next.toString() === state.toString()) return;
    state = next;
    listeners.forEach((listener) => listener());
  }
  window.addEventListener("hashchange", update);
  return { all, choose, chosen: (key) => state.get(key) ?? "", listen: (listener) => { listeners.push(listener); listener(); } };
})();
ditbench.all(".js-only").forEach((node) => { node.hidden = false; });
