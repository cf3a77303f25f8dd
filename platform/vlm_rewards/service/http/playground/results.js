// The chosen frame's verdict, everybody's shares, and the strip of frames.

import { element } from "./curve.js";

const MOST_ROWS = 25;

export const number = (value, digits = 3) => (Math.abs(value) < 1e-3 && value !== 0 ? value.toExponential(1) : value.toFixed(digits));

const make = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};

export function showVerdict(place, frame, settings, texts) {
  const judged = frame?.judged;
  if (!judged) {
    const says = frame?.bad ? "The model refused this picture; the line above says why." : "Nothing is scored yet.";
    place.replaceChildren(make("p", { className: "quiet" }, says));
    return;
  }
  const { p, reward, winner, parts } = judged;
  const who = winner ? `The negative “${texts[winner]}” has the largest share, ${number(parts[winner])}.` : "The goal has the largest share.";
  const rule = settings.form === "softmax_binary" ? ` (1 where p > ${settings.beta})` : "";
  place.replaceChildren(
    make("p", {},
      make("span", { className: "number", id: "p" }, `p(goal) ${number(p)}`),
      make("span", { className: "number", id: "r" }, `reward ${number(reward, settings.form === "softmax_binary" ? 0 : 3)}`), rule),
    make("p", { id: "winner" }, who),
  );
}

/** `parts` and `similarities` of `texts`; a similarity of null is of several captions together. `says` is the table's caption. */
export function showShares(place, judged, texts, most = MOST_ROWS, says = "") {
  if (!judged) {
    place.replaceChildren();
    return;
  }
  const order = judged.parts.map((_, index) => index).sort((a, b) => judged.parts[b] - judged.parts[a]);
  const shown = order.filter((index, rank) => rank < most || index === 0);
  const rows = shown.map((index) => make("tr", { className: index ? "" : "goal" },
    Object.assign(make("th", {}, texts[index], index === judged.winner ? make("span", { className: "wins" }, " (wins)") : ""), { scope: "row" }),
    make("td", {}, index ? "negative" : "goal"),
    bar(judged.parts[index]),
    make("td", { className: "number" }, number(judged.parts[index])),
    make("td", { className: "number" }, judged.similarities[index] === null ? "" : number(judged.similarities[index]))));
  const rest = order.length - shown.length;
  const head = ["Caption", "Is", "Share", "", "Cosine"].map((title, column) => Object.assign(make("th", { className: column > 2 ? "number" : "" }, title || "of 1"), { scope: "col" }));
  place.replaceChildren(make("table", {},
    make("caption", {}, says || (rest ? `The largest ${shown.length} of ${order.length}; the other ${rest} have less than each of these.` : `All ${order.length}.`)),
    make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)));
}

function bar(share) {
  const svg = element("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" });
  svg.append(element("rect", { x: 0, y: 0, width: 100 * share, height: 8 }));
  return make("td", { className: "bar" }, svg);
}

export function showStrip(place, frames, here, choose) {
  place.replaceChildren(...frames.map((frame, index) => {
    const { judged } = frame;
    const says = judged ? (judged.p < 0.01 ? "p <.01" : `p ${judged.p.toFixed(2)}`) : frame.bad ? "refused" : "…";
    const truth = frame.truth === undefined ? "" : frame.truth ? ", holds" : "";
    const button = make("button", { type: "button", title: frame.name },
      make("img", { src: frame.url, alt: frame.name }),
      make("span", { className: judged?.paid ? "paid" : "" }, `${index + 1}: ${says}${judged?.paid ? " ✓" : ""}${truth}`));
    if (index === here) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => choose(index));
    return make("li", {}, button);
  }));
  // Within the strip alone: `scrollIntoView` would move the page as well.
  const chosen = place.children[here];
  if (chosen) place.scrollLeft = chosen.offsetLeft - place.offsetLeft - (place.clientWidth - chosen.offsetWidth) / 2;
}
