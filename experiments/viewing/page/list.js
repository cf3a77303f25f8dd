// The list of episodes: only the rows in sight are elements, so that thousands cost what twenty do.

const ROW = 52; // pixels; 3.25rem of the style

export class EpisodeList {
  /** `choose` hears of an episode that was chosen by hand. */
  constructor(place, rows, choose) {
    Object.assign(this, { place, rows, choose, items: [], chosen: null });
    place.addEventListener("scroll", () => this.draw(), { passive: true });
    place.addEventListener("keydown", (event) => this.key(event));
    rows.addEventListener("click", (event) => {
      const row = event.target.closest(".episode");
      if (row) this.choose(this.items[Number(row.dataset.index)].episode);
    });
    new ResizeObserver(() => this.draw()).observe(place);
  }

  /** Show items ([{episode, title, says}]). */
  show(items) {
    this.items = items;
    this.rows.style.height = `${items.length * ROW}px`;
    this.place.scrollTop = 0;
    this.draw();
  }

  indexOf(episode) {
    return this.items.findIndex((item) => item.episode === episode);
  }

  /** Mark an episode, and bring it into sight. */
  mark(episode) {
    this.chosen = episode;
    const index = this.indexOf(episode);
    if (index >= 0) {
      const { scrollTop, clientHeight } = this.place;
      if (index * ROW < scrollTop) this.place.scrollTop = index * ROW;
      else if ((index + 1) * ROW > scrollTop + clientHeight) this.place.scrollTop = (index + 1) * ROW - clientHeight;
    }
    this.draw();
  }

  draw() {
    const first = Math.max(0, Math.floor(this.place.scrollTop / ROW) - 2);
    const last = Math.min(this.items.length, Math.ceil((this.place.scrollTop + this.place.clientHeight) / ROW) + 2);
    this.rows.replaceChildren(...this.items.slice(first, last).map((item, offset) => this.row(item, first + offset)));
    const there = this.rows.querySelector('[aria-selected="true"]');
    if (there) this.place.setAttribute("aria-activedescendant", there.id);
    else this.place.removeAttribute("aria-activedescendant");
  }

  row({ episode, title, says }, index) {
    const row = document.createElement("div");
    row.className = "episode";
    row.id = `row-${index}`;
    row.dataset.index = index;
    row.style.top = `${index * ROW}px`;
    const attributes = { role: "option", "aria-selected": episode === this.chosen, "aria-setsize": this.items.length, "aria-posinset": index + 1 };
    for (const [name, value] of Object.entries(attributes)) row.setAttribute(name, String(value));
    for (const [name, text] of [["strong", title], ["span", says]]) {
      const part = document.createElement(name);
      part.textContent = text;
      row.append(part);
    }
    return row;
  }

  key(event) {
    const page = Math.max(1, Math.floor(this.place.clientHeight / ROW) - 1);
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
    if (by === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.go(by);
  }

  /** Choose the episode so many rows further. */
  go(by) {
    if (!this.items.length) return;
    const from = this.indexOf(this.chosen);
    const to = from < 0 ? 0 : Math.max(0, Math.min(this.items.length - 1, from + by));
    this.choose(this.items[to].episode);
  }
}
