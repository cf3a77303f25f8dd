// Stepping an environment by buttons, where the playground's server has any.

import { cellOf, inWords } from "./actions.js";
import { call } from "./api.js";
import { blobOf } from "./pictures.js";

const $ = (id) => document.getElementById(id);

export class Stage {
  /** `hooks`: begin(opened) for an episode, frame({name, blob, truth}), say(topic, line, bad), busy(promise). */
  constructor(hooks) {
    this.hooks = hooks;
    this.session = null;
    this.working = false;
    $("environment").addEventListener("change", () => this.showGoals());
    $("env-start").addEventListener("click", () => this.attempt(() => this.start()));
    $("env-taps").addEventListener("keydown", (event) => this.moveFocus(event));
  }

  /** Ask which environments there are; a gateway on a cluster has none. */
  async look() {
    let environments = [];
    let why = "";
    try {
      ({ environments, why } = await call("playground/environments"));
    } catch (error) {
      why = error.status === 404 ? "" : error.message;
    }
    this.environments = environments;
    $("environment").replaceChildren(...environments.map(({ id, title }) => new Option(title, id)));
    $("env-start").disabled = !environments.length;
    if (!environments.length) {
      $("environment").append(new Option("none here", ""));
      $("env-start").title = "This gateway has no environments; `make playground` in a checkout has.";
    }
    this.hooks.say("environments", why, true);
    this.showGoals();
  }

  showGoals() {
    const found = this.environments.find(({ id }) => id === $("environment").value);
    const options = (found?.goals ?? []).map(({ id, subject }) => new Option(subject, id));
    $("env-goal").replaceChildren(new Option("drawn at random", ""), ...options);
  }

  async start() {
    const opened = await call("playground/environments/open", { environment: $("environment").value, goal: $("env-goal").value || null, previous: this.session });
    this.session = opened.session;
    this.buttons(opened);
    await this.hooks.begin(opened, $("env-words").checked);
    this.show(opened, "start");
  }

  async step(action) {
    this.show(await call("playground/environments/step", { session: this.session, action }));
  }

  show(state, name = state.action) {
    $("env-playing").hidden = false;
    $("env-picture").src = URL.createObjectURL(blobOf(state.view));
    $("env-picture").alt = `The environment after ${state.steps} steps`;
    const truth = state.achieved ? "the goal holds" : "the goal does not hold";
    const over = state.over ? " The episode is over; start another." : "";
    $("env-says").textContent = `Goal: ${state.goal.instruction}. Step ${state.steps}, ${name}; ground truth: ${truth}.${over}`;
    this.over = state.over;
    this.enable();
    this.hooks.frame({ name: `step ${state.steps}, ${name}`, blob: blobOf(state.frame), truth: state.achieved });
  }

  buttons({ actions }) {
    const taps = actions.map((name, index) => ({ index, at: cellOf(name) })).filter(({ at }) => at);
    const rest = actions.map((name, index) => ({ name, index })).filter(({ name }) => !cellOf(name));
    this.columns = taps.length ? Math.max(...taps.map(({ at }) => Number(at[2]))) + 1 : 0;
    $("env-taps").style.gridTemplateColumns = `repeat(${this.columns}, 1fr)`;
    $("env-taps").replaceChildren(...taps.map(({ index, at: [name] }, place) => {
      const button = this.button("", index);
      button.setAttribute("aria-label", inWords(name).replace("tap", "Tap"));
      button.tabIndex = place ? -1 : 0;
      return button;
    }));
    $("env-taps").hidden = !taps.length;
    $("env-actions").replaceChildren(...rest.map(({ name, index }) => this.button(inWords(name), index)), this.button("random action", null));
  }

  button(text, action) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.addEventListener("click", () => this.attempt(() => this.step(action)));
    return button;
  }

  /** One tab stop for all cells; arrow keys go from one to the next. */
  moveFocus(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns }[event.key];
    const cells = [...$("env-taps").children];
    const to = cells[cells.indexOf(document.activeElement) + by];
    if (!by || !to) return;
    event.preventDefault();
    document.activeElement.tabIndex = -1;
    to.tabIndex = 0;
    to.focus();
  }

  enable() {
    // Not `disabled`, which would take the focus away from who steps by keyboard.
    for (const button of $("env-playing").querySelectorAll("button")) button.setAttribute("aria-disabled", String(this.over));
  }

  async attempt(work) {
    if (this.working) return;
    this.working = true;
    try {
      await work();
      this.hooks.say("stage", "");
    } catch (error) {
      this.hooks.say("stage", error.message, true);
    } finally {
      this.working = false;
    }
  }
}
