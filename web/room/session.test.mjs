// The page's own decisions, without a browser: what it believes from the door,
// and how a stay ends. `npm test` bundles the sources with a conference client
// of a few lines in the real one's place.
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { build } from "esbuild";

const client = `
export const ConnectionState = { Connected: "connected", Disconnected: "disconnected" };
export const DisconnectReason = { DUPLICATE_IDENTITY: 2, PARTICIPANT_REMOVED: 4, ROOM_DELETED: 5, ROOM_CLOSED: 10 };
export const RoomEvent = new Proxy({}, { get: (_, name) => name });
export const Track = { Source: { Microphone: "microphone", Camera: "camera" } };
export const isBrowserSupported = () => true;
export class Room {
  state = "disconnected"; isRecording = false; handlers = {}; connects = []; published = [];
  localParticipant = {
    setMicrophoneEnabled: async (on) => void this.published.push(["microphone", on]),
    setCameraEnabled: async (on) => void this.published.push(["camera", on]),
    publishTrack: async (t) => void this.published.push(t.kind),
  };
  constructor() { globalThis.room = this; }
  on(name, f) { this.handlers[name] = f; return this; }
  registerTextStreamHandler() {}
  async connect(...args) { this.connects.push(args); await globalThis.connecting?.(); this.state = "connected"; }
  async disconnect() { this.state = "disconnected"; this.left = true; }
}
export const createLocalTracks = 0, createLocalAudioTrack = 0, createLocalVideoTrack = 0;
`;

const bundle = await build({
  stdin: { contents: `export * from "./src/session"; export * from "./src/pass"; export * from "./src/fit";`, resolveDir: import.meta.dirname ?? "." },
  bundle: true,
  format: "esm",
  write: false,
  plugins: [
    {
      name: "conference client",
      setup(b) {
        b.onResolve({ filter: /^livekit-client$/ }, () => ({ path: "client", namespace: "fake" }));
        b.onResolve({ filter: /^react$/ }, () => ({ path: "react", namespace: "fake" }));
        b.onLoad({ filter: /.*/, namespace: "fake" }, ({ path }) => ({
          contents: path === "client" ? client : "export const createContext = () => 0, useContext = () => 0;",
        }));
      },
    },
  ],
});
const code = Buffer.from(bundle.outputFiles[0].contents).toString("base64");
const { Session, ask, fit, place, settings } = await import(`data:text/javascript;base64,${code}`);

const all = { microphone: true, camera: true, screen: true, chat: true, recording: false };
const pass = {
  server: "wss://room.localhost", title: "Consultation", name: "Anna", lang: "fr", settings: all,
  locked: false, leave: "/-/leave", ready: true, events: "/-/events", ice: [],
};
let door; // what the door answers: [status, body] or an Error
let asked;

class Stream {
  static CLOSED = 2;
  handlers = {};
  constructor() { globalThis.stream = this; }
  addEventListener(name, f) { this.handlers[name] = f; }
  close() { this.closed = true; }
}

beforeEach(() => {
  door = [200, pass];
  asked = [];
  Object.assign(globalThis, {
    connecting: undefined,
    EventSource: Stream,
    addEventListener: () => {},
    document: { documentElement: { lang: "en" }, title: "" },
    location: { href: "https://room.localhost/-/room" },
    fetch: async (url, options) => {
      asked.push([options?.method ?? "GET", url]);
      if (door instanceof Error) throw door;
      return new Response(JSON.stringify(door[1]), { status: door[0] });
    },
  });
});

afterEach(() => globalThis.session?.fail());

async function started(choice) {
  const s = new Session("/-/pass");
  globalThis.session = s;
  await s.start();
  if (choice) await s.join(choice);
  return s;
}

async function until(what) {
  for (let i = 0; i < 400; i++) {
    if (what()) return;
    await new Promise((r) => setTimeout(r, 10));
  }
  assert.fail(`not seen within 4 s: ${what}`);
}

const say = (state) => stream.handlers.state({ data: JSON.stringify(state) });

test("what the pass does not allow is not allowed", () => {
  const none = { microphone: false, camera: false, screen: false, chat: false, recording: false };
  for (const said of [undefined, null, {}, "all", { microphone: 1, camera: "true", screen: {} }]) {
    assert.deepEqual(settings(said), none);
  }
});

test("only web addresses are gone to", () => {
  for (const bad of ["javascript:alert(1)", " javascript:alert(1)", "data:text/html,x", "blob:x", "", 7, null, "http://["]) {
    assert.equal(place(bad), "", String(bad));
  }
  assert.equal(place("/after"), "https://room.localhost/after");
  assert.equal(place("https://door.localhost/x"), "https://door.localhost/x");
});

test("the door's answers", async () => {
  const cases = [
    [[403, { state: "expelled", after: "/gone" }], { kind: "out", state: "expelled", after: "https://room.localhost/gone" }],
    [[401, {}], { kind: "out", state: "refused", after: "" }],
    [[503, { reference: "7F3K" }], { kind: "ours", wait: 0, reference: "7F3K" }],
    [[429, {}], { kind: "ours", wait: 0, reference: "" }],
    [[200, "no pass"], { kind: "ours", wait: 0, reference: "" }],
    [new TypeError("network"), { kind: "unreachable" }],
  ];
  for (const [answer, want] of cases) {
    door = answer;
    assert.deepEqual(await ask("/-/pass"), want);
  }
});

test("enters with a placeholder for a token, by relay only, and with no more than asked", async () => {
  const s = await started();
  assert.equal(s.view().phase, "ready");
  await s.join({ microphone: true, camera: false });
  assert.equal(s.view().phase, "connected");
  const [server, token, options] = room.connects[0];
  assert.equal(server, pass.server);
  assert.equal(token, "door");
  assert.deepEqual(options.rtcConfig, { iceTransportPolicy: "relay" });
  assert.deepEqual(room.published, [["microphone", true]]);
});

test("a camera that the meeting does not allow stays off, preview or not", async () => {
  door = [200, { ...pass, settings: { ...all, camera: false } }];
  const track = { kind: "video", stop: () => (track.stopped = true) };
  await started({ microphone: false, camera: true, tracks: [track] });
  assert.deepEqual(room.published, []);
  assert.ok(track.stopped);
});

test("without a ready check one enters with everything off", async () => {
  door = [200, { ...pass, ready: false }];
  const s = await started();
  assert.equal(s.view().phase, "connected");
  assert.deepEqual(room.published, []);
});

test("T37 told that one is expelled, the page leaves at once", async () => {
  const s = await started({ microphone: true, camera: true });
  say({ state: "expelled", after: "/gone" });
  assert.deepEqual(s.view().end, { state: "expelled", after: "https://room.localhost/gone" });
  assert.ok(room.left);
  assert.ok(stream.closed);
});

test("T37 the first doubt about the connection asks the door, which says no", async () => {
  const s = await started({ microphone: true, camera: true });
  door = [403, { state: "expelled", after: "/gone" }];
  room.handlers.SignalReconnecting();
  assert.equal(s.view().phase, "reconnecting");
  await until(() => s.view().phase === "ended");
  assert.equal(s.view().end.state, "expelled");
  assert.ok(room.left);
});

test("T37 live changes cut off, the page asks the door, which says no", async () => {
  const s = await started({ microphone: true, camera: true });
  stream.handlers.error();
  await until(() => asked.length === 2);
  assert.equal(s.view().phase, "connected");
  door = [403, { state: "expelled", after: "/gone" }];
  stream.handlers.error();
  await until(() => s.view().phase === "ended");
});

test("a doubt is not silenced by an answer that was under way before it", async () => {
  const s = await started({ microphone: true, camera: true });
  const answers = [];
  globalThis.fetch = () => new Promise((answer) => answers.push(answer));
  stream.handlers.open();
  room.handlers.SignalReconnecting();
  answers[0](new Response(JSON.stringify(pass)));
  await until(() => answers.length === 2);
  answers[1](new Response(JSON.stringify({ state: "expelled" }), { status: 403 }));
  await until(() => s.view().phase === "ended");
});

test("what changed before the stream was open is not missed", async () => {
  const s = await started({ microphone: true, camera: true });
  door = [200, { ...pass, locked: true }];
  stream.handlers.open();
  await until(() => s.view().locked);
  assert.deepEqual(s.view().notices.map((n) => n.word), ["notice.locked"]);
  door = [403, { state: "ended", after: "/over" }];
  stream.handlers.open();
  await until(() => s.view().phase === "ended");
});

test("T37 removed by the conference server, the page does not come back and asks where to go", async () => {
  const s = await started({ microphone: true, camera: true });
  room.handlers.Disconnected(4);
  assert.equal(s.view().end.state, "expelled");
  door = [403, { state: "expelled", after: "/gone" }];
  await until(() => s.view().end.after === "https://room.localhost/gone");
  assert.equal(room.connects.length, 1);
});

test("entered elsewhere, the page does not fight for the place", async () => {
  const s = await started({ microphone: true, camera: true });
  room.handlers.Disconnected(2);
  assert.equal(s.view().end.state, "elsewhere");
  assert.equal(room.connects.length, 1);
});

test("a lost connection comes back by itself with what was on", async () => {
  const s = await started({ microphone: true, camera: true });
  await s.camera(false);
  room.published = [];
  room.handlers.Disconnected(undefined);
  assert.equal(s.view().phase, "reconnecting");
  await until(() => s.view().phase === "connected");
  assert.deepEqual(room.published, [["microphone", true]]);
});

test("our fault is said and tried again, at the door and at the conference server", async () => {
  door = [503, { reference: "7F3K" }];
  const s = new Session("/-/pass");
  globalThis.session = s;
  const starting = s.start();
  await until(() => s.view().trouble === "ours");
  assert.equal(s.view().reference, "7F3K");
  door = [200, pass];
  await starting;
  assert.equal(s.view().phase, "ready");
  let tries = 0;
  globalThis.connecting = async () => {
    if (++tries < 2) throw new Error("no conference server");
  };
  await s.join({ microphone: false, camera: false });
  assert.equal(s.view().phase, "connected");
  assert.equal(tries, 2);
});

test("the host's changes are obeyed and said; an unknown state is asked about", async () => {
  const s = await started({ microphone: true, camera: true });
  room.localParticipant.isMicrophoneEnabled = true;
  room.published = [];
  say({ state: "admitted", locked: true, name: "J. D.", settings: { ...all, microphone: false } });
  assert.equal(s.view().locked, true);
  assert.equal(s.view().name, "J. D.");
  assert.deepEqual(s.view().notices.map((n) => [n.word, n.values?.name]), [["notice.locked", undefined], ["notice.renamed", "J. D."]]);
  assert.deepEqual(room.published, [["microphone", false]]);
  const before = asked.length;
  say({ state: "something new" });
  assert.equal(s.view().phase, "connected");
  assert.deepEqual(asked.slice(before), [["GET", "/-/pass"]]);
});

test("a microphone that is gone is not the host's doing", async () => {
  for (const [readyState, word] of [["live", "notice.mutedByHost"], ["ended", "device.missingMicrophone"]]) {
    const s = await started({ microphone: true, camera: false });
    room.handlers.TrackMuted({ source: "microphone", track: { mediaStreamTrack: { readyState } } }, room.localParticipant);
    assert.deepEqual(s.view().notices.map((n) => n.word), [word]);
    s.fail();
  }
});

test("leaving is told to the door, and its answer followed", async () => {
  const s = await started({ microphone: true, camera: true });
  door = [200, { after: "/left" }];
  await s.leave();
  assert.deepEqual(asked.at(-1), ["POST", "/-/leave"]);
  assert.deepEqual(s.view().end, { state: "left", after: "https://room.localhost/left" });
  assert.ok(room.left);
});

test("everybody is shown as large as fits", () => {
  assert.deepEqual(fit(1, 360, 560).columns, 1);
  assert.deepEqual(fit(2, 360, 560).columns, 1);
  assert.deepEqual(fit(2, 1280, 700).columns, 2);
  assert.deepEqual(fit(6, 1280, 700).columns, 3);
  for (const [w, h] of [[0, 0], [360, 90], [5000, 5000]]) {
    const { columns, perPage } = fit(50, w, h);
    assert.ok(columns >= 1 && perPage >= 1 && perPage <= 25, `${w}x${h}: ${columns} ${perPage}`);
  }
});
