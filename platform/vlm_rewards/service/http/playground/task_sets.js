// The task sets that come with the library, as a start for one's own words.

import { call } from "./api.js";

export class TaskSets {
  constructor() {
    this.listed = [];
    this.loaded = new Map();
  }

  /** List them; harmless when repeated. */
  async look() {
    if (this.listed.length) return;
    ({ task_sets: this.listed } = await call("playground/task-sets"));
    const place = document.getElementById("task-set");
    place.append(...this.listed.map(({ name, goals }) => new Option(`${name} (${goals} goals)`, name)));
  }

  has(name) {
    return this.listed.some((listed) => listed.name === name);
  }

  async named(name) {
    if (!this.loaded.has(name)) this.loaded.set(name, await call(`playground/task-sets/${encodeURIComponent(name)}`));
    return this.loaded.get(name);
  }

  /** The one with just these goals, or null. */
  async ofGoals(ids) {
    const alike = this.listed.filter(({ goals, first, last }) => goals === ids.length && first === ids[0] && last === ids.at(-1));
    return alike.length ? this.named(alike[0].name) : null;
  }
}
