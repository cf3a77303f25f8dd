// Messages of the page: one line a topic, so that a new one takes the place of the old.

const topics = new Map();

/** Say a line about a topic, or take it back with an empty one. `again` adds a button that tries once more. */
export function say(topic, line, bad = false, again = null) {
  if ((topics.get(topic)?.line ?? "") === line) return;
  if (line) topics.set(topic, { line, bad, again });
  else topics.delete(topic);
  document.getElementById("lines").replaceChildren(...[...topics].map(([name, message]) => item(name, message)));
}

/** Take back all lines whose topics begin so. */
export function forget(prefix) {
  for (const topic of [...topics.keys()]) if (topic.startsWith(prefix)) say(topic, "");
}

function item(topic, { line, bad, again }) {
  const made = document.createElement("li");
  made.className = bad ? "bad" : "note";
  made.dataset.topic = topic;
  made.append(`${bad ? "Problem: " : ""}${line}`);
  if (again) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Try again";
    button.addEventListener("click", () => { say(topic, ""); again(); });
    made.append(button);
  }
  return made;
}
