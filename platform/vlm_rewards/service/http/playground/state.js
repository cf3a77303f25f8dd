// What is chosen and written in this tab, and what is known of texts. Nothing here asks anybody or draws anything.

export const WORDS = ["goal", "template", "others", "states"];
export const $ = (id) => document.getElementById(id);

// `own`: the words or numbers are the user's, and no model's or task set's. `taken`: the other goals of a task set.
export const state = { models: [], frames: [], here: 0, tau: 0.05, beta: 0.9, texts: [], own: false, taken: "" };

// What encoders made of texts, by their fingerprints: Map of caption to {vector, words, unknown}.
const read = new Map();

export const facts = () => state.models.find(({ name }) => name === $("model").value);
export const words = () => Object.fromEntries(WORDS.map((id) => [id, $(id).value]));
export const settings = () => ({ tau: state.tau, beta: state.beta, form: $("form").value });

export function textsOf(fingerprint) {
  if (!read.has(fingerprint)) read.set(fingerprint, new Map());
  return read.get(fingerprint);
}

export function setNumbers({ tau, beta }) {
  state.tau = tau;
  state.beta = beta;
  $("tau").value = Math.log10(tau);
  $("tau").setAttribute("aria-valuetext", String(tau));
  $("tau-number").value = String(tau);
  $("beta").value = beta;
  $("beta-number").value = String(beta);
}

/** What was written outlives a reload, in this tab alone. */
export function keep() {
  const { tau, beta, own, taken } = state;
  const kept = Object.fromEntries(["model", "form", ...WORDS].map((id) => [id, $(id).value]));
  sessionStorage.setItem("playground", JSON.stringify({ tau, beta, own, taken, kept }));
}

export function restore() {
  const { kept, own, taken, ...numbers } = JSON.parse(sessionStorage.getItem("playground")) ?? { kept: {}, own: false, ...state };
  setNumbers(numbers);
  if (!own) return;
  Object.assign(state, { own, taken });
  for (const id of ["form", ...WORDS]) $(id).value = kept[id];
}

export const modelBefore = () => $("model").value || JSON.parse(sessionStorage.getItem("playground"))?.kept.model;
