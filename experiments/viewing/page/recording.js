// What lies in the page: episodes, and pictures and cosines that are read when their episode is chosen.

import { shares } from "./reward.js";

export const data = JSON.parse(document.getElementById("data").textContent);

const STEPS = 32767; // a cosine of 1, as it is stored
const MOST_KEPT = 8; // episodes whose pictures stay decoded

function bytesOf(id) {
  const place = document.getElementById(id);
  return place ? Uint8Array.from(atob(place.textContent), (letter) => letter.charCodeAt(0)) : null;
}

/** The reward of each frame at this threshold: equation 2, of what so many of the latest frames agree on. */
export function rewardsOf(episode, beta) {
  if (!episode.score) return null;
  if (!episode.fires) return episode.score.map((score, index) => (index ? score : 0));
  const { need, of } = data.reward.agree;
  return episode.score.map((_, index) => {
    // No action led to the first frame: it is not rewarded, and no later one is compared with it.
    const latest = episode.score.slice(Math.max(1, index + 1 - of), index + 1).sort((a, b) => b - a);
    const agreed = index && latest.length >= need ? latest[need - 1] : 0;
    return index && Math.fround(agreed) > Math.fround(beta) ? 1 : 0;
  });
}

/** Where reward and truth part; frames are counted from 0, and -1 is none of them. */
export function judge(episode, beta) {
  const rewards = rewardsOf(episode, beta);
  const speaks = Boolean(rewards) && episode.fires;
  const paid = rewards?.map((reward) => speaks && reward > 0) ?? episode.achieved.map(() => false);
  const paidAt = paid.indexOf(true);
  const trueAt = episode.achieved.indexOf(1);
  return {
    rewards,
    paid,
    paidAt,
    trueAt,
    falsePositive: paidAt >= 0 && !episode.achieved[paidAt],
    missed: speaks && trueAt >= 0 && !paid.some((fires, index) => fires && episode.achieved[index]),
    disagrees: speaks && paid.some((fires, index) => index && fires !== Boolean(episode.achieved[index])),
    confidence: episode.score ? episode.score.slice(1).reduce((best, score) => Math.max(best, score), -Infinity) : -Infinity,
  };
}

const cosines = new Map();

/** {parts, similarities, winner, texts} of one frame: the goal, its nearest negatives, and the others together. */
export function sharesOf(episode, frame) {
  if (!episode.caption) return null;
  if (!cosines.has(episode)) cosines.set(episode, new Int16Array(bytesOf(`similarity-${episode.number}`).buffer));
  const count = episode.caption.length;
  const similarities = [...cosines.get(episode).subarray(frame * count, (frame + 1) * count)].map((value) => value / STEPS);
  const rest = episode.rest[frame];
  const parts = shares(similarities, data.reward.tau).map((part) => part * (1 - rest));
  const texts = episode.caption.map((number) => data.captions[number]);
  const winner = parts.indexOf(Math.max(...parts));
  if (!episode.others) return { parts, similarities, winner, texts, says: `The goal and all ${count - 1} negatives.` };
  return {
    parts: [...parts, rest],
    similarities: [...similarities, null],
    winner,
    texts: [...texts, `the other ${episode.others} negatives together`],
    says: `The goal, the ${count - 1} negatives that come nearest in this episode, and the other ${episode.others} together.`,
  };
}

const pictures = new Map();

/** A promise of {agent, reward}: the episode's sheets as bitmaps, null where there is none. */
export function picturesOf(episode) {
  if (!pictures.has(episode)) {
    const bitmap = async (id) => {
      const bytes = bytesOf(id);
      return bytes && createImageBitmap(new Blob([bytes], { type: "image/webp" }));
    };
    pictures.set(episode, Promise.all([bitmap(`agent-${episode.number}`), bitmap(`reward-${episode.number}`)]));
    if (pictures.size > MOST_KEPT) pictures.delete(pictures.keys().next().value);
  }
  return pictures.get(episode).then(([agent, reward]) => ({ agent, reward }));
}

/** Draw one frame of a sheet; says whether there was one. */
export function drawFrame(canvas, sheet, bitmap, frame) {
  const context = canvas.getContext("2d");
  if (!sheet || !bitmap) {
    context.clearRect(0, 0, canvas.width, canvas.height);
    return false;
  }
  const { width, height, columns } = sheet;
  const tile = sheet.tile[frame];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  context.drawImage(bitmap, (tile % columns) * width, Math.floor(tile / columns) * height, width, height, 0, 0, width, height);
  return true;
}
