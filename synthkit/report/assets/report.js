(function () {
  "use strict";
  var root = document.documentElement, byId = function (id) { return document.getElementById(id); };
  root.classList.add("scripted");

  // colours: as the system, light, dark
  var night = window.matchMedia && window.matchMedia("(prefers-color-scheme: dark)").matches;
  var names = night ? ["", "light", "dark"] : ["", "dark", "light"], signs = { "": "◐", light: "☀", dark: "☾" };
  var words = { "": "as the system", light: "light", dark: "dark" }, button = byId("theme"), at = 0;
  function paint() {
    var name = names[at];
    if (name) { root.setAttribute("data-theme", name); } else { root.removeAttribute("data-theme"); }
    button.textContent = signs[name];
    button.setAttribute("aria-label", "Colours: " + words[name]);
    button.title = "Colours: " + words[name];
  }
  try { at = Math.max(0, names.indexOf(localStorage.getItem("synthkit-theme") || "")); } catch (e) { at = 0; }
  paint();
  button.addEventListener("click", function () {
    at = (at + 1) % names.length;
    paint();
    try { localStorage.setItem("synthkit-theme", names[at]); } catch (e) { /* a file may have no storage */ }
  });

  // one small box that says what is under the pointer
  var tip = byId("tip");
  function show(event) {
    var on = event.target.closest ? event.target.closest("[data-tip]") : null;
    if (!on) { tip.hidden = true; return; }
    tip.textContent = on.getAttribute("data-tip");
    tip.hidden = false;
    var wide = tip.offsetWidth, x = Math.min(event.clientX + 12, window.innerWidth - wide - 8);
    var y = event.clientY + 16;
    if (y + tip.offsetHeight > window.innerHeight - 8) { y = event.clientY - tip.offsetHeight - 12; }
    tip.style.left = Math.max(8, x) + "px";
    tip.style.top = Math.max(8, y) + "px";
  }
  document.addEventListener("pointermove", show);
  document.addEventListener("pointerdown", show);
  window.addEventListener("scroll", function () { tip.hidden = true; }, { passive: true });

  // columns: find, order, cumulative
  var grid = byId("column-grid"), find = byId("find"), order = byId("order"), cumulative = byId("cumulative");
  if (grid && find) {
    find.addEventListener("input", function () {
      var wanted = find.value.toLowerCase();
      Array.prototype.forEach.call(grid.children, function (card) {
        card.hidden = card.dataset.name.toLowerCase().indexOf(wanted) < 0;
      });
    });
    order.addEventListener("change", function () {
      var by = order.value, cards = Array.prototype.slice.call(grid.children);
      cards.sort(function (a, b) {
        if (by === "name") { return a.dataset.name.localeCompare(b.dataset.name); }
        return by === "at" ? a.dataset.at - b.dataset.at : b.dataset.error - a.dataset.error;
      });
      cards.forEach(function (card) { grid.appendChild(card); });
    });
    cumulative.addEventListener("change", function () { grid.classList.toggle("cumulative", cumulative.checked); });
  }

  // on paper the reasons of the gates are unfolded; definitions stand at the end anyway
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll(".verdict details").forEach(function (d) { d.open = true; });
  });
})();
