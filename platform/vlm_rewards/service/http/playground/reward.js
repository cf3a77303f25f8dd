// Equation 1 and what goes into it: pure functions of texts and vectors, the same as vlm_rewards.heads and .goals.

export const PLACEHOLDER = "[TASK]";

// Distance of two vectors of length 1 below which they are one text to the model: that of vlm_rewards.goals.told_apart.
const ONE_TEXT = 1e-3;

export const fill = (template, subject) => template.split(PLACEHOLDER).join(subject);

/** What does not change a caption's meaning left out: case, spacing, and how accents are stored. */
export const normalised = (text) => text.normalize("NFC").toLowerCase().split(/\s+/).filter(Boolean).join(" ");

export const linesOf = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);

/**
 * The set L of a goal, and what is wrong with it.
 *
 * Returns {prompt, negatives: [{text, goal}], bad, self, notes}: `bad` is a sentence where nothing can be scored, `notes`
 * say what was left out, `self` that the goal stands among the others, as it does in every task set. `goal` is the other
 * goal that a negative was made of, or null for a caption.
 */
export function setOf({ goal, template, others, states }) {
  const empty = { prompt: "", negatives: [], bad: "", self: "", notes: [] };
  if (!goal.trim()) return { ...empty, bad: "The goal is empty. Write what the picture should show." };
  if (!template.includes(PLACEHOLDER)) {
    return { ...empty, bad: `The template lacks ${PLACEHOLDER}. Write it where the goal goes, as in “a photo of [TASK]”.` };
  }
  const prompt = fill(template, goal.trim());
  const own = normalised(prompt);
  const notes = [];
  let self = "";
  const distinct = new Map();
  for (const other of linesOf(others)) {
    const text = fill(template, other);
    if (normalised(text) === own) self = `“${other}” is the goal itself, so it does not compete with it.`;
    else if (!distinct.has(normalised(text))) distinct.set(normalised(text), { text, goal: other });
  }
  for (const text of linesOf(states)) {
    if (normalised(text) === own) {
      notes.push(`The caption “${text}” says the same as the goal and was left out; a preset with it is refused. Reword one.`);
    } else if (!distinct.has(normalised(text))) distinct.set(normalised(text), { text, goal: null });
  }
  const negatives = [...distinct.values()];
  const bad = negatives.length ? "" : "There is no negative: p would be 1 for every picture. Write at least one line of what else a picture may show.";
  return { prompt, negatives, bad, self, notes };
}

export function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += a[i] * b[i];
  return sum;
}

export function distance(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += (a[i] - b[i]) ** 2;
  return Math.sqrt(sum);
}

/** The negatives that the model cannot tell from the goal. */
export const oneWithGoal = (goal, negatives, vectors) =>
  negatives.filter(({ text }) => distance(vectors.get(goal), vectors.get(text)) < ONE_TEXT);

/** Softmax of similarities over τ: every member's share, which add up to 1. */
export function shares(similarities, tau) {
  const largest = Math.max(...similarities);
  const weights = similarities.map((value) => Math.exp((value - largest) / tau));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** Score and reward of one picture. β is rounded to float32 first, as the scores are: see vlm_rewards.heads.threshold. */
export function judge(image, texts, { tau, beta, form }) {
  const similarities = texts.map((text) => dot(image, text));
  const parts = shares(similarities, tau);
  const [p] = parts;
  const winner = parts.indexOf(Math.max(...parts));
  const binary = Math.fround(p) > Math.fround(beta) ? 1 : 0;
  const reward = { softmax_binary: binary, probability: p, cosine: similarities[0] }[form];
  return { p, reward, paid: binary === 1, similarities, parts, winner };
}
