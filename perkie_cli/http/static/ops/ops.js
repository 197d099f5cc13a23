/** The screen for whoever is on call: reads /metrics of this process every five seconds and shows what changed. */

const EVERY = 5_000; // ms
const LATELY = 300; // seconds: how far back "lately" reaches while the page is open
const PROBES = /^\/(metrics|ops|health|ready)\b/;
const HITS = ["hit", "shared", "near", "joined"];
const STATES = ["closed", "half-open", "open"];
const KEY = "perkie-ops-key";
const $ = (id) => document.getElementById(id);
const scrapes = [];

const key = {
  get value() { try { return sessionStorage.getItem(KEY) ?? ""; } catch { return this.typed ?? ""; } },
  set value(text) { this.typed = text; try { sessionStorage.setItem(KEY, text); } catch { /* until the page ends */ } },
};

/** Prometheus' text format: [name, labels, value] of each sample. */
function samples(text) {
  return text.split("\n").filter((line) => line && line[0] !== "#").map((line) => {
    const [, name, labels, value] = /^(\w+)(?:\{(.*)\})? (\S+)/.exec(line);
    const pairs = [...(labels ?? "").matchAll(/(\w+)="((?:\\.|[^"\\])*)"/g)].map(([, label, content]) => [label, content]);
    return [name, Object.fromEntries(pairs), value === "+Inf" ? Infinity : Number(value)];
  });
}

/** The sum of a metric's samples that `chosen` takes. */
const total = (scrape, metric, chosen = () => true) =>
  scrape.samples.reduce((sum, [name, labels, value]) => (name === metric && chosen(labels) ? sum + value : sum), 0);

const each = (scrape, metric) => scrape.samples.filter(([name]) => name === metric).map(([, labels, value]) => [labels, value]);

/** Counts up to each bound, of all series that `chosen` takes. */
function buckets(scrape, metric, chosen) {
  const counts = new Map();
  for (const [labels, value] of each(scrape, `${metric}_bucket`)) {
    if (!chosen(labels)) continue;
    const bound = labels.le === "+Inf" ? Infinity : Number(labels.le);
    counts.set(bound, (counts.get(bound) ?? 0) + value);
  }
  return counts;
}

/** Where in the buckets a share of all values lies, as Prometheus' histogram_quantile has it; null without values. */
function quantile(share, now, before) {
  const rows = [...now].map(([bound, count]) => [bound, count - (before?.get(bound) ?? 0)]).sort(([a], [b]) => a - b);
  const all = rows.at(-1)?.[1] ?? 0;
  if (!all) return null;
  let [low, below] = [0, 0];
  for (const [bound, count] of rows) {
    if (count >= share * all) return bound === Infinity ? low : low + (bound - low) * ((share * all - below) / (count - below));
    [low, below] = [bound, count];
  }
  return low;
}

const seconds = (value) => (value === null ? "–" : value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(1)} s`);
const percent = (part, whole) => (whole > 0 ? `${(100 * part / whole).toFixed(part && part < whole ? 1 : 0)} %` : "–");
const dollars = (value) => `$${value.toFixed(value < 1 ? 4 : 2)}`;
const clock = (date) => {
  const today = date.toDateString() === new Date().toDateString();
  return new Intl.DateTimeFormat(undefined, { timeStyle: "medium", ...(!today && { dateStyle: "medium" }) }).format(date);
};

function span(length) {
  const minutes = Math.floor(length / 60);
  if (minutes < 60) return `${minutes} min`;
  return minutes < 2880 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${Math.floor(minutes / 1440)} days`;
}

function tile(name, value, note, kind = "") {
  const box = document.createElement("div");
  const [term, what, small] = ["dt", "dd", "small"].map((tag) => document.createElement(tag));
  term.textContent = name;
  what.textContent = value;
  what.className = kind;
  small.textContent = note;
  what.append(small);
  box.append(term, what);
  return box;
}

function row(head, ...cells) {
  const line = document.createElement("tr");
  const first = document.createElement("th");
  first.scope = "row";
  first.textContent = head;
  line.append(first, ...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
  return line;
}

function show(now, recent) {
  const start = total(now, "process_start_time_seconds");
  const up = now.at - start;
  const past = scrapes[0];
  const while_ = now.at - past.at;
  const known = while_ > 0;
  const served = (labels) => !PROBES.test(labels.route);
  const failed = (labels) => served(labels) && labels.status >= "500";
  const drawn = ({ outcome }) => outcome === "ok" || outcome === "degraded";
  const both = (figure) => [known ? figure(past, while_) : "–", figure(null, up)];
  const grown = (metric, before, chosen) => total(now, metric, chosen) - (before ? total(before, metric, chosen) : 0);
  const share = (metric, part, whole) => both((before) => percent(grown(metric, before, part), grown(metric, before, whole)));
  const time = (metric, of, chosen) => both((before) => seconds(quantile(of, buckets(now, metric, chosen), before && buckets(before, metric, chosen))));

  $("who").textContent = `Only this process: ${recent.instance}${recent.revision ? `, ${recent.revision}` : ""}, perkie ${recent.version}, `
    + `since ${clock(new Date(start * 1000))} (${span(up)}).`;
  $("lately").textContent = known ? `Last ${while_ < 90 ? `${Math.round(while_)} s` : span(while_)}` : "Lately";
  $("pace").replaceChildren(
    row("Answers", ...both((before, length) => `${(grown("perkie_requests_total", before, served) / length).toFixed(2)} per s`)),
    row("Failed (5xx)", ...share("perkie_requests_total", failed, served)),
    row("Answers, p50", ...time("perkie_request_seconds", 0.5, served)),
    row("Answers, p95", ...time("perkie_request_seconds", 0.95, served)),
    row("Pictures", ...both((before) => String(grown("perkie_pictures_total", before, drawn)))),
    row("Pictures, p50", ...time("perkie_picture_seconds", 0.5, () => true)),
    row("Pictures, p95", ...time("perkie_picture_seconds", 0.95, () => true)),
    row("From the cache", ...share("perkie_pictures_total", ({ cache }) => HITS.includes(cache), () => true)),
  );

  const tiles = each(now, "perkie_breaker_state").map(([{ upstream }, state]) =>
    tile(`Breaker of ${upstream}`, STATES[state], `opened ${total(now, "perkie_breaker_openings_total", (labels) => labels.upstream === upstream)} times`, state ? "bad" : "good"));
  if (!tiles.length) tiles.push(tile("Breaker", "–", "no call upstream yet"));
  const spent = each(now, "perkie_spend_today_usd");
  const cap = total(now, "perkie_spend_cap_share");
  tiles.push(spent.length
    ? tile("Spent today (UTC)", dollars(spent[0][1]), `${percent(cap, 1)} of the daily cap, all servers`, cap >= 0.8 ? "bad" : "")
    : tile("Spent today (UTC)", "–", "nothing here is paid for"));
  const substitutes = total(now, "perkie_degraded_total");
  tiles.push(tile("Substitutes", String(substitutes), "since the start", substitutes ? "bad" : "good"));
  tiles.push(tile("In flight", String(total(now, "perkie_requests_in_flight")), `${total(now, "perkie_queue_waiting")} waiting`));
  tiles.push(tile("Memory", `${Math.round(total(now, "process_resident_memory_bytes") / 2 ** 20)} MiB`, "resident"));
  $("tiles").replaceChildren(...tiles);

  const none = row("None so far.", "", "");
  $("substitutes").replaceChildren(...(recent.substitutes.length ? recent.substitutes.map((one) =>
    row(clock(new Date(one.at)), `${one.style}, by ${one.engine}`, `${one.reason}: ${one.cause}`)) : [none]));
  $("figures").hidden = false;
}

async function get(path) {
  const answer = await fetch(path, { headers: key.value ? { Authorization: `Bearer ${key.value}` } : {} });
  if (answer.status === 401 || answer.status === 403) {
    $("access").hidden = false;
    $("figures").hidden = true;
    throw new Error(key.value ? `This key may not read the metrics (${answer.status}).` : "");
  }
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}.`);
  return answer;
}

async function look() {
  try {
    const [metrics, recent] = await Promise.all([get("metrics"), get("ops/recent")]);
    const now = { at: 0, samples: samples(await metrics.text()) };
    const about = await recent.json();
    now.at = Date.parse(about.now) / 1000; // the server's clock: ours may differ
    if (scrapes.length && total(scrapes[0], "process_start_time_seconds") !== total(now, "process_start_time_seconds")) {
      scrapes.length = 0; // another process answers now: its counters began anew
    }
    while (scrapes.length && now.at - scrapes[0].at > LATELY) scrapes.shift();
    scrapes.push(now);
    show(now, about);
    $("access").hidden = true;
    $("trouble").textContent = "";
  } catch (error) {
    const gone = error instanceof TypeError; // fetch's word for it
    const last = scrapes.length ? ` These figures are of ${clock(new Date(scrapes.at(-1).at * 1000))}.` : "";
    $("trouble").textContent = gone ? `The server does not answer.${last}` : error.message;
  }
  setTimeout(() => (document.hidden ? document.addEventListener("visibilitychange", look, { once: true }) : look()), EVERY);
}

$("access").addEventListener("submit", (event) => {
  event.preventDefault();
  key.value = $("key").value.trim();
  location.reload();
});
look();
