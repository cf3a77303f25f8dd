// What was tried here as texts to take along. JSON's strings are YAML's and Python's too.

import { linesOf, normalised, fill } from "./reward.js";

/** Goals with ids, the judged one first, and the captions that a preset may have. */
function taskSet(words) {
  const own = normalised(fill(words.template, words.goal.trim()));
  const seen = new Set([own]);
  const others = linesOf(words.others).filter((other) => {
    const text = normalised(fill(words.template, other));
    return !seen.has(text) && seen.add(text);
  });
  const states = linesOf(words.states).filter((text) => normalised(text) !== own);
  const goals = [words.goal.trim(), ...others].map((subject, index) => ({ id: index ? `other_${index}` : "goal", subject }));
  return { goals, states };
}

const text = JSON.stringify;

function rewardOf({ facts, words, settings, states }) {
  const head = settings.form === "softmax_binary" ? "" : `\n  head: {form: ${settings.form}}`;
  const kind = states.length ? "goals_and_states" : "goals";
  return `reward:
  model: ${text(facts.model)}
  template: ${text(words.template)}
  negatives: {kind: ${kind}}
  tau: ${settings.tau}
  beta: ${settings.beta}${head}
`;
}

/** Settings of a reward application, of `vlm-rewards check-reward`, and the `reward:` of a training preset. */
export function asYaml({ facts, words, settings }) {
  const { goals, states } = taskSet(words);
  const listed = goals.map(({ id, subject }) => `    - {id: ${id}, subject: ${text(subject)}, instruction: ${text(subject)}}`);
  const captions = states.map((caption) => `    - ${text(caption)}`);
  return `# vlm-rewards check-reward THIS.yaml; the args of a reward application in Serve YAML are the same
task_set:
  name: playground
  version: 1
  goals:
${listed.join("\n")}
${captions.length ? `  unachieved_captions:\n${captions.join("\n")}\n` : ""}${rewardOf({ facts, words, settings, states })}`;
}

export function asPython({ facts, words, settings }) {
  const { goals, states } = taskSet(words);
  const listed = goals.map(({ id, subject }) => `    Goal(id=${text(id)}, subject=${text(subject)}, instruction=${text(subject)}),`);
  const head = settings.form === "softmax_binary" ? "" : `\n    head={"form": ${text(settings.form)}},`;
  const kind = states.length ? "goals_and_states" : "goals";
  return `import sys

import numpy as np
from PIL import Image

from vlm_rewards.goals import Goal, NegativesSpec, TaskSet
from vlm_rewards.reward_model import RewardConfig, RewardModel

goals = (
${listed.join("\n")}
)
captions = (${states.map((caption) => `\n    ${text(caption)},`).join("")}${states.length ? "\n" : ""})
config = RewardConfig(
    model=${text(facts.model)},
    template=${text(words.template)},
    negatives=NegativesSpec(kind=${text(kind)}),
    tau=${settings.tau},
    beta=${settings.beta},${head}
)
model = RewardModel(config, TaskSet(name="playground", version=1, goals=goals, unachieved_captions=captions))
for path in sys.argv[1:]:
    frame = np.asarray(Image.open(path).convert("RGB"))
    (score,) = model.score(frame[None], ["goal"])
    print(path, score, model.reward([score])[0])
`;
}

export function asCurl({ url, name, words, settings, prompt, negatives, token }) {
  const header = token ? ` -H "Authorization: Bearer $VLM_REWARDS_TOKEN"` : "";
  const body = text({ model: name, texts: [prompt, ...negatives.map((negative) => negative.text)] });
  const own = text(text({ model: name, images: ["IMAGE"] }));
  return `# p(goal) of frame.png; the first text is the goal${token ? ", the token is in VLM_REWARDS_TOKEN" : ""}
base64 -w0 frame.png | python3 -c 'import sys; print(${own.replaceAll("'", "\\u0027")}.replace("IMAGE", sys.stdin.read()))' |
  curl -sS${header} -H "Content-Type: application/json" --data-binary @- ${url}/v1/embed > image.json
curl -sS${header} -H "Content-Type: application/json" --data-binary @- ${url}/v1/embed_texts > texts.json <<'END'
${body}
END
python3 - <<'END'
import json, math
image = json.load(open("image.json"))["embeddings"][0]
cosines = [sum(a * b for a, b in zip(image, row)) for row in json.load(open("texts.json"))["embeddings"]]
weights = [math.exp((cosine - max(cosines)) / ${settings.tau}) for cosine in cosines]
print("p(goal)", weights[0] / sum(weights), "threshold", ${settings.beta})
END
`;
}
