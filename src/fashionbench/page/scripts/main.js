// Ties the form to the charts: every change redraws all of them.

const charts = {
  curves: [new Chart("chart-curves"), (view) => drawCurves(view)],
  scores: [new Chart("chart-scores"), drawScores],
  classes: [new Chart("chart-classes"), (view) => drawClasses(view)],
  costs: [new Chart("chart-costs"), drawCosts],
  pairCurves: [new Chart("chart-pair-curves"), (view) => drawCurves(view, pairOf(view))],
  pairClasses: [new Chart("chart-pair-classes"), (view) => drawClasses(view, pairOf(view))],
  difference: [new Chart("chart-difference"), drawDifference],
};
const explorer = document.getElementById("explorer");
let drawing = Promise.resolve();

/** The two networks that have results in the arm, in the order of the page. */
function pairOf(view) {
  const pair = data.networks.filter((name) => name === view.first || name === view.second);
  return pair.filter((name) => isTrained(name, view.arm));
}

/** Draw the view; a view that has changed meanwhile is drawn after it. */
function redraw() {
  explorer.ariaBusy = "true";
  const mine = (drawing = drawing.then(async () => {
    if (mine !== drawing) return;
    const view = readView();
    showWords(view);
    for (const [chart, specify] of Object.values(charts)) await chart.draw(specify(view));
    if (mine === drawing) explorer.ariaBusy = "false";
  }));
}

function showWords(view) {
  document.getElementById("pair-words").replaceChildren(
    ...describePair(view).map((sentence) => element("li", sentence)),
  );
  showImages(view);
}

function update() {
  keepView();
  redraw();
}

/** Return what the address names: a heading, all figures, or those of two networks alone. */
function placeOfAddress() {
  const fragment = location.hash.slice(1);
  if (!fragment.includes("=")) return document.getElementById(fragment);
  const named = [...new URLSearchParams(fragment).keys()];
  return named.every((name) => ["first", "second", "class"].includes(name))
    ? document.getElementById("pair")
    : explorer;
}

function chooseNetworks(isChosen) {
  for (const field of fields) if (field.name === "network") field.checked = isChosen;
  update();
}

for (const part of document.querySelectorAll("[data-needs-script]")) part.hidden = false;
document.querySelectorAll("table.numbers").forEach(enhance);
// Some fields stand below the form, where its own events do not come from.
explorer.addEventListener("change", update);
form.addEventListener("submit", (event) => event.preventDefault());
// The fields have their first values only after the event.
form.addEventListener("reset", () => setTimeout(update));
document.getElementById("all").addEventListener("click", () => chooseNetworks(true));
document.getElementById("none").addEventListener("click", () => chooseNetworks(false));
document.getElementById("swap").addEventListener("click", () => {
  const { first, second } = form.elements;
  [first.value, second.value] = [second.value, first.value];
  update();
});
document.getElementById("copy-link").addEventListener("click", async () => {
  const copied = document.getElementById("copied");
  copied.textContent = await copy(location.href, "The link is on the clipboard.", copied);
});
addEventListener("hashchange", () => restoreView() && redraw());
restoreView();
redraw();
// Only now is everything in its place; the browser went there before the charts had their heights.
drawing.then(() => placeOfAddress()?.scrollIntoView({ behavior: "instant" }));
