// What a browser keeps of sessions: IndexedDB, a row a session and a row a trial.
//
// A tab that plays a session writes its mark into the session's row; every write looks at that mark in
// its own transaction, so that of two tabs only the later one writes, and the earlier one is told.

const NAME = "mental-pong";
const VERSION = 1;

const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** Opens the store. Refused where the browser keeps nothing, as some private windows do. */
export function open() {
  return new Promise((resolve, reject) => {
    if (!globalThis.indexedDB) {
      reject(new Error("this browser has no IndexedDB"));
      return;
    }
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("sessions", { keyPath: "key" });
      request.result.createObjectStore("trials", { keyPath: ["key", "number"] });
    };
    request.onsuccess = () => {
      const db = request.result;
      // Another tab with a newer page must not wait for this one.
      db.onversionchange = () => db.close();
      resolve(db);
    };
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("another tab holds an older store: close it"));
  });
}

const range = (key) => IDBKeyRange.bound([key, 0], [key, Infinity]);

/** Every session, without its trials. */
export async function sessions(db) {
  const tx = db.transaction(["sessions", "trials"]);
  const rows = await done(tx.objectStore("sessions").getAll());
  for (const row of rows) {
    row.stored = await done(tx.objectStore("trials").count(range(row.key)));
  }
  return rows;
}

/** A session with its trials in order, or nothing. */
export async function load(db, key) {
  const tx = db.transaction(["sessions", "trials"]);
  const row = await done(tx.objectStore("sessions").get(key));
  if (!row) return null;
  row.trials = await done(tx.objectStore("trials").getAll(range(key)));
  return row;
}

/** Runs `work` on the session's row in one transaction that has reached the disk when this is over. */
function write(db, key, owner, work) {
  return new Promise((resolve, reject) => {
    const tx = db.transaction(["sessions", "trials"], "readwrite", { durability: "strict" });
    let why = null;
    const stop = (error) => {
      why = error;
      tx.abort();
    };
    tx.oncomplete = () => resolve();
    tx.onabort = () => reject(why ?? tx.error ?? new Error("the browser gave up"));
    const read = tx.objectStore("sessions").get(key);
    read.onsuccess = () => {
      const row = read.result;
      if (row && owner !== null && row.owner !== owner) {
        stop(new Error("another tab plays this session now"));
        return;
      }
      try {
        work(tx, row, stop);
      } catch (error) {
        stop(error);
      }
    };
  });
}

/** Takes the session over: from now on only `owner` writes to it. */
export const claim = (db, key, owner) =>
  write(db, key, null, (tx, row) => {
    if (row) tx.objectStore("sessions").put({ ...row, owner });
  });

/** Keeps what stands beside the trials. */
export const putSession = (db, key, owner, fields) =>
  write(db, key, owner, (tx, row) => tx.objectStore("sessions").put({ ...row, ...fields, key, owner }));

/** Keeps a trial. One that is there already is an error: no trial is written over. */
export const addTrial = (db, key, owner, { number, trial, frames }) =>
  write(db, key, owner, (tx, row, stop) => {
    if (!row) stop(new Error("the session was removed from the browser"));
    else tx.objectStore("trials").add({ key, number, trial, frames });
  });

/** Removes a session. */
export const remove = (db, key) =>
  write(db, key, null, (tx) => {
    tx.objectStore("sessions").delete(key);
    tx.objectStore("trials").delete(range(key));
  });
