// The page of Fovea's trainings: it listens to the server's changes and shows them.

import * as curves from "./curves.js";
import { byId } from "./dom.js";
import * as inside from "./inside.js";
import { apply } from "./store.js";
import { showEpochs, showNetwork, showNow, showRuns } from "./tables.js";

let pending = false;

// showAll draws at most once for each picture that the browser makes.
function showAll() {
  if (pending) {
    return;
  }
  pending = true;
  requestAnimationFrame(() => {
    pending = false;
    showRuns(showAll);
    showNow();
    curves.show();
    inside.show();
    showEpochs();
    showNetwork();
  });
}

function listen() {
  const connection = byId("connection");
  const events = new EventSource("/events");
  let first = true;
  events.addEventListener("open", () => {
    connection.textContent = "connected";
    first = true;
  });
  events.addEventListener("change", (event) => {
    apply(JSON.parse(event.data), first);
    first = false;
    showAll();
  });
  events.addEventListener("bye", () => {
    events.close();
    connection.textContent = "the server has ended; inspect serve RUN shows the run again";
  });
  events.addEventListener("error", () => {
    connection.textContent = events.readyState === EventSource.CLOSED ? "not connected" : "connection lost, trying again";
  });
}

curves.start();
inside.start();
listen();
setInterval(showAll, 15000); // a run of which nothing is heard any more is not training
