// The page: a list of episodes, and the chosen one frame by frame.

import { inWords } from "./actions.js";
import { drawCurve } from "./curve.js";
import { EpisodeList } from "./list.js";
import { data, drawFrame, judge, picturesOf, sharesOf } from "./recording.js";
import { number, showShares } from "./results.js";

const $ = (id) => document.getElementById(id);
const BETWEEN = 450; // milliseconds a frame while it plays
const hasThreshold = Boolean(data.reward?.terminates);
const state = { beta: data.reward?.beta ?? 1, episode: null, frame: 0, judged: new Map(), pictures: null, playing: 0 };

const FILTERS = {
  all: () => true,
  false_positives: (judged) => judged.falsePositive,
  missed: (judged) => judged.missed,
  disagree: (judged) => judged.disagrees,
};

// Before an episode is shown, which puts its own into the address.
const asked = data.episodes.find((episode) => `#${episode.number}` === location.hash);
const list = new EpisodeList($("list"), $("rows"), choose);

function judgeAll() {
  state.judged = new Map(data.episodes.map((episode) => [episode, judge(episode, state.beta)]));
  for (const place of document.querySelectorAll("[data-count]")) {
    const fits = FILTERS[place.dataset.count];
    place.textContent = `(${data.episodes.filter((episode) => fits(state.judged.get(episode))).length})`;
  }
}

function refill() {
  const fits = FILTERS[document.querySelector('input[name="show"]:checked').value];
  const goal = $("goal").value;
  const shown = data.episodes.filter((episode) => fits(state.judged.get(episode)) && (!goal || keyOf(episode) === goal));
  const sign = { down: -1, up: 1, played: 0 }[$("order").value];
  const confidence = (episode) => state.judged.get(episode).confidence;
  if (sign) shown.sort((a, b) => (confidence(a) === confidence(b) ? a.number - b.number : sign * (confidence(a) > confidence(b) ? 1 : -1)));
  $("shown").textContent = shown.length ? `${shown.length} of ${data.episodes.length} episodes` : "No episode is like this.";
  list.show(shown.map((episode) => ({ episode, title: `${episode.number}: ${episode.words}`, says: inShort(episode) })));
  if (shown.includes(state.episode)) list.mark(state.episode);
  else choose(shown[0] ?? null);
}

function inShort(episode) {
  const { paidAt, trueAt, falsePositive, missed, disagrees, confidence } = state.judged.get(episode);
  const what = falsePositive ? "false positive" : missed ? "missed success" : disagrees ? "disagree" : trueAt >= 0 ? "reached" : "not reached";
  const when = [paidAt >= 0 ? `paid ${paidAt + 1}` : "", trueAt >= 0 ? `true ${trueAt + 1}` : ""];
  return [what, episode.score ? number(confidence) : "", ...when].filter(Boolean).join(" · ");
}

function inFull(episode) {
  const { paidAt, trueAt, falsePositive, missed } = state.judged.get(episode);
  const truth = trueAt >= 0 ? `The goal is first reached at frame ${trueAt + 1}.` : "The goal is never reached.";
  if (!episode.score) return truth;
  if (!episode.fires) return `${truth} This reward is dense and has no threshold.`;
  if (falsePositive) return `False positive: the reward fires at frame ${paidAt + 1}, where the goal does not hold. ${truth}`;
  if (missed) return `Missed success: ${truth.toLowerCase().replace(".", ",")} and the reward ${paidAt < 0 ? "never fires" : "does not fire there"}.`;
  return paidAt < 0 ? `The reward never fires. ${truth}` : `The reward fires at frame ${paidAt + 1}, where the goal holds. ${truth}`;
}

async function choose(episode) {
  state.episode = episode;
  state.pictures = null;
  stop();
  list.mark(episode);
  $("words").textContent = episode ? episode.words : "No episode";
  $("frame").max = String(episode?.action.length ?? 1);
  if (!episode) {
    for (const id of ["outcome", "now", "curve", "shares", "where"]) $(id).replaceChildren();
    $("outcome").className = "";
    return;
  }
  remember(episode);
  const { paidAt, trueAt, confidence } = state.judged.get(episode);
  // Where something happens, or nearly does: that is what is looked for.
  show([paidAt, trueAt, episode.score?.lastIndexOf(confidence) ?? 0].find((frame) => frame >= 0) ?? 0);
  const pictures = await picturesOf(episode);
  if (state.episode !== episode) return;
  state.pictures = pictures;
  show(state.frame);
}

/** Put the episode into the address, for a bookmark or a link. */
function remember(episode) {
  try {
    history.replaceState(null, "", `#${episode.number}`);
  } catch (error) { /* in a frame of somebody else's page, which has no address of its own */ }
}

function show(frame) {
  const { episode } = state;
  if (!episode) return;
  const last = episode.action.length - 1;
  state.frame = Math.max(0, Math.min(last, frame));
  const judged = state.judged.get(episode);
  $("outcome").textContent = inFull(episode);
  $("outcome").className = judged.falsePositive || judged.missed ? "wrong" : judged.trueAt >= 0 ? "right" : "";
  $("frame").value = String(state.frame + 1);
  $("frame").setAttribute("aria-valuetext", `frame ${state.frame + 1} of ${last + 1}`);
  $("where").textContent = `${state.frame + 1} of ${last + 1}`;
  showFrames(episode);
  showNow(episode, judged);
  const points = episode.achieved.map((holds, index) => ({ p: episode.score?.[index] ?? null, paid: judged.paid[index], holds: Boolean(holds) }));
  drawCurve($("curve"), points, hasThreshold && episode.score ? state.beta : null, state.frame, show, data.reward?.score_range ?? [0, 1]);
  const shares = sharesOf(episode, state.frame);
  showShares($("shares"), shares, shares?.texts ?? [], Infinity, shares?.says);
  if (!shares) $("shares").textContent = "No reward scored this episode.";
}

function showFrames(episode) {
  const none = { agent: "Agent frame: a dataset keeps none, its scripted policies look at no picture.", reward_frame: "" };
  for (const [name, key, title] of [["agent", "agent", "Agent frame"], ["reward", "reward_frame", "Reward frame"]]) {
    const sheet = episode[key];
    const canvas = $(`${name}-frame`);
    canvas.parentElement.hidden = false;
    const drawn = drawFrame(canvas, sheet, state.pictures?.[name], state.frame);
    canvas.hidden = !drawn && !(sheet?.there && !state.pictures);
    canvas.setAttribute("aria-label", `${title} ${state.frame + 1}: ${episode.words}`);
    const size = sheet ? `, ${sheet.width} x ${sheet.height} pixels` : "";
    $(`${name}-says`).textContent = !sheet ? none[key] : sheet.there ? `${title}${size}` : `${title}: left out for lack of room, see above`;
  }
}

function showNow(episode, judged) {
  const { frame } = state;
  const reward = judged.rewards?.[frame];
  const rows = [
    ["led here", frame ? actionOf(episode, frame) : "the start of the episode", ""],
    ["then", frame + 1 < episode.action.length ? actionOf(episode, frame + 1) : "the episode is over", ""],
    [data.reward?.score_range[0] === 0 ? "p(goal)" : "score", episode.score ? number(episode.score[frame]) : "none", "number"],
    ["reward", reward === undefined ? "none" : episode.fires ? (reward ? "1, the reward fires" : "0") : number(reward), judged.paid[frame] ? "yes" : ""],
    ["true reward", String(episode.true_reward[frame]), ""],
    ["in truth", episode.achieved[frame] ? "the goal holds" : "the goal does not hold", episode.achieved[frame] ? "yes" : judged.paid[frame] ? "no" : ""],
    ["goal", `${episode.goal}${episode.family ? ` (${episode.family})` : ""}`, ""],
    ["who acts", `${episode.actor}, seed ${episode.seed}`, ""],
  ];
  $("now").replaceChildren(...rows.map(([name, text, kind]) => {
    const row = document.createElement("div");
    const [term, value] = ["dt", "dd"].map((element) => row.appendChild(document.createElement(element)));
    term.textContent = name;
    value.textContent = text;
    value.className = kind;
    return row;
  }));
}

function actionOf(episode, frame) {
  const name = data.actions[episode.action[frame]];
  return name ? inWords(name) : `action ${episode.action[frame]}`;
}

function stop() {
  clearInterval(state.playing);
  state.playing = 0;
  $("play").textContent = "Play";
  $("play").setAttribute("aria-pressed", "false");
}

function play() {
  if (state.playing || !state.episode) {
    stop();
    return;
  }
  if (state.frame === state.episode.action.length - 1) show(0);
  $("play").textContent = "Pause";
  $("play").setAttribute("aria-pressed", "true");
  state.playing = setInterval(() => {
    show(state.frame + 1);
    if (state.frame === state.episode.action.length - 1) stop();
  }, BETWEEN);
}

const step = (by) => { stop(); show(state.frame + by); };
const keyOf = (episode) => JSON.stringify([episode.family, episode.goal]);

function setBeta(value) {
  if (!Number.isFinite(value) || value < 0 || value > 1) return;
  state.beta = value;
  $("beta").value = String(value);
  $("beta").setAttribute("aria-valuetext", String(value));
  if (document.activeElement !== $("beta-number")) $("beta-number").value = String(value);
  judgeAll();
  refill();
  show(state.frame);
}

function fillGoals() {
  const goals = new Map(data.episodes.map((episode) => [keyOf(episode), episode]));
  const families = new Set(data.episodes.map(({ family }) => family));
  const words = (episode) => (families.size > 1 ? `${episode.family}: ${episode.words}` : episode.words);
  $("goal").append(...[...goals].sort(([, a], [, b]) => words(a).localeCompare(words(b))).map(([key, episode]) => new Option(words(episode), key)));
}

function wire() {
  for (const filter of document.querySelectorAll('input[name="show"]')) filter.addEventListener("change", refill);
  for (const id of ["goal", "order"]) $(id).addEventListener("change", refill);
  $("frame").addEventListener("input", () => { stop(); show($("frame").valueAsNumber - 1); });
  $("previous").addEventListener("click", () => step(-1));
  $("next").addEventListener("click", () => step(1));
  $("play").addEventListener("click", play);
  $("beta").addEventListener("input", () => setBeta($("beta").valueAsNumber));
  $("beta-number").addEventListener("input", () => setBeta($("beta-number").valueAsNumber));
  $("beta-back").addEventListener("click", () => setBeta(data.reward.beta));
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const { tagName } = event.target;
    if (["INPUT", "SELECT", "TEXTAREA"].includes(tagName)) return;
    const act = { ArrowLeft: () => step(-1), ArrowRight: () => step(1), n: () => list.go(1), b: () => list.go(-1) }[event.key];
    if (act) act();
    else if (event.key === " " && tagName !== "BUTTON") play();
    else return;
    event.preventDefault();
  });
}

$("what-if").hidden = !hasThreshold;
$("filters").disabled = !hasThreshold;
fillGoals();
wire();
judgeAll();
if (hasThreshold) setBeta(data.reward.beta);
else refill();
if (asked) choose(asked);
