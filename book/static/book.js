// Whatever scrolls sideways can be reached by the keyboard. Formulas get their width late, and a page may be resized.
function makeScrollersReachable() {
  for (const box of document.querySelectorAll("div.math, .table-wrapper, div.output, div.cell_output, .highlight pre")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}
window.addEventListener("load", () => {
  document.querySelectorAll("[role=heading]:not([aria-level])").forEach((title) => title.setAttribute("aria-level", 2));
  // What a fold is called is what it shows.
  document.querySelectorAll("details > summary[aria-label]").forEach((title) => title.removeAttribute("aria-label"));
  window.addEventListener("resize", makeScrollersReachable);
  (window.MathJax?.startup?.promise ?? Promise.resolve()).then(makeScrollersReachable);
});
