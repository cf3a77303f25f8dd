// p(goal) over the frames, as an SVG that is also a sentence.

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [640, 180, 34, 8, 8, 22];

export function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/**
 * Draw `points` ([{p, paid, holds}]) into `place`; `choose` hears which frame was clicked.
 *
 * A point is null for a frame without a score; `holds`, where it is known, says that the goal holds in truth. `beta` is
 * null for a reward without a threshold, whose scores lie in [low, high].
 */
export function drawCurve(place, points, beta, here, choose, [low, high] = [0, 1]) {
  const x = (index) => LEFT + (points.length > 1 ? index / (points.length - 1) : 0.5) * (WIDTH - LEFT - RIGHT);
  const y = (value) => TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM);
  const svg = element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": sentence(points, beta) });
  for (const value of [low, (low + high) / 2, high]) {
    svg.append(element("line", { class: "axis", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }));
    svg.append(element("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, String(value)));
  }
  svg.append(element("text", { x: LEFT, y: HEIGHT - 5 }, "frame 1"));
  if (points.length > 1) svg.append(element("text", { x: WIDTH - RIGHT, y: HEIGHT - 5, "text-anchor": "end" }, String(points.length)));
  if (beta !== null) svg.append(element("line", { class: "beta", x1: LEFT, x2: WIDTH - RIGHT, y1: y(beta), y2: y(beta) }));
  if (points.length) svg.append(element("line", { class: "here", x1: x(here), x2: x(here), y1: TOP, y2: HEIGHT - BOTTOM }));
  points.forEach((point, index) => {
    if (point?.holds) svg.append(element("rect", { class: "holds", x: x(index) - 4, y: HEIGHT - BOTTOM - 4, width: 8, height: 8 }));
  });
  const known = points.map((point, index) => (point && point.p !== null ? [x(index), y(point.p), point.paid] : null));
  let run = [];
  for (const point of [...known, null]) {
    if (point) run.push(`${point[0].toFixed(1)},${point[1].toFixed(1)}`);
    else if (run.length) {
      svg.append(element("polyline", { class: "p", points: run.join(" ") }));
      run = [];
    }
  }
  for (const point of known) {
    if (point) svg.append(element("circle", { class: point[2] ? "paid" : "dot", cx: point[0], cy: point[1], r: point[2] ? 4.5 : 3 }));
  }
  svg.addEventListener("click", (event) => {
    if (!points.length) return;
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width * WIDTH - LEFT) / (WIDTH - LEFT - RIGHT);
    choose(Math.max(0, Math.min(points.length - 1, Math.round(at * (points.length - 1)))));
  });
  place.replaceChildren(svg);
}

function sentence(points, beta) {
  const values = points.filter((point) => point && point.p !== null);
  const holds = points.some((point) => point?.holds !== undefined)
    ? `; the goal holds in ${points.filter((point) => point?.holds).length}` : "";
  if (!values.length) return `p of the goal over the frames: none is scored yet${holds}`;
  const highest = values.reduce((best, point) => (point.p > best.p ? point : best));
  const paid = values.filter((point) => point.paid).length;
  return `p of the goal over ${points.length} frames: highest ${highest.p.toFixed(3)} at frame ${points.indexOf(highest) + 1}; `
    + `${beta === null ? "without a threshold" : `${paid} above the threshold ${beta}`}${holds}`;
}
