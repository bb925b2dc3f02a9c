// Whatever scrolls sideways can be reached by the keyboard. Formulas get their width late, and a page may be resized.
function makeScrollersReachable() {
  for (const box of document.querySelectorAll("div.math, .table-wrapper, div.output, div.cell_output, .highlight pre")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}
window.addEventListener("load", () => {
  window.addEventListener("resize", makeScrollersReachable);
  (window.MathJax?.startup?.promise ?? Promise.resolve()).then(makeScrollersReachable);
});
