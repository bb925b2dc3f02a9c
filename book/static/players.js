// The pages of lib/players: everything to be shown is in the page already, this only moves through it.

function playBalancing(player) {
  const played = JSON.parse(player.querySelector("script").textContent);
  const [strategy, back, play, on, slider] = ["select", ".back", ".play", ".on", "input"].map((what) => player.querySelector(what));
  const words = player.querySelector("[role=status]");
  const bars = [...player.querySelectorAll(".bar span")];
  const counts = [...player.querySelectorAll(".count")];
  let timer = null;

  function show() {
    const moment = played[strategy.value][slider.value];
    words.textContent = moment.words;
    moment.counts.forEach((count, i) => {
      bars[i].style.width = `${(100 * count) / player.dataset.full}%`;
      counts[i].textContent = count.toLocaleString("en");
    });
  }
  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "▶ play";
    words.setAttribute("aria-live", "polite"); // while it plays, nobody wants each moment read out
  }
  function step(by) {
    slider.value = Number(slider.value) + by; // the slider keeps within its ends
    show();
    if (slider.value === slider.max) stop();
  }
  function start() {
    if (slider.value === slider.max) slider.value = 0;
    play.textContent = "❚❚ pause";
    words.setAttribute("aria-live", "off");
    timer = setInterval(step, 150, 1);
  }
  play.addEventListener("click", () => (timer ? stop() : start()));
  back.addEventListener("click", () => (stop(), step(-1)));
  on.addEventListener("click", () => (stop(), step(1)));
  slider.addEventListener("input", () => (stop(), show()));
  strategy.addEventListener("change", show);
  show();
}

function mixLosses(player) {
  const choices = [...player.querySelectorAll("input")];
  const effects = [...player.querySelectorAll(".effect")];
  const show = () => choices.forEach((choice, i) => (effects[i].hidden = !choice.checked));
  player.addEventListener("change", show);
  show();
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("#balancing").forEach(playBalancing);
  document.querySelectorAll("#losses").forEach(mixLosses);
});
