// Asking the model for what is missing: captions first, then frames. What is known is never asked for again.

import * as api from "./api.js";
import { say } from "./lines.js";
import { base64Of } from "./pictures.js";
import { oneWithGoal, setOf } from "./reward.js";
import { facts, keep, state, textsOf, words } from "./state.js";

const MOST_CAPTIONS = 2000;
const IMAGES_AT_ONCE = 16;
// Refusals that are one picture's fault.
const PICTURES_FAULTS = ["invalid_frames", "too_large", "invalid_request"];

export class Scoring {
  /** `show` draws what is known; `lookForModels` lists the models anew. */
  constructor(show, lookForModels) {
    this.show = show;
    this.lookForModels = lookForModels;
    this.working = null;
    this.again = false;
  }

  /** Ask for what is missing, then show it. What changes meanwhile is asked for in another round. */
  refresh() {
    this.show();
    keep();
    this.again = true;
    this.working ??= this.rounds();
    return this.working;
  }

  async rounds() {
    try {
      while (this.again) {
        this.again = false;
        await this.round();
        this.show();
      }
    } finally {
      // At once, not when the promise is settled: what is asked for in between would wait for ever.
      this.working = null;
    }
  }

  async round() {
    try {
      await this.askForTexts();
      await this.askForImages();
      say("api", "");
    } catch (error) {
      if (!(error instanceof api.ApiError)) throw error;
      say("reading", "");
      say("api", error.message, true, () => this.refresh());
    }
  }

  async askForTexts() {
    const set = setOf(words());
    const all = [set.prompt, ...set.negatives.map(({ text }) => text)];
    const many = all.length > MOST_CAPTIONS ? `${all.length} captions; this page compares ${MOST_CAPTIONS} at most. Leave some out: nothing was sent.` : "";
    say("words", set.bad || many, true);
    const self = words().others === state.taken ? "" : set.self;
    say("notes", [self, ...set.notes.slice(0, 2)].filter(Boolean).join(" "));
    const model = facts();
    if (!model || set.bad || many) return;
    const missing = all.filter((text) => !textsOf(model.encoder_fingerprint).has(text));
    if (missing.length) {
      const tell = (done, of) => say("reading", of > 64 && done < of ? `Reading captions: ${done} of ${of}.` : "");
      const answer = await api.embedTexts(model.name, missing, tell);
      if (await this.changed(model, answer.fingerprint)) return;
      for (const [text, value] of answer.read) textsOf(answer.fingerprint).set(text, value);
    }
    tellWhatIsNotRead(model, set);
  }

  async askForImages() {
    const model = facts();
    if (!model) return;
    const key = model.encoder_fingerprint;
    const missing = state.frames.filter((frame) => !frame.vectors.has(key) && frame.bad !== key);
    for (let start = 0; start < missing.length; start += IMAGES_AT_ONCE) {
      say("reading", missing.length > IMAGES_AT_ONCE ? `Scoring frames: ${start} of ${missing.length}.` : "");
      if (!await this.embed(model, missing.slice(start, start + IMAGES_AT_ONCE))) return;
      this.show();
    }
    say("reading", "");
  }

  /** Whether the model is still the one that was asked for. */
  async embed(model, frames) {
    let answer;
    try {
      answer = await api.embedImages(model.name, await Promise.all(frames.map(({ blob }) => base64Of(blob))));
    } catch (error) {
      if (!PICTURES_FAULTS.includes(error.code)) throw error;
      if (frames.length > 1) {
        for (const frame of frames) if (!await this.embed(model, [frame])) return false;
      } else {
        frames[0].bad = model.encoder_fingerprint;
        say(`frame ${frames[0].name}`, `${frames[0].name}: ${error.message.replace(/^Image 0 /, "it ")}`, true);
      }
      return true;
    }
    if (await this.changed(model, answer.fingerprint)) return false;
    frames.forEach((frame, index) => frame.vectors.set(answer.fingerprint, answer.vectors[index]));
    return true;
  }

  /** Whether somebody has put another model under this name; then everything is asked for anew. */
  async changed(model, fingerprint) {
    if (fingerprint === model.encoder_fingerprint) return false;
    say("changed", `Model ${model.name} was changed while this page was open; everything is scored again.`);
    await this.lookForModels();
    this.again = true;
    return true;
  }
}

function tellWhatIsNotRead(model, { prompt, negatives }) {
  const known = textsOf(model.encoder_fingerprint);
  const vectors = new Map([...known].map(([text, { vector }]) => [text, vector]));
  const [same] = oneWithGoal(prompt, negatives, vectors);
  say("same", same ? `To model ${model.name} the goal and “${same.text}” are one text. Reword one of them: the goal can never win.` : "", true);
  const { words: count, unknown } = known.get(prompt);
  say("unknown", unknown > 0 ? `Model ${model.name} does not know ${unknown} of the ${count} words in “${prompt}”; its score means little.` : "");
}
