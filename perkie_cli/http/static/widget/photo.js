/** A chosen file as a photo: read at once, recognised by its bytes, shrunk where it is larger than anybody needs. */

import { megabytes } from "./words.js";

const MOST_SIDE = 4096; // px; the server shrinks anything larger
const MOST_BYTES = 8 * 1024 * 1024; // above, a phone's upload takes too long
const HEAD = 512 * 1024; // bytes in which a JPEG says its size: thumbnails and profiles come first

/** A file that cannot be a photo; `code` names the words to show, `values` fill them. */
export class Unusable extends Error {
  constructor(code, values = {}) {
    super(code);
    Object.assign(this, { code, values });
  }
}

/**
 * The photo of a file: `{blob, name, type, width, height}`; the size is 0 × 0 where its header does not tell.
 *
 * The file is copied first: on iOS the reference goes stale after a pause, and an empty body would be sent.
 */
export async function read(file, limits) {
  let bytes;
  try {
    bytes = await file.arrayBuffer();
  } catch {
    throw new Unusable("unreadable", { name: file.name });
  }
  if (!bytes.byteLength) throw new Unusable("empty", { name: file.name });
  const head = new DataView(bytes, 0, Math.min(bytes.byteLength, HEAD));
  const type = kind(head);
  if (!type) throw new Unusable("not_an_image", { name: file.name });
  const [width, height] = size(head, type);
  if (width && Math.min(width, height) < limits.min_side) {
    throw new Unusable("too_small", { name: file.name, width, height, side: limits.min_side });
  }
  const blob = await fitting(new Blob([bytes], { type }), width, height);
  if (blob.size > limits.max_bytes) throw new Unusable("too_many_bytes", { name: file.name, size: megabytes(limits.max_bytes) });
  return { blob, name: file.name || "photo", type, width, height };
}

const text = (head, at, length) =>
  at + length > head.byteLength ? "" : String.fromCharCode(...new Uint8Array(head.buffer, at, length));

/** The type by content: the name's ending and the browser's word for it are often wrong. */
function kind(head) {
  if (text(head, 0, 3) === "\xff\xd8\xff") return "image/jpeg";
  if (text(head, 0, 8) === "\x89PNG\r\n\x1a\n") return "image/png";
  if (text(head, 0, 4) === "RIFF" && text(head, 8, 4) === "WEBP") return "image/webp";
  if (text(head, 4, 4) === "ftyp" && /hei[cfmsx]|hev[cmsx]|mif1|msf1/.test(text(head, 8, Math.min(56, head.byteLength - 8)))) return "image/heic";
  return "";
}

function size(head, type) {
  try {
    if (type === "image/png") return [head.getUint32(16), head.getUint32(20)];
    if (type === "image/webp") return webp(head);
    if (type === "image/jpeg") return jpeg(head);
  } catch { /* the header is cut short: the server says what it thinks of it */ }
  return [0, 0];
}

/** The frame header among the segments (ITU T.81, B.2), as the picture is seen. */
function jpeg(head) {
  let sideways = false;
  for (let at = 2; at + 9 < head.byteLength; at += 2 + head.getUint16(at + 2)) {
    const marker = head.getUint16(at);
    const frame = marker >= 0xffc0 && marker <= 0xffcf && ![0xffc4, 0xffc8, 0xffcc].includes(marker);
    const [height, width] = [head.getUint16(at + 5), head.getUint16(at + 7)];
    if (frame) return sideways ? [height, width] : [width, height];
    if (marker === 0xffe1 && text(head, at + 4, 4) === "Exif") sideways = orientation(head, at + 10) > 4;
    if (marker >> 8 !== 0xff) break;
  }
  return [0, 0];
}

/** The tag 0x0112 of the first directory (Exif 3.0, 4.6.5); 1 where there is none. */
function orientation(head, tiff) {
  const little = text(head, tiff, 2) === "II";
  const directory = tiff + head.getUint32(tiff + 4, little);
  for (let entry = 0; entry < head.getUint16(directory, little); entry++) {
    const at = directory + 2 + entry * 12;
    if (head.getUint16(at, little) === 0x0112) return head.getUint16(at + 8, little);
  }
  return 1;
}

/** The three kinds of WebP (RFC 9649). */
function webp(head) {
  const chunk = text(head, 12, 4);
  if (chunk === "VP8X") return [24, 27].map((at) => (head.getUint16(at, true) | (head.getUint8(at + 2) << 16)) + 1);
  if (chunk === "VP8 ") return [26, 28].map((at) => head.getUint16(at, true) & 0x3fff);
  const bits = head.getUint32(21, true);
  return [(bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1];
}

let decoding = Promise.resolve(); // one picture at a time: phones hang at several

/** The original bytes, so that the same photo is found again from any device; a smaller copy if it is huge. */
function fitting(blob, width, height) {
  const side = Math.max(width, height);
  if (side <= MOST_SIDE && blob.size <= MOST_BYTES) return blob;
  const shape = width >= height ? { resizeWidth: Math.min(width, MOST_SIDE) } : { resizeHeight: Math.min(height, MOST_SIDE) };
  decoding = decoding.then(() => side && shrunk(blob, shape)).catch(() => null);
  return decoding.then((small) => (small && (side > MOST_SIDE || small.size < blob.size) ? small : blob));
}

/** The browser scales while it decodes: a canvas of the full size turns out black on iOS (16.7 megapixels). */
async function shrunk(blob, shape) {
  const bitmap = await createImageBitmap(blob, { imageOrientation: "from-image", resizeQuality: "high", ...shape });
  const canvas = document.createElement("canvas");
  try {
    if (Math.max(bitmap.width, bitmap.height) > MOST_SIDE) return null; // a browser that scales before it turns
    [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    if (uniform(bitmap)) return null;
    const type = blob.type === "image/jpeg" ? "image/jpeg" : "image/webp"; // keeps what is transparent
    return await new Promise((resolve) => canvas.toBlob(resolve, type, 0.92));
  } finally {
    bitmap.close();
    canvas.width = canvas.height = 0; // Safari keeps the memory otherwise
  }
}

/** One colour all over: a decoder that ran out of memory gives that, without an error. */
function uniform(bitmap) {
  const probe = document.createElement("canvas");
  probe.width = probe.height = 8;
  const context = probe.getContext("2d");
  context.drawImage(bitmap, 0, 0, 8, 8);
  const pixels = new Uint32Array(context.getImageData(0, 0, 8, 8).data.buffer);
  return pixels.every((pixel) => pixel === pixels[0]);
}
