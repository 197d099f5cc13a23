/** One request of `process`: the photo up, the events down. */

import { QUIET, Trouble, lost, parsed, trouble } from "./service.js";

/**
 * Sends the form and resolves at the event `done`. `onSent(share)` while it is sent, `onEvent(name, data)` for each step.
 *
 * XMLHttpRequest, because fetch does not tell how much it has sent. A minute without a sign of life ends it: events count,
 * and so do the server's comments that it is still at work.
 */
export async function upload(service, { form, key, signal, onSent, onEvent }) {
  const headers = await service.headers({ Accept: "text/event-stream", "Idempotency-Key": key });
  const request = new XMLHttpRequest();
  let timer, stop;
  try {
    await new Promise((resolve, reject) => {
      let read = 0, ended = false;
      stop = () => reject(signal.reason);
      const alive = () => {
        clearTimeout(timer);
        timer = setTimeout(() => reject(new Trouble("stalled", { retryable: true })), QUIET);
      };
      const sent = ({ loaded, total }) => { alive(); onSent(loaded / total); };
      const listen = () => {
        if (request.status !== 200) return;
        const until = request.responseText.lastIndexOf("\n\n") + 2;
        const parts = request.responseText.slice(read, until).split("\n\n");
        read = Math.max(read, until);
        for (const part of parts) {
          const name = /^event: (.*)$/m.exec(part)?.[1];
          if (!name) continue; // a comment
          const data = JSON.parse(/^data: (.*)$/m.exec(part)[1]);
          if (name === "error") reject(trouble(data, data.status));
          ended ||= name === "done";
          onEvent(name, data);
        }
      };
      request.open("POST", service.url("api/v2/process"));
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      request.upload.onprogress = request.upload.onload = sent;
      request.onprogress = () => { alive(); listen(); };
      request.onerror = () => reject(lost());
      request.onload = () => {
        listen();
        const refused = request.status !== 200;
        if (refused) reject(service.refused(trouble(parsed(request.responseText), request.status, request.getResponseHeader("Retry-After"))));
        else if (ended) resolve();
        else reject(lost()); // the server went away in the middle
      };
      signal.addEventListener("abort", stop);
      if (signal.aborted) stop();
      alive();
      request.send(form);
    });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
    request.abort();
  }
}
