// The gateway's API: every failure is one line that says what to do.

export class ApiError extends Error {
  constructor(line, code = "", status = 0) {
    super(line);
    this.code = code;
    this.status = status;
  }
}

// Texts of one request; the gateway takes 256 unless it was told otherwise.
const TEXTS_AT_ONCE = 64;

let token = "";

export const setToken = (value) => { token = value.trim(); };
export const hasToken = () => Boolean(token);

export async function call(path, body) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const options = { headers, cache: "no-store" };
  if (body !== undefined) {
    options.method = "POST";
    options.body = JSON.stringify(body);
    headers["Content-Type"] = "application/json";
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    throw new ApiError("The gateway does not answer. Start it again where it ran; what you wrote here stays.", "unreachable");
  }
  let values = null;
  try {
    values = await answer.json();
  } catch (error) { /* said below */ }
  if (answer.ok && values !== null) return values;
  const { code, message, fix } = values?.error ?? {};
  if (message) throw new ApiError(`${capital(message)}: ${fix}.`, code, answer.status);
  throw new ApiError(`HTTP ${answer.status} from something that is no reward gateway. Reload the page, or look at the gateway's log.`, "", answer.status);
}

export const models = async () => (await call("v1/models")).models;

/** Vectors of whole PNG or JPEG files, base64: {fingerprint, vectors}. */
export async function embedImages(model, images) {
  const { fingerprint, embeddings } = await call("v1/embed", { model, images });
  return { fingerprint, vectors: embeddings.map((row) => Float64Array.from(row)) };
}

/** Vectors of captions: {fingerprint, read: Map of caption to {vector, words, unknown}}. `tell` hears how many are done. */
export async function embedTexts(model, texts, tell) {
  const read = new Map();
  let fingerprint = "";
  for (let start = 0; start < texts.length; start += TEXTS_AT_ONCE) {
    const piece = texts.slice(start, start + TEXTS_AT_ONCE);
    const answer = await call("v1/embed_texts", { model, texts: piece });
    if (fingerprint && answer.fingerprint !== fingerprint) return embedTexts(model, texts, tell);
    fingerprint = answer.fingerprint;
    piece.forEach((text, index) => read.set(text, {
      vector: Float64Array.from(answer.embeddings[index]),
      words: answer.words?.[index] ?? null,
      unknown: answer.unknown?.[index] ?? null,
    }));
    tell(read.size, texts.length);
  }
  return { fingerprint, read };
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
