// Posts a photo through the npm package "eventsource", which reconnects by itself, and lets it do so.
import { EventSource } from "eventsource";

const [url, body] = process.argv.slice(2);
const told = [];
const awake = setTimeout(() => {}, 60_000); // its timer for reconnecting keeps no process alive
const source = new EventSource(url, {
  fetch: (input, init) => {
    told.push(`POST ${init.headers["Last-Event-ID"] ?? ""}`.trim());
    const headers = { ...init.headers, "Content-Type": "application/json" };
    return fetch(input, { ...init, method: "POST", headers, body });
  },
});
for (const name of ["accepted", "cutout", "style", "done"]) source.addEventListener(name, () => told.push(name));
source.addEventListener("error", (event) => {
  if (source.readyState !== source.CLOSED) return; // between two connections
  told.push(`closed ${event.code}`);
  console.log(JSON.stringify(told));
  clearTimeout(awake);
});
