"use strict";
// What a page can do beyond being read: the slider over a search's epochs, and buttons that copy.

const EPOCH_MS = 700;

for (const player of document.querySelectorAll("[data-player]")) follow(player);
for (const button of document.querySelectorAll("[data-copy]")) copying(button);

function follow(player) {
  const frames = JSON.parse(player.querySelector("[data-frames]").textContent);
  const slider = player.querySelector("input[type=range]");
  const button = player.querySelector("[data-play]");
  const charts = player.closest("section").querySelectorAll("svg[data-axis]");
  let timer = 0;

  function show() {
    const at = Number(slider.value);
    const epoch = frames.epochs[at];
    player.querySelector("[data-epoch]").textContent = epoch;
    player.querySelector("[data-change]").textContent = frames.changes[at];
    slider.setAttribute("aria-valuetext", `epoch ${epoch}`);
    for (const [kind, shown] of Object.entries(frames.cells)) {
      const held = player.querySelector(`[data-cells="${CSS.escape(kind)}"]`).querySelectorAll(".frame");
      held.forEach((frame, number) => { frame.hidden = number !== shown[at]; });
    }
    for (const kind of Object.keys(frames.weights)) paint(kind, at);
    for (const chart of charts) mark(chart, epoch);
  }

  function paint(kind, at) {
    const cells = player.querySelectorAll(`[data-heat="${CSS.escape(kind)}"] [data-place]`);
    const chosen = new Set(frames.choices[kind][at]);
    cells.forEach((cell, number) => {
      const weight = frames.weights[kind][at][number];
      cell.textContent = weight;
      cell.style.setProperty("--w", `${weight}%`);
      cell.classList.toggle("chosen", chosen.has(Number(cell.dataset.place)));
    });
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
    button.textContent = "Play";
    button.setAttribute("aria-pressed", "false");
  }

  button.addEventListener("click", () => {
    if (timer) { stop(); return; }
    if (slider.value === slider.max) slider.value = slider.min;
    show();
    button.textContent = "Stop";
    button.setAttribute("aria-pressed", "true");
    timer = setInterval(() => {
      slider.stepUp();
      show();
      if (slider.value === slider.max) stop();
    }, EPOCH_MS);
  });
  slider.addEventListener("input", () => { stop(); show(); });
  player.querySelector(".controls").hidden = false;
  show();
}

// The line that says in every curve where the slider stands.
function mark(chart, epoch) {
  const [low, high, begin, end] = chart.dataset.axis.split(" ").map(Number);
  const x = begin + (end - begin) * (epoch - low) / (high - low);
  const line = chart.querySelector(".now");
  line.setAttribute("x1", x);
  line.setAttribute("x2", x);
}

function copying(button) {
  const source = document.getElementById(button.dataset.copy);
  const said = document.querySelector("[data-said]");
  button.hidden = false;
  button.addEventListener("click", async () => {
    let word = "Copied";
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      // Browsers that give no clipboard to a file: the text is marked, and the usual keys copy it.
      getSelection().selectAllChildren(source);
      word = "Selected: copy it with your keys";
    }
    button.textContent = word;
    said.textContent = word;
    setTimeout(() => { button.textContent = "Copy"; said.textContent = ""; }, 2500);
  });
}
