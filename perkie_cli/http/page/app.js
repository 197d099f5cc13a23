"use strict";

const LONGEST = 2048; // px: more than any picture needs, and a phone's photo stays a quick upload
const UNREACHED = "The server cannot be reached.";
const $ = (id) => document.getElementById(id);
const cards = new Map();

const session = (() => {
  try {
    const known = localStorage.getItem("perkie-session");
    if (known) return known;
    const made = crypto.randomUUID ? crypto.randomUUID() : `s${Date.now()}${Math.random().toString(36).slice(2)}`;
    localStorage.setItem("perkie-session", made);
    return made;
  } catch {
    return `s${Date.now()}`; // storage may be denied; the session then lasts as long as the page
  }
})();

function headers(more = {}) {
  const key = $("key").value.trim();
  return key ? { ...more, Authorization: `Bearer ${key}` } : more;
}

function say(text, bad = false) {
  $("message").textContent = text;
  $("message").classList.toggle("bad", bad);
}

function addCard(id, title, note) {
  const card = $("card").content.firstElementChild.cloneNode(true);
  card.querySelector(".name").textContent = title;
  card.querySelector(".facts").textContent = note;
  if (id === "cutout") card.classList.add("cutout");
  $("gallery").append(card);
  cards.set(id, card);
}

function fill(id, outcome) {
  const card = cards.get(id);
  if (!card) return;
  card.classList.remove("busy");
  card.classList.toggle("failed", !outcome.success);
  const facts = card.querySelector(".facts");
  if (!outcome.success) {
    const { type, detail } = outcome.problem;
    facts.textContent = type.endsWith(":quota_exceeded") ? "no picture left today" : detail;
    return;
  }
  const { result } = outcome;
  const image = card.querySelector("img");
  image.alt = card.querySelector(".name").textContent;
  image.src = result.image_url;
  image.hidden = false;
  card.classList.add("filled");
  card.querySelector(".frame").style.aspectRatio = `${result.width} / ${result.height}`;
  const how = result.cache_hit ? "from the cache" : `${result.processing_time.toFixed(1)} s`;
  const whose = result.degraded ? "a simpler drawing for now" : result.engine;
  facts.textContent = `${whose}, ${how}`;
}

function showQuota(quota) {
  if (!quota) return;
  const words = { low: "two pictures left today", last: "one picture left today", exhausted: "more tomorrow" };
  $("quota").textContent = words[quota.warning] || `${quota.remaining} of ${quota.limit} pictures left today`;
}

/** Shrinks what the browser can decode; anything else (HEIC on most) goes up as it is. */
async function prepared(file) {
  try {
    const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
    const scale = LONGEST / Math.max(bitmap.width, bitmap.height);
    if (scale >= 1) return file;
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(bitmap.width * scale);
    canvas.height = Math.round(bitmap.height * scale);
    canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve) => canvas.toBlob((blob) => resolve(blob || file), "image/jpeg", 0.92));
  } catch {
    return file;
  }
}

/** Reads server-sent events from a POST, which EventSource cannot make. */
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const parts = rest.split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const name = /^event: (.*)$/m.exec(part);
      const data = /^data: (.*)$/m.exec(part);
      if (name && data) yield [name[1], JSON.parse(data[1])];
    }
  }
}

const sentence = (problem) => [problem.detail, problem.hint].filter(Boolean).join(". ");

async function problemOf(response) {
  if (response.status === 401) $("access").open = true;
  return sentence(await response.json().catch(() => ({}))) || `The server answered ${response.status}.`;
}

async function draw(file) {
  $("photo").src = URL.createObjectURL(file);
  $("photo").hidden = false;
  for (const card of cards.values()) {
    card.classList.remove("failed", "filled");
    card.classList.add("busy");
    card.querySelector("img").hidden = true;
    card.querySelector(".facts").textContent = "being drawn…";
  }
  say("Sending the photo…");
  const form = new FormData();
  form.append("image", await prepared(file), file.name);
  form.append("session_id", session);
  form.append("strategy", "pregenerate");
  const asked = headers({ Accept: "text/event-stream" });
  const response = await fetch("api/v2/process", { method: "POST", body: form, headers: asked });
  if (!response.ok) throw new Error(await problemOf(response));
  for await (const [name, body] of events(response)) {
    if (name === "accepted") say("The artists are at work.");
    else if (name === "cutout") fill("cutout", body);
    else if (name === "style") fill(body.style, body);
    else if (name === "error") throw new Error(sentence(body));
    else if (name === "done") { say(body.success ? "Done." : "No picture could be made.", !body.success); showQuota(body.quota); }
  }
}

let busy = false;
async function start(file) {
  if (!file || busy) return;
  busy = true;
  try {
    await draw(file);
  } catch (error) {
    say(error instanceof TypeError ? UNREACHED : error.message, true); // a TypeError is fetch's word for it
  } finally {
    busy = false;
    for (const card of cards.values()) {
      if (card.classList.replace("busy", "failed")) card.querySelector(".facts").textContent = "";
    }
  }
}

async function open() {
  addCard("cutout", "Cut out", "the pet alone");
  const response = await fetch("api/v1/styles");
  const { styles } = await response.json();
  for (const style of styles) addCard(style.id, style.title, style.popular ? "popular" : "on demand");
  const quota = await fetch(`api/v1/quota?session_id=${encodeURIComponent(session)}`, { headers: headers() });
  if (quota.ok) showQuota((await quota.json()).quota);
  else if (quota.status === 401) $("access").open = true;
}

$("file").addEventListener("change", ({ target }) => {
  start(target.files[0]);
  target.value = ""; // so that the same photo can be chosen again
});
for (const [name, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
  $("drop").addEventListener(name, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", over);
    if (name === "drop") start(event.dataTransfer.files[0]);
  });
}
open().catch(() => say(UNREACHED, true));
