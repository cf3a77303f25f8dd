// The page: its parts put together.

import * as api from "./api.js";
import { asCurl, asPython, asYaml } from "./copy.js";
import { drawCurve } from "./curve.js";
import { forget, say } from "./lines.js";
import { MOST_FRAMES, picturesOf } from "./pictures.js";
import { judge, setOf } from "./reward.js";
import { showShares, showStrip, showVerdict } from "./results.js";
import { Scoring } from "./scoring.js";
import { Stage } from "./stage.js";
import { $, facts, keep, modelBefore, restore, setNumbers, settings, state, textsOf, WORDS, words } from "./state.js";
import { TaskSets } from "./task_sets.js";

const taskSets = new TaskSets();
const scoring = new Scoring(show, lookForModels);
const stage = new Stage({ begin: beginEpisode, frame: (frame) => add([frame]), say });

/** Compute all that is shown from what is known; nothing is asked of anybody. */
function show() {
  const model = facts();
  const { prompt, negatives, bad } = setOf(words());
  const known = model ? textsOf(model.encoder_fingerprint) : new Map();
  state.texts = [prompt, ...negatives.map(({ text }) => text)];
  const ready = !bad && state.texts.every((text) => known.has(text));
  const vectors = ready ? state.texts.map((text) => known.get(text).vector) : [];
  for (const frame of state.frames) {
    const image = model && frame.vectors.get(model.encoder_fingerprint);
    frame.judged = ready && image ? judge(image, vectors, settings()) : null;
  }
  const frame = state.frames[state.here];
  showVerdict($("verdict"), frame, settings(), state.texts);
  showShares($("shares"), frame?.judged, state.texts);
  showStrip($("strip"), state.frames, state.here, choose);
  drawCurve($("curve"), state.frames.map(({ judged }) => judged), state.beta, state.here, choose);
  $("seen").hidden = !frame;
  if (frame) Object.assign($("seen"), { src: frame.url, alt: `Frame ${state.here + 1}: ${frame.name}` });
  const last = state.frames.length - 1;
  $("first").disabled = $("previous").disabled = state.here <= 0;
  $("next").disabled = $("last").disabled = state.here >= last;
  $("clear").disabled = last < 0;
}

function choose(index) {
  state.here = Math.max(0, Math.min(state.frames.length - 1, index));
  show();
}

async function lookForModels() {
  const before = modelBefore();
  state.models = await api.models();
  $("model").replaceChildren(...state.models.map(({ name, model }) => new Option(model === name ? name : `${name} (${model})`, name)));
  if (state.models.some(({ name }) => name === before)) $("model").value = before;
  const none = "No model runs here. Start one, as with `vlm-rewards playground` or `serve run -a local serve_deployments/gateway.yaml`.";
  say("models", state.models.length ? "" : none, true, start);
  await useModel();
}

/** Show what the chosen model says of itself, and take its words and numbers where nobody has written others. */
async function useModel() {
  const model = facts();
  $("model-facts").textContent = model
    ? `Reads pictures of ${model.image_size.join(" x ")} pixels (height x width); served with τ ${model.tau}, β ${model.beta}, ${model.goal_ids.length} goals, form ${model.form}.`
    : "";
  if (!model || state.own) return;
  takeNumbers(model);
  const found = await taskSets.ofGoals(model.goal_ids);
  if (found) takeWords(found, found.goals[0]);
}

function takeNumbers(model) {
  $("template").value = model.template;
  if (model.form !== "goal_baseline") $("form").value = model.form;
  setNumbers(model);
}

function takeWords(set, goal) {
  $("task-set").value = taskSets.has(set.name) ? set.name : "";
  $("known-goals").replaceChildren(...set.goals.map(({ subject }) => new Option(subject)));
  $("goal").value = goal.subject;
  $("others").value = state.taken = set.goals.map(({ subject }) => subject).join("\n");
  $("states").value = set.unachieved_captions.join("\n");
}

async function addFiles(files) {
  const added = [];
  forget("file ");
  for (const file of files) {
    try {
      const { pictures, notes } = await picturesOf(file);
      added.push(...pictures);
      say(`file ${file.name}`, notes.join(" "));
    } catch (error) {
      say(`file ${file.name}`, error.message, true);
    }
  }
  add(added);
}

function add(pictures) {
  const room = MOST_FRAMES - state.frames.length;
  const left = pictures.length - room;
  say("room", left > 0 ? `${MOST_FRAMES} frames are the most; ${left} were left out. Remove some first.` : "", true);
  const taken = pictures.slice(0, room).map((picture) => ({ ...picture, url: URL.createObjectURL(picture.blob), vectors: new Map(), judged: null, bad: "" }));
  if (!taken.length) return;
  state.here = state.frames.length;
  state.frames.push(...taken);
  scoring.refresh();
}

function clear() {
  for (const { url } of state.frames) URL.revokeObjectURL(url);
  forget("frame ");
  forget("room");
  state.frames = [];
  state.here = 0;
}

/** An episode begins: its goal and words, and a model that knows the goal. */
async function beginEpisode(opened, takesWords) {
  clear();
  if (!takesWords) return;
  const knows = (model) => model?.goal_ids.includes(opened.goal.id);
  const able = knows(facts()) ? facts() : state.models.find(knows);
  if (able) {
    $("model").value = able.name;
    takeNumbers(able);
  }
  state.own = true;
  takeWords({ name: opened.task_set, goals: opened.goals, unachieved_captions: opened.captions }, opened.goal);
  await useModel();
}

async function copy(make) {
  const model = facts();
  const set = setOf(words());
  if (!model || set.bad) {
    say("copy", set.bad || "Nothing to copy: no model runs here.", true);
    return;
  }
  const url = location.href.replace(/\/playground.*$/, "");
  const text = make({ facts: model, words: words(), settings: settings(), url, name: model.name, token: api.hasToken(), ...set });
  $("copied").value = text;
  try {
    await navigator.clipboard.writeText(text);
    say("copy", "Copied.");
  } catch (error) {
    $("copied").select();
    say("copy", "The browser does not let this page copy; the text is below.");
  }
}

let typing = 0;
function typed() {
  state.own = true;
  clearTimeout(typing);
  typing = setTimeout(() => scoring.refresh(), 200);
}

/** Take a number over at once, whether it was slid or typed. */
function slide(name, value) {
  const [symbol, low, high] = { tau: ["τ", 1e-4, 100], beta: ["β", 0, 1] }[name];
  const good = Number.isFinite(value) && value >= low && value <= high;
  say(name, good ? "" : `${symbol} must lie between ${low} and ${high}; the last good value stays.`, true);
  if (!good) return;
  state.own = true;
  state[name] = value;
  show();
  keep();
}

function wireNumbers() {
  $("tau").addEventListener("input", () => {
    const value = Number((10 ** $("tau").valueAsNumber).toPrecision(3));
    $("tau-number").value = String(value);
    $("tau").setAttribute("aria-valuetext", String(value));
    slide("tau", value);
  });
  $("beta").addEventListener("input", () => {
    $("beta-number").value = $("beta").value;
    slide("beta", $("beta").valueAsNumber);
  });
  for (const name of ["tau", "beta"]) {
    $(`${name}-number`).addEventListener("input", () => {
      slide(name, $(`${name}-number`).valueAsNumber);
      $(name).value = name === "tau" ? Math.log10(state.tau) : state.beta;
    });
  }
}

function wireFiles() {
  $("files").addEventListener("change", async () => {
    await addFiles([...$("files").files]);
    $("files").value = "";
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      $("drop").classList.toggle("over", kind === "dragover");
      if (kind === "drop") addFiles([...event.dataTransfer.files]);
    });
  }
}

function wire() {
  for (const id of WORDS) $(id).addEventListener("input", typed);
  $("form").addEventListener("change", () => scoring.refresh());
  $("model").addEventListener("change", async () => {
    await useModel();
    scoring.refresh();
  });
  $("token").addEventListener("change", () => {
    api.setToken($("token").value);
    start();
  });
  $("look-again").addEventListener("click", start);
  $("task-set").addEventListener("change", async () => {
    const name = $("task-set").value;
    if (name) {
      const set = await taskSets.named(name);
      takeWords(set, set.goals[0]);
      state.own = true;
    }
    scoring.refresh();
  });
  $("first").addEventListener("click", () => choose(0));
  $("previous").addEventListener("click", () => choose(state.here - 1));
  $("next").addEventListener("click", () => choose(state.here + 1));
  $("last").addEventListener("click", () => choose(state.frames.length - 1));
  $("clear").addEventListener("click", () => {
    clear();
    show();
  });
  for (const [name, make] of [["yaml", asYaml], ["python", asPython], ["curl", asCurl]]) $(`copy-${name}`).addEventListener("click", () => copy(make));
}

async function start() {
  try {
    await taskSets.look();
    await lookForModels();
    say("api", "");
  } catch (error) {
    if (!(error instanceof api.ApiError)) throw error;
    say("api", error.code === "unauthorized" ? `${error.message} Write it under “Access token”.` : error.message, true, start);
    return;
  }
  scoring.refresh();
  await stage.look();
}

restore();
wire();
wireNumbers();
wireFiles();
show();
start();
