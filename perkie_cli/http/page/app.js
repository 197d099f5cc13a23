"use strict";

const LONGEST = 2048; // px: more than any picture needs, and a phone's photo stays a quick upload
const UNREACHED = "The server cannot be reached.";
const $ = (id) => document.getElementById(id);
const cards = new Map();

/** localStorage, which may be denied: then nothing outlasts the page. */
const store = {
  read(name) {
    try { return localStorage.getItem(name); } catch { return null; }
  },
  write(name, text) {
    try { localStorage.setItem(name, text); } catch { /* the page works without */ }
  },
};

const session = (() => {
  const known = store.read("perkie-session");
  if (known) return known;
  const made = crypto.randomUUID ? crypto.randomUUID() : `s${Date.now()}${Math.random().toString(36).slice(2)}`;
  store.write("perkie-session", made);
  return made;
})();

// The last photo's hash and pictures, by card: they are there again after a reload, until their links end.
let last = { hash: null, photo: null, pictures: {} };

function remember(id, result) {
  if (!result.expires_at) return; // a data URL is too large to be kept
  const { image_url, expires_at, width, height, original_url } = result;
  if (original_url) last.photo = original_url;
  last.pictures[id] = { image_url, expires_at, width, height };
  store.write("perkie-last", JSON.stringify(last));
}

function restore() {
  try {
    last = { ...last, ...JSON.parse(store.read("perkie-last") || "{}") };
  } catch {
    return;
  }
  for (const [id, result] of Object.entries(last.pictures)) {
    if (Date.parse(result.expires_at) > Date.now()) show(id, result, "from before");
  }
  if (last.photo && $("gallery").querySelector(".filled")) showPhoto(last.photo);
  offer();
}

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
  card.querySelector(".ask-for").addEventListener("click", () => start(() => drawOne(id)));
  card.querySelector("img").addEventListener("error", () => {
    clear(card, "no longer there");
    delete last.pictures[id];
    offer();
  });
  $("gallery").append(card);
  cards.set(id, card);
}

function clear(card, note) {
  card.classList.remove("failed", "filled", "busy");
  card.querySelector("img").hidden = true;
  card.querySelector(".download").hidden = true;
  card.querySelector(".facts").textContent = note;
}

function wait(id) {
  clear(cards.get(id), "being drawn…");
  cards.get(id).classList.add("busy");
}

/** Offers the styles that are not drawn yet, once there is a photo. */
function offer() {
  for (const [id, card] of cards) {
    const open = last.hash && id !== "cutout" && !card.classList.contains("filled") && !card.classList.contains("busy");
    card.querySelector(".ask-for").hidden = !open;
  }
}

function showPhoto(url) {
  $("photo").src = url;
  $("photo").hidden = false;
}

$("photo").addEventListener("error", () => { $("photo").hidden = true; });

function show(id, result, facts) {
  const card = cards.get(id);
  if (!card) return;
  card.classList.add("filled");
  const image = card.querySelector("img");
  image.alt = card.querySelector(".name").textContent;
  image.src = result.image_url;
  image.hidden = false;
  card.querySelector(".frame").style.aspectRatio = `${result.width} / ${result.height}`;
  card.querySelector(".facts").textContent = facts;
  const link = card.querySelector(".download");
  link.href = result.image_url;
  link.download = `perkie-${id}.${id === "cutout" ? "png" : "jpg"}`;
  link.hidden = false;
}

function fill(id, outcome) {
  const card = cards.get(id);
  if (!card) return;
  card.classList.remove("busy");
  card.classList.toggle("failed", !outcome.success);
  if (!outcome.success) {
    const { type, detail } = outcome.problem;
    card.querySelector(".facts").textContent = type.endsWith(":quota_exceeded") ? "no picture left today" : detail;
    return;
  }
  const { result } = outcome;
  const how = result.cache_hit ? "from the cache" : `${result.processing_time.toFixed(1)} s`;
  const whose = result.degraded ? "a simpler drawing for now" : result.engine;
  show(id, result, `${whose}, ${how}`);
  remember(id, result);
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

/** The cut-out and the popular styles of a photo; the others wait for a click, and so does their price. */
async function draw(file) {
  showPhoto(URL.createObjectURL(file));
  last = { hash: null, photo: null, pictures: {} };
  for (const card of cards.values()) clear(card, "");
  wait("cutout");
  say("Sending the photo…");
  const form = new FormData();
  form.append("image", await prepared(file), file.name);
  form.append("session_id", session);
  form.append("strategy", "hybrid");
  const asked = headers({ Accept: "text/event-stream" });
  const response = await fetch("api/v2/process", { method: "POST", body: form, headers: asked });
  if (!response.ok) throw new Error(await problemOf(response));
  for await (const [name, body] of events(response)) {
    if (name === "accepted") {
      say("The artists are at work.");
      last.hash = body.image_hash;
      for (const id of body.styles) if (cards.has(id)) wait(id);
    } else if (name === "cutout") fill("cutout", body);
    else if (name === "style") fill(body.style, body);
    else if (name === "error") throw new Error(sentence(body));
    else if (name === "done") {
      say(body.success ? "Done." : "No picture could be made.", !body.success);
      showQuota(body.quota);
    }
  }
}

/** One more style of the last photo, which is not sent again. */
async function drawOne(style) {
  wait(style);
  say("The artist is at work.");
  const body = JSON.stringify({ image_hash: last.hash, style, session_id: session });
  const asked = headers({ "Content-Type": "application/json" });
  const response = await fetch("api/v1/generate", { method: "POST", body, headers: asked });
  if (!response.ok) throw new Error(await problemOf(response));
  const result = await response.json();
  fill(style, { success: true, result });
  say("Done.");
  showQuota(result.quota);
}

let busy = false;
async function start(work) {
  if (busy) return;
  busy = true;
  try {
    await work();
  } catch (error) {
    say(error instanceof TypeError ? UNREACHED : error.message, true); // a TypeError is fetch's word for it
  } finally {
    busy = false;
    for (const card of cards.values()) {
      if (card.classList.replace("busy", "failed")) card.querySelector(".facts").textContent = "";
    }
    offer();
  }
}

function choose(file) {
  if (file) start(() => draw(file));
}

async function open() {
  addCard("cutout", "Cut out", "the pet alone");
  const response = await fetch("api/v1/styles");
  const { styles } = await response.json();
  for (const style of styles) addCard(style.id, style.title, style.popular ? "popular" : "on demand");
  restore();
  const quota = await fetch(`api/v1/quota?session_id=${encodeURIComponent(session)}`, { headers: headers() });
  if (quota.ok) showQuota((await quota.json()).quota);
  else if (quota.status === 401) $("access").open = true;
}

$("file").addEventListener("change", ({ target }) => {
  choose(target.files[0]);
  target.value = ""; // so that the same photo can be chosen again
});
for (const [name, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
  $("drop").addEventListener(name, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", over);
    if (name === "drop") choose(event.dataTransfer.files[0]);
  });
}
open().catch(() => say(UNREACHED, true));
