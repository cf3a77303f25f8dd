// p(goal) over the frames, as an SVG that is also a sentence.

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [640, 180, 34, 8, 8, 22];

export function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Draw `points` ([{p, paid} or null for a frame without a score]) into `place`; `choose` hears which frame was clicked. */
export function drawCurve(place, points, beta, here, choose) {
  const x = (index) => LEFT + (points.length > 1 ? index / (points.length - 1) : 0.5) * (WIDTH - LEFT - RIGHT);
  const y = (value) => TOP + (1 - value) * (HEIGHT - TOP - BOTTOM);
  const svg = element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": sentence(points, beta) });
  for (const value of [0, 0.5, 1]) {
    svg.append(element("line", { class: "axis", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }));
    svg.append(element("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, String(value)));
  }
  svg.append(element("text", { x: LEFT, y: HEIGHT - 5 }, "frame 1"));
  if (points.length > 1) svg.append(element("text", { x: WIDTH - RIGHT, y: HEIGHT - 5, "text-anchor": "end" }, String(points.length)));
  svg.append(element("line", { class: "beta", x1: LEFT, x2: WIDTH - RIGHT, y1: y(beta), y2: y(beta) }));
  if (points.length) svg.append(element("line", { class: "here", x1: x(here), x2: x(here), y1: TOP, y2: HEIGHT - BOTTOM }));
  const known = points.map((point, index) => point && [x(index), y(point.p), point.paid]);
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
  const values = points.filter(Boolean);
  if (!values.length) return "p of the goal over the frames: none is scored yet";
  const highest = values.reduce((best, point) => (point.p > best.p ? point : best));
  const paid = values.filter((point) => point.paid).length;
  return `p of the goal over ${points.length} frames: highest ${highest.p.toFixed(3)} at frame ${points.indexOf(highest) + 1}; `
    + `${paid} above the threshold ${beta}`;
}
