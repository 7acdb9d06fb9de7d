// The page around the game: its form, its records, and the object `mentalPong` that the game calls.

import * as store from "./store.js";

const $ = (id) => document.getElementById(id);
const form = $("form");

/** Files that the query names by their address. */
const FILES = ["schedule", "script"];

let db = null; // the store, or null where the browser keeps nothing
let play = null; // the session that is played

// ---------------------------------------------------------------- words

function status(text) {
  $("status").textContent = text;
}

/** Says what is wrong, with the ways out. Each is [label, what it does]. */
function alarm(text, ways = []) {
  const box = $("alert");
  box.replaceChildren(document.createTextNode(text));
  for (const [label, act] of ways) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.onclick = () => {
      quiet();
      act();
    };
    box.append(" ", button);
  }
  box.hidden = false;
  $("panel").classList.add("urgent");
}

function quiet() {
  $("alert").hidden = true;
  $("panel").classList.remove("urgent");
  $("mental-pong").focus();
}

const words = (error) =>
  error?.name === "QuotaExceededError" ? "the browser has no more room for this page" : (error?.message ?? String(error));

// ---------------------------------------------------------------- records

/** The files of a session: the same that the program leaves on a disk. */
function files({ texts, trials }) {
  const rows = (header, field) => header + trials.map((t) => t[field]).join("");
  return {
    "beh.tsv": () => rows(texts.trials_header, "trial"),
    "frames.tsv": () => rows(texts.frames_header, "frames"),
    "beh.json": () => texts.beh_json,
    "frames.json": () => texts.frames_json,
    "schedule.tsv": () => texts.schedule,
  };
}

function save(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/octet-stream" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Shows what this browser keeps, and the session that is played. */
async function showRecords() {
  let rows = [];
  try {
    rows = db ? await store.sessions(db) : [];
  } catch (error) {
    alarm(`The records cannot be read: ${words(error)}.`);
  }
  rows = rows.filter((row) => row.texts && row.key !== play?.key);
  if (play?.texts) {
    rows.unshift({ key: play.key, texts: play.texts, stored: play.trials.length, trials: play.trials });
  }
  const box = $("records");
  box.replaceChildren();
  if (rows.length === 0) return;
  const heading = document.createElement("h2");
  heading.textContent = "Records on this device";
  const table = document.createElement("table");
  for (const row of rows) {
    const line = table.insertRow();
    const name = document.createElement("th");
    name.scope = "row";
    name.textContent = `${row.texts.prefix.split("_").slice(0, 2).join(" ")}: ${row.stored} of ${row.texts.n_trials} trials`;
    line.append(name);
    const cell = line.insertCell();
    const button = (label, title, act) => {
      const made = document.createElement("button");
      made.type = "button";
      made.textContent = label;
      made.title = title;
      made.setAttribute("aria-label", `${title} of ${row.key}`);
      made.onclick = act;
      cell.append(made);
      return made;
    };
    for (const suffix of Object.keys(files(row))) {
      button(suffix, `Download ${suffix}`, async () => {
        try {
          const whole = row.trials ? row : await store.load(db, row.key);
          save(row.texts.prefix + suffix, files(whole)[suffix]());
        } catch (error) {
          alarm(`The records cannot be read: ${words(error)}.`);
        }
      }).dataset.file = suffix;
    }
    if (row.key !== play?.key && !play) {
      if (row.stored < row.texts.n_trials) button("Go on", "Go on with the session", () => start(row.request));
      button("Remove…", "Remove the records", async () => {
        if (!confirm(`Remove the records of ${row.key} from this browser? Download them first.`)) return;
        await store.remove(db, row.key).catch((error) => alarm(`They cannot be removed: ${words(error)}.`));
        await showRecords();
      });
    }
  }
  box.append(heading, table);
}

// ---------------------------------------------------------------- starting

const key = (query) => `sub-${query.subject || "01"}_ses-${query.session || "01"}`;

/** The form's query, over that of the address. */
function asked() {
  const query = Object.fromEntries(new URLSearchParams(location.search));
  for (const input of form.elements) {
    if (!input.name || input.type === "file") continue;
    const value = input.type === "checkbox" ? (input.checked ? input.value : "") : input.value.trim();
    if (value) query[input.name] = value;
    else delete query[input.name];
  }
  return query;
}

function fillForm() {
  const query = new URLSearchParams(location.search);
  for (const input of form.elements) {
    const value = query.get(input.name);
    if (!input.name || value === null || input.type === "file") continue;
    if (input.type === "checkbox") input.checked = value === input.value;
    else input.value = value;
    if (input.tagName === "SELECT" && input.value !== value) input.add(new Option(value, value, false, true));
  }
}

async function fetched(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: the server says ${answer.status}`);
  return { name: address, text: await answer.text() };
}

/** Holds the session for this tab as long as it is open; false where another tab has it. */
function holds(name) {
  // Pages without a secure context have no locks; there the marks in the store decide.
  if (!navigator.locks) return Promise.resolve(true);
  return new Promise((resolve) => {
    navigator.locks
      .request(`mental-pong/${name}`, { signal: AbortSignal.timeout(2000) }, () => {
        resolve(true);
        return new Promise(() => {});
      })
      .catch(() => resolve(false));
  });
}

/** Plays. `earlier` is a request that is kept in the store. */
async function start(earlier) {
  $("start").disabled = true;
  status("The game is loading…");
  try {
    const request = earlier ? { ...earlier } : { query: asked() };
    if (!earlier) {
      const picked = form.elements["schedule-file"].files[0];
      if (picked) request.schedule = { name: picked.name, text: await picked.text() };
      for (const field of FILES) {
        const address = request.query[field];
        if (address && !request[field]) request[field] = await fetched(address);
      }
      const query = new URLSearchParams(request.query).toString();
      history.replaceState(null, "", query ? `?${query}` : location.pathname);
    }
    const name = key(request.query);
    if (!(await holds(name))) {
      throw new Error("another tab plays this session: close it, or take another subject or session");
    }
    const owner = crypto.getRandomValues(new Uint32Array(4)).join("-");
    play = { key: name, owner, request, trials: [], stored: 0, texts: null, stage: "", hidden: false };
    const kept = db && (await store.load(db, name));
    if (kept) {
      await store.claim(db, name, owner);
      play.trials = kept.trials;
      play.stored = kept.trials.length;
    }
    const texts = kept?.texts;
    play.json = JSON.stringify({
      ...request,
      kept: texts ? { beh_json: texts.beh_json, trials: files(kept)["beh.tsv"]() } : null,
      started: new Date().toISOString().replace(/\.\d+Z$/, "Z"),
    });
    $("stage").hidden = false;
    document.body.classList.add("playing");
    $("tools").hidden = false;
    $("more").open = false;
    const { default: init } = await import("./game.js");
    await init();
    $("mental-pong").focus();
    // Asked for once something is worth keeping; refused, the records stay as long as there is room.
    navigator.storage?.persist?.().catch(() => {});
  } catch (error) {
    globalThis.mentalPong.failed(words(error));
  }
}

// ---------------------------------------------------------------- what the game calls

/** Keeps a trial, and says so when it is safe. */
async function keep(texts) {
  try {
    if (db) {
      await store.addTrial(db, play.key, play.owner, texts);
      play.stored = Math.max(play.stored, texts.number);
    } else {
      play.stored = texts.number;
    }
    status(`${play.trials.length} of ${play.texts.n_trials} trials are ${db ? "kept in this browser" : "in this page only"}.`);
  } catch (error) {
    if (document.fullscreenElement) document.exitFullscreen().catch(() => {});
    alarm(
      `Trial ${texts.number} could not be kept: ${words(error)}. Nothing is lost yet: the page holds all ${play.trials.length} trials; download them below before you close it.`,
      [
        ["Try again", () => keep(texts)],
        [
          "Go on without keeping",
          () => {
            db = null;
            keep(texts);
          },
        ],
      ],
    );
    $("more").open = true;
    await showRecords();
  }
}

globalThis.mentalPong = {
  request: () => play.json,
  screenPx: () => Math.round(screen.width * devicePixelRatio),
  canvasWidth: () => Math.round(canvas.clientWidth * devicePixelRatio),
  canvasHeight: () => Math.round(canvas.clientHeight * devicePixelRatio),
  session(json) {
    play.texts = JSON.parse(json);
    if (!db) return;
    const fields = { texts: play.texts, request: play.request };
    store.putSession(db, play.key, play.owner, fields).catch((error) => {
      alarm(`The session could not be kept: ${words(error)}.`);
    });
  },
  trial(json) {
    const texts = JSON.parse(json);
    play.trials.push(texts);
    keep(texts);
  },
  stored: () => play.stored,
  wasHidden() {
    const was = play.hidden;
    play.hidden = false;
    return was;
  },
  stage(name) {
    play.stage = name;
    document.body.classList.toggle("running", name === "running");
    if (name === "running") return;
    if (name === "welcome") status("");
    if (name === "left") {
      $("more").open = true;
      status("You have left the game; it goes on from there next time.");
    }
    if (name === "end") status("All trials are done. Thank you. Download the records, or hand the device back.");
    showRecords();
  },
  failed(message) {
    document.body.classList.remove("playing", "running");
    $("stage").hidden = true;
    $("more").open = true;
    status("");
    const n = play?.trials.length ?? 0;
    alarm(`${message}.${n ? ` The ${n} finished trials are below.` : ""}`.replace(/\.\.$/, "."), [
      ["Back to the start", again],
    ]);
    showRecords();
  },
  /** For tests: where it stands. */
  state: () => ({ stage: play?.stage ?? "", stored: play?.stored ?? 0, total: play?.texts?.n_trials ?? null }),
};

function again() {
  const query = new URLSearchParams(location.search);
  query.delete("start");
  location.search = query.toString();
}

// ---------------------------------------------------------------- the page

function broken(error) {
  if (play) globalThis.mentalPong.failed(`The game has stopped by an error (${words(error)})`);
}
// A layout that takes two rounds is an error event without an error.
addEventListener("error", (event) => event.error && broken(event.error));
addEventListener("unhandledrejection", (event) => {
  if (event.reason instanceof WebAssembly.RuntimeError) broken(event.reason);
});
addEventListener("beforeunload", (event) => {
  // Trials that only this page holds.
  if (play && (play.stored < play.trials.length || (!db && play.trials.length > 0))) event.preventDefault();
});
document.addEventListener("visibilitychange", () => {
  if (play && document.hidden) play.hidden = true;
});

const canvas = $("mental-pong");
canvas.addEventListener("keydown", (event) => {
  const game = ["Space", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "PageUp", "PageDown"];
  if (game.includes(event.code)) event.preventDefault();
});
canvas.addEventListener("contextmenu", (event) => event.preventDefault());
canvas.addEventListener("pointerdown", () => canvas.focus());
canvas.addEventListener("webglcontextlost", () => broken(new Error("the browser took the graphics away")));

form.addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});
$("back").onclick = again;
$("full").onclick = () => document.documentElement.requestFullscreen?.().then(
  () => canvas.focus(),
  (error) => status(`The browser refuses the full screen: ${words(error)}.`),
);
if (!document.documentElement.requestFullscreen) $("full").hidden = true;

fillForm();
const webgl = document.createElement("canvas").getContext("webgl2");
if (!webgl || !globalThis.WebAssembly) {
  $("start").disabled = true;
  alarm("This browser has no WebGL 2 or no WebAssembly, which the game is drawn with. A current Firefox, Chrome, Edge or Safari has both; on a computer, turn hardware acceleration on.");
} else {
  webgl.getExtension("WEBGL_lose_context")?.loseContext();
}
try {
  db = await store.open();
} catch (error) {
  alarm(`This browser keeps nothing for this page (${words(error)}). You can play, but download the records before you close the page.`);
}
await showRecords();
if (webgl && new URLSearchParams(location.search).get("start") === "1") await start();
