// The page: choices on one side, what the networks make of them on the other.
import * as networks from "./networks.js";
import { draw, png } from "./picture.js";
import { read, write } from "./state.js";

const STATIONS = 7; // faces of the strip
const PAUSE = 500; // milliseconds without a change before the page is spoken

const at = (id) => document.getElementById(id);
const readable = (name) => name.replaceAll("_", " ");
const percent = (share) => `${Math.round(100 * share)} %`;

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// --- What is there, and what is on show -----------------------------------------------------------------------------

const offered = await (await fetch("explorer.json")).json();
const { names } = offered;
const flags = (places) => names.map((_, i) => places.includes(i));
const people = offered.people.map(({ labels, z }) => ({ labels: flags(labels), z, step: offered.step }));
const judge = offered.independent ? "the independent judge" : "the classifier that guided Φ";

let state; // see state.js
let turn = 0; // of `show`: what an older one still computes is not wanted any more

const changed = () => names.flatMap((name, i) =>
  state.labels[i] === state.before[i] ? [] : [`${state.labels[i] ? "+" : "−"} ${readable(name)}`]);

const face = (labels) => networks.face(labels, state.person === null ? null : people[state.person]);

function described(labels) {
  const present = names.filter((_, i) => labels[i]).map(readable).join(", ") || "none of the attributes";
  return `synthetic face${state.person === null ? "" : ` of person ${state.person + 1}`} with ${present}`;
}

// --- Showing --------------------------------------------------------------------------------------------------------

// Show `state`; `since` is when it was asked for. What matters most comes first, and a newer call ends an older one.
async function show(since = performance.now()) {
  const mine = ++turn;
  const asked = face(state.labels); // the worker paints while the page shows what was chosen
  at("strip").ariaBusy = "true";
  showChoices();
  try {
    const rgba = await asked;
    if (mine !== turn) return;
    draw(at("face"), rgba, described(state.labels));
    at("loading").hidden = true;
    performance.measure("choice to picture", { start: since });
    const probabilities = await networks.reading(rgba);
    if (mine !== turn) return;
    showReading(probabilities);
    speak();
    const before = await face(state.before);
    if (mine !== turn) return;
    draw(at("before"), before, `before: ${described(state.before)}`);
    for (const [i, canvas] of stations.entries()) {
      const value = i / (STATIONS - 1);
      const station = await face(state.labels.map((flag, j) => (j === state.strip ? value : Number(flag))));
      if (mine !== turn) return;
      draw(canvas, station, `${readable(names[state.strip])} at ${percent(value)}`);
    }
    at("strip").ariaBusy = "false"; // it comes last
  } catch (error) {
    fail(error);
  }
}

function showChoices() {
  boxes.forEach((box, i) => (box.checked = state.labels[i]));
  radios.forEach((radio, i) => (radio.checked = i === (state.person === null ? 0 : state.person + 1)));
  at("attribute").value = state.strip;
  at("title").textContent = state.person === null ? "Now" : `Now: person ${state.person + 1}`;
  at("changes").textContent = changed().join(", ") || "Nothing is changed yet.";
  const said = warnings();
  at("warnings").replaceChildren(...said.map((text) => element("p", { textContent: text })));
  at("warnings").hidden = !said.length;
  history.replaceState(null, "", write(state, names));
}

function warnings() {
  return offered.pairs.flatMap(([said, pairs]) => {
    const both = pairs.filter(([i, j]) => state.labels[i] && state.labels[j]);
    return both.length ? [`${said}: ${both.map(([i, j]) => `${readable(names[i])} and ${readable(names[j])}`).join(", ")}.`] : [];
  });
}

function showReading(probabilities) {
  const missed = names.filter((_, i) => (probabilities[i] > 0.5) !== state.labels[i]);
  probabilities.forEach((probability, i) => {
    const { row, bar, number } = meters[i];
    bar.style.transform = `scaleX(${probability})`;
    number.textContent = percent(probability);
    row.classList.toggle("off", missed.includes(names[i]));
  });
  const subject = judge[0].toUpperCase() + judge.slice(1);
  at("score").textContent = `${subject} reads ${names.length - missed.length} of ${names.length} labels as asked.`;
  at("missed").textContent = missed.length ? `Not as asked: ${missed.map(readable).join(", ")}.` : "";
}

// For readers who do not see it, once the changes pause.
let pause;
function speak(text = "") {
  clearTimeout(pause);
  pause = setTimeout(() => {
    const what = [text || changed().join(", "), at("score").textContent, at("missed").textContent, ...warnings()];
    at("status").textContent = what.filter(Boolean).join(" ");
  }, PAUSE);
}

function fail(error) {
  at("loading").textContent = `The networks cannot be run here: ${error.message}.`;
  at("loading").hidden = false;
  at("status").textContent = at("loading").textContent;
}

// --- Choosing -------------------------------------------------------------------------------------------------------

// Take over what changes, and show it.
function choose(changes, event) {
  state = { ...state, ...changes };
  show(event?.timeStamp);
}

// Start from labels. A person chosen before stays, and is what the new face is compared with.
const startFrom = (labels, changes = {}) => (event) => {
  const before = state.person === null ? labels : people[state.person].labels;
  choose({ labels: [...labels], before: [...before], ...changes }, event);
};

const boxes = [], meters = []; // of the attributes, in their order
for (const [title, members] of offered.regions) {
  const group = element("fieldset", {}, element("legend", { textContent: title }));
  group.style.gridRow = `span ${members.length + 2}`; // its title, and a line below it
  for (const i of members) {
    const box = (boxes[i] = element("input", { type: "checkbox", id: `a${i}` }));
    box.setAttribute("aria-describedby", `m${i}`);
    box.addEventListener("change", (event) =>
      choose({ labels: state.labels.map((flag, j) => (j === i ? box.checked : flag)), strip: i }, event));
    const bar = element("span", { className: "bar" });
    const number = element("span", { className: "number" });
    const meter = element("span", { className: "meter", id: `m${i}` },
      element("span", { className: "unseen", textContent: "judge reads " }), element("span", { className: "track" }, bar), number);
    const row = element("div", { className: "attribute" },
      element("label", { htmlFor: box.id }, box, readable(names[i])), meter);
    meters[i] = { row, bar, number };
    group.append(row);
  }
  at("regions").append(group);
}

const radios = [null, ...people].map((person, i) => {
  const radio = element("input", { type: "radio", name: "person", value: i });
  radio.addEventListener("change", person ? startFrom(person.labels, { before: [...person.labels], person: i - 1 })
    : (event) => choose({ person: null, before: [...state.labels] }, event));
  const portrait = person ? element("canvas") : element("span", { className: "nobody", textContent: "Φ" });
  portrait.setAttribute("aria-hidden", "true");
  at("people").append(element("label", {}, radio, portrait,
    element("span", { textContent: person ? `Person ${i}` : "Labels alone" })));
  return Object.assign(radio, { portrait });
});

for (const [title, places] of offered.presets) {
  const button = element("button", { type: "button", textContent: title });
  button.addEventListener("click", startFrom(flags(places)));
  at("presets").append(button);
}

at("attribute").append(...names.map((name, i) => element("option", { value: i, textContent: readable(name) })));
at("attribute").addEventListener("change", (event) => choose({ strip: Number(event.target.value) }, event));

const stations = Array.from({ length: STATIONS }, (_, i) => {
  const canvas = element("canvas");
  canvas.setAttribute("role", "img");
  at("strip").append(element("li", {}, canvas, element("span", { textContent: (i / (STATIONS - 1)).toFixed(2) })));
  return canvas;
});

at("random").addEventListener("click", (event) =>
  startFrom(flags(offered.rows[Math.floor(Math.random() * offered.rows.length)]))(event));
at("reset").addEventListener("click", (event) => choose({ labels: [...state.before] }, event));
at("keep").addEventListener("click", (event) => choose({ before: [...state.labels] }, event));

at("save").addEventListener("click", async () => {
  const file = await png(at("face"), {
    Title: "Synthetic face",
    Description: `${described(state.labels)}; made from labels by a trained network, shows nobody`.replace(/[^\x20-\xff]/g, ""),
    Software: `Generating Face Images with Attributes for Free, weights "${offered.weights}"`,
    Source: location.hash,
  });
  const link = element("a", { href: URL.createObjectURL(file), download: "synthetic-face.png" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  speak("The picture is saved.");
});

at("link").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(location.href);
    at("link").textContent = "Link copied";
    speak("The link is copied.");
  } catch {
    at("link").textContent = "See the address bar";
    speak("The link stands in the address bar.");
  }
  setTimeout(() => (at("link").textContent = "Copy link"), 2000);
});

// --- Start ----------------------------------------------------------------------------------------------------------

// Show what the address asks for, else a person with one attribute switched.
async function open() {
  const { person, switched, strip } = offered.opening;
  const before = people[person].labels;
  const start = { labels: before.map((flag, i) => flag !== (i === switched)), before, person, strip };
  let problem = "";
  try {
    state = read(location.hash, names, people) ?? start;
  } catch (error) {
    state = start;
    problem = `${error.message}; so here is the first face.`;
  }
  await show(0);
  if (problem) {
    at("warnings").append(element("p", { textContent: problem }));
    at("warnings").hidden = false;
  }
}

at("about").textContent = `Weights “${offered.weights}”, ${offered.size} × ${offered.size} pixels; read back by ${judge}.`;
document.querySelector(".judge").textContent = judge;
window.addEventListener("hashchange", open);
try {
  await open();
  for (const [i, person] of people.entries()) draw(radios[i + 1].portrait, await networks.face(person.labels, person), "");
} catch (error) {
  fail(error);
}
