// From files to pictures that the gateway takes: PNG and JPEG as they are, the frames of anything animated as PNG.

// The gateway takes bodies of 32 MiB; base64 makes four bytes of three.
const MOST_BYTES = 23 * 2 ** 20;
const MOST_PIXELS = 2 ** 24;
export const MOST_FRAMES = 300;

/**
 * The pictures in one file: [{name, blob}], with lines to say about it.
 *
 * Throws an Error whose message is one line where the file holds none.
 */
export async function picturesOf(file) {
  const head = new Uint8Array(await file.slice(0, 64 * 1024).arrayBuffer());
  const kind = kindOf(head);
  if (!file.size) throw new Error(`${file.name} is empty. Choose a whole picture.`);
  if (kind === "png" && !holds(head, "acTL") || kind === "jpeg") {
    if (file.size > MOST_BYTES) throw new Error(`${file.name} has ${megabytes(file.size)}; the gateway takes ${megabytes(MOST_BYTES)}. Scale it down.`);
    return { pictures: [{ name: file.name, blob: file }], notes: [] };
  }
  if (kind === null) throw new Error(`${file.name} is no picture that this page reads. Choose PNG, JPEG, GIF or WebP; save a video as a GIF or as pictures.`);
  return "ImageDecoder" in window ? animated(file, kind) : still(file);
}

async function animated(file, kind) {
  const decoder = new ImageDecoder({ data: await file.arrayBuffer(), type: `image/${kind}`, preferAnimation: true });
  try {
    await decoder.tracks.ready;
    const count = await framesOf(decoder);
    const step = Math.ceil(count / MOST_FRAMES);
    const pictures = [];
    for (let index = 0; index < count; index += step) {
      const { image } = await decoder.decode({ frameIndex: index });
      try {
        checkPixels(file, image.displayWidth, image.displayHeight);
        const name = count > 1 ? `${file.name}, frame ${index + 1}` : file.name;
        pictures.push({ name, blob: await asPng(image, image.displayWidth, image.displayHeight) });
      } finally {
        image.close();
      }
    }
    const notes = step > 1 ? [`${file.name} has ${count} frames; every ${step}th is taken, ${pictures.length} in all.`] : [];
    return { pictures, notes };
  } catch (error) {
    if (error.ours) throw error;
    throw new Error(`${file.name} cannot be decoded; it is cut or damaged. Save it again.`);
  } finally {
    decoder.close();
  }
}

async function framesOf(decoder) {
  // The number of frames is known only once the whole file has been read.
  await decoder.completed;
  return decoder.tracks.selectedTrack.frameCount;
}

async function still(file) {
  let image;
  try {
    image = await createImageBitmap(file);
  } catch (error) {
    throw new Error(`${file.name} cannot be decoded; it is cut or damaged. Save it again.`);
  }
  checkPixels(file, image.width, image.height);
  const note = `This browser reads only the first picture of ${file.name}; save its frames as pictures to see all.`;
  return { pictures: [{ name: file.name, blob: await asPng(image, image.width, image.height) }], notes: [note] };
}

async function asPng(image, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  // Over white, as the gateway lays transparent pictures.
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(image, 0, 0, width, height);
  return canvas.convertToBlob({ type: "image/png" });
}

function checkPixels(file, width, height) {
  if (width * height <= MOST_PIXELS) return;
  const error = new Error(`${file.name} is ${width} x ${height} pixels; ${MOST_PIXELS / 1e6} million are the most. Scale it down.`);
  error.ours = true;
  throw error;
}

/** A blob as base64, without the `data:` before it. */
export function base64Of(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(new Error("The file cannot be read any more. Choose it again."));
    reader.readAsDataURL(blob);
  });
}

export function blobOf(base64) {
  return new Blob([Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))], { type: "image/png" });
}

function kindOf(head) {
  const text = String.fromCharCode(...head.slice(0, 16));
  if (text.startsWith("\x89PNG\r\n\x1a\n")) return "png";
  if (text.startsWith("\xff\xd8\xff")) return "jpeg";
  if (text.startsWith("GIF87a") || text.startsWith("GIF89a")) return "gif";
  if (text.startsWith("RIFF") && text.slice(8, 12) === "WEBP") return "webp";
  if (text.slice(4, 8) === "ftyp" && /avif|avis/.test(text.slice(8, 12))) return "avif";
  return null;
}

function holds(head, chunk) {
  return new TextDecoder("latin1").decode(head).includes(chunk);
}

const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
