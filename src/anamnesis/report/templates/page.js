"use strict";
(() => {
  const root = document.documentElement;
  const systemDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : systemDark.matches);
  const charts = [...document.querySelectorAll(".chart")].map((chart) => ({
    chart,
    place: chart.querySelector(".view"),
    spec: JSON.parse(chart.querySelector("script").textContent),
    shown: null,
  }));

  function theme() {
    const style = getComputedStyle(root);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const font = getComputedStyle(document.body).fontFamily;
    const series = Array.from({ length: {{ colours }} }, (_, index) => colour(`series-${index}`));
    return {
      background: null,
      font,
      view: { stroke: null },
      range: { category: series },
      axis: {
        labelColor: colour("soft"), titleColor: colour("soft"), labelFontSize: 12, titleFontSize: 12, titleFontWeight: 500,
        gridColor: colour("grid"), domainColor: colour("line"), tickColor: colour("line"), labelPadding: 6, titlePadding: 10,
      },
      style: {
        best: { color: colour("accent") },
        network: { color: colour("network") },
        baseline: { color: colour("baseline-soft") },
        test: { color: colour("ink") },
        reference: { color: colour("baseline"), strokeWidth: 1 },
        label: { color: colour("soft"), fontSize: 12 },
        clipped: { color: colour("accent"), strokeWidth: 1.5 },
        cut: { color: colour("cut"), strokeWidth: 1 },
        cell: { color: colour("ink"), fontSize: 12 },
        data: { color: colour("baseline"), strokeWidth: 1.2 },
        boundary: { color: colour("ink"), strokeWidth: 1.2 },
      },
    };
  }

  async function draw() {
    const config = theme();
    for (const entry of charts) {
      const highlighted = entry.shown && hasHighlight(entry) ? entry.shown.view.signal("highlight") : null;
      entry.shown?.finalize();
      entry.shown = await vegaEmbed(entry.place, entry.spec, {
        mode: "vega-lite",
        renderer: "svg",
        config,
        tooltip: { theme: isDark() ? "dark" : "light" },
        actions: { export: true, source: false, compiled: false, editor: false },
        downloadFileName: "anamnesis",
      });
      if (highlighted !== null) await entry.shown.view.signal("highlight", highlighted).runAsync();
    }
    root.dataset.charts = "drawn";
  }

  const hasHighlight = (entry) => (entry.spec.params ?? []).some((param) => param.name === "highlight");

  // One drawing at a time: a second change of theme waits for the first to be drawn.
  let drawing = draw();
  const redraw = () => { drawing = drawing.then(draw); };
  systemDark.addEventListener("change", redraw);

  try {
    const stored = localStorage.getItem("anamnesis-theme");
    if (stored) { root.dataset.theme = stored; redraw(); }
  } catch { /* storage is switched off: the system's theme holds */ }
  document.getElementById("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("anamnesis-theme", root.dataset.theme); } catch { /* as above */ }
    redraw();
  });

  for (const legend of document.querySelectorAll(".legend")) {
    const entry = charts.find(({ chart }) => legend.nextElementSibling === chart);
    const buttons = [...legend.querySelectorAll("button")];
    const pressed = () => buttons.find((button) => button.getAttribute("aria-pressed") === "true");
    const show = (button) => entry.shown?.view.signal("highlight", button ? button.dataset.experiment : null).runAsync();
    for (const button of buttons) {
      button.addEventListener("click", () => {
        const wasPressed = button === pressed();
        buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button && !wasPressed)));
        show(pressed());
      });
      button.addEventListener("pointerenter", () => show(button));
      button.addEventListener("pointerleave", () => show(pressed()));
    }
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    const body = table.tBodies[0];
    const headings = [...table.querySelectorAll("thead th:not([colspan])")];
    headings.forEach((heading, column) => {
      heading.querySelector("button").addEventListener("click", () => {
        const descending = heading.getAttribute("aria-sort") === "ascending";
        const value = (row) => row.cells[column].dataset.value;
        const numeric = heading.classList.contains("number");
        const rows = [...body.rows].sort((first, second) => {
          const [a, b] = [value(first), value(second)];
          if (numeric && (a === "" || b === "")) return (a === "") - (b === "");
          const order = numeric ? a - b : a.localeCompare(b, "en", { numeric: true });
          return descending ? -order : order;
        });
        headings.forEach((other) => other.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
        body.append(...rows);
      });
    });
  }

  const links = new Map([...document.querySelectorAll(".contents ul a")].map((link) => [link.hash.slice(1), link]));
  const sections = [...links.keys()].map((id) => document.getElementById(id));
  const follow = () => {
    const reached = sections.filter((section) => section.getBoundingClientRect().top < innerHeight / 3);
    const current = links.get(reached.at(-1)?.id);
    links.forEach((link) => (link === current ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current")));
  };
  addEventListener("scroll", follow, { passive: true });
  follow();

  // Closed samples would be missing on paper.
  addEventListener("beforeprint", () => document.querySelectorAll("details.samples").forEach((part) => { part.open = true; }));
})();
