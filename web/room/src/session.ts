// One stay in one meeting, from the pass to the end: it asks the door, holds
// the connection to the conference server, comes back by itself when the
// network fails, and stops at once when the door says that it is over. It
// keeps nothing on the device.
import {
  ConnectionState,
  DisconnectReason,
  isBrowserSupported,
  type LocalTrack,
  type Participant,
  Room,
  RoomEvent,
  Track,
} from "livekit-client";
import { trouble, type Kind } from "./media";
import { ask, json, type Pass, place, settings, type Settings, text } from "./pass";
import { language, type Lang, type Word } from "./words";

export type Phase = "connecting" | "ready" | "connected" | "reconnecting" | "ended";
export type Trouble = "" | "ours" | "network";

export interface Message {
  id: string;
  from: string;
  mine: boolean;
  text: string;
}

export interface Notice {
  id: number;
  word: Word;
  values?: Record<string, string>;
}

/** View is what the page shows; a new one at every change. */
export interface View {
  phase: Phase;
  lang: Lang;
  title: string;
  name: string;
  settings: Settings;
  locked: boolean;
  recording: boolean;
  trouble: Trouble;
  reference: string;
  notices: Notice[];
  end?: { state: string; after: string };
  messages: Message[];
}

export interface Choice {
  microphone: boolean;
  camera: boolean;
  tracks?: LocalTrack[];
}

// The proxy in front of the conference server takes this out and puts the real
// token in, on its inner side. A browser never holds one.
const placeholder = "door";

const chatTopic = "vestibule.chat";
const longestMessage = 2000;
const mostMessages = 500;
const mostNotices = 3;
const noticeStays = 7_000;

// States of an admission in which the stay goes on. Any other is asked about.
const insideStates = new Set(["", "admitted", "inside", "live"]);

export class Session {
  readonly room = new Room({
    adaptiveStream: true,
    dynacast: true,
    // Any participant could otherwise send us a text of 5 GB.
    dataStream: { maxPayloadByteLength: 64 * 1024 },
  });

  private now: View;
  private listeners = new Set<() => void>();
  private pass?: Pass;
  private events?: EventSource;
  private wants = { microphone: false, camera: false };
  private entering = false;
  private doubts = 0;
  private count = 0;

  constructor(private readonly passURL: string) {
    const none = settings(undefined);
    this.now = {
      phase: "connecting",
      lang: language(document.documentElement.lang),
      title: document.title,
      name: "",
      settings: none,
      locked: false,
      recording: false,
      trouble: "",
      reference: "",
      notices: [],
      messages: [],
    };
    this.listen();
  }

  readonly view = () => this.now;
  readonly subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** start asks for the pass until the door answers, then waits in the ready check. */
  async start() {
    if (!isBrowserSupported()) return this.end("unsupported", "");
    const pass = await this.askUntilAnswered();
    if (!pass) return;
    if (pass.ready) return this.set({ phase: "ready" });
    await this.join({ microphone: false, camera: false });
  }

  /** join enters the room; what the meeting does not allow stays off. */
  async join(choice: Choice) {
    const s = this.now.settings;
    this.wants = {
      microphone: choice.microphone && s.microphone,
      camera: choice.camera && s.camera,
    };
    this.set({ phase: "connecting" });
    await this.enter(choice.tracks);
  }

  /** leave tells the door and goes where it says. */
  async leave() {
    let after = this.pass?.after ?? "";
    const leave = this.pass?.leave;
    this.end("left", "");
    if (leave) {
      try {
        const response = await fetch(leave, {
          method: "POST",
          headers: { Accept: "application/json" },
          credentials: "same-origin",
          redirect: "manual",
          signal: AbortSignal.timeout(5_000),
        });
        after = place((await json(response))?.after) || after;
      } catch {
        // Gone is gone: the door notices by the closed connection.
      }
    }
    this.end("left", after);
  }

  async microphone(on: boolean) {
    this.wants.microphone = on;
    await this.device("microphone", () => this.room.localParticipant.setMicrophoneEnabled(on));
  }

  async camera(on: boolean) {
    this.wants.camera = on;
    await this.device("camera", () => this.room.localParticipant.setCameraEnabled(on));
  }

  async screen(on: boolean) {
    try {
      await this.room.localParticipant.setScreenShareEnabled(on, { audio: false });
    } catch (error) {
      // Closing the browser's own window picker is a no, not a failure.
      if ((error as Error).name !== "NotAllowedError") this.say("device.failed");
    }
  }

  /** write sends a message to everybody inside and tells whether it went out. */
  async write(message: string): Promise<boolean> {
    const clean = message.trim().slice(0, longestMessage);
    if (!clean) return true;
    try {
      await this.room.localParticipant.sendText(clean, { topic: chatTopic });
    } catch {
      return false;
    }
    this.keep({ from: this.now.name, mine: true, text: clean });
    return true;
  }

  say(word: Word, values?: Record<string, string>) {
    const id = ++this.count;
    this.set({ notices: [...this.now.notices, { id, word, values }].slice(-mostNotices) });
    setTimeout(() => this.set({ notices: this.now.notices.filter((n) => n.id !== id) }), noticeStays);
  }

  speak(lang: Lang) {
    this.set({ lang });
  }

  /** fail ends a stay that this page can no longer show: no camera runs unseen. */
  fail() {
    this.end("failed", "");
  }

  // --- the door ---

  private async askUntilAnswered(): Promise<Pass | undefined> {
    for (let attempt = 0; this.now.phase !== "ended"; attempt++) {
      const { pass, wait, over } = await this.askOnce();
      if (pass || over) return pass;
      await this.pause(attempt, wait);
    }
    return undefined;
  }

  /** askOnce ends the stay when the door says no. */
  private async askOnce(): Promise<{ pass?: Pass; wait?: number; over?: boolean }> {
    const answer = await ask(this.passURL);
    if (this.now.phase === "ended") return { over: true };
    switch (answer.kind) {
      case "pass":
        this.take(answer.pass);
        return { pass: answer.pass };
      case "out":
        this.end(answer.state, answer.after);
        return { over: true };
      case "ours":
        this.set({ trouble: "ours", reference: answer.reference });
        return { wait: answer.wait };
      case "unreachable":
        this.set({ trouble: "network", reference: "" });
        return {};
    }
  }

  private take(pass: Pass) {
    const first = !this.pass;
    const was = this.now;
    this.pass = pass;
    this.set({
      trouble: "",
      reference: "",
      lang: first && pass.lang ? language(pass.lang) : this.now.lang,
      title: pass.title || this.now.title,
      name: pass.name,
      settings: pass.settings,
      locked: pass.locked,
      recording: pass.recording || this.room.isRecording,
    });
    this.follow(pass.events);
    if (first) return;
    this.announce(was);
    this.obey();
  }

  private follow(url: string) {
    if (!url || this.events) return;
    const events = new EventSource(url);
    this.events = events;
    events.addEventListener("state", (e) => this.change((e as MessageEvent<string>).data));
    // What changed while no stream was open is in the pass.
    events.addEventListener("open", () => void this.doubt());
    events.addEventListener("error", () => {
      if (this.events !== events) return;
      void this.doubt();
      // The browser comes back by itself unless the door refused the stream.
      if (events.readyState !== EventSource.CLOSED) return;
      this.events = undefined;
      setTimeout(() => this.now.phase !== "ended" && this.follow(url), 5_000);
    });
  }

  private change(data: string) {
    let e: Record<string, unknown>;
    try {
      e = JSON.parse(data) as Record<string, unknown>;
    } catch {
      return;
    }
    const state = text(e.state);
    if (!insideStates.has(state)) {
      const after = place(e.after);
      if (after || state === "expelled" || state === "ended") return this.out(state, after);
      return void this.doubt();
    }
    const was = this.now;
    this.set({
      title: text(e.title) || was.title,
      name: text(e.name) || was.name,
      locked: typeof e.locked === "boolean" ? e.locked : was.locked,
      recording: typeof e.recording === "boolean" ? e.recording || this.room.isRecording : was.recording,
      settings: e.settings ? settings(e.settings) : was.settings,
    });
    this.announce(was);
    this.obey();
  }

  private announce(was: View) {
    const is = this.now;
    if (is.recording !== was.recording) {
      this.say(is.recording ? "notice.recording" : "notice.recordingStopped");
    } else if (is.locked !== was.locked) {
      this.say(is.locked ? "notice.locked" : "notice.unlocked");
    }
    if (was.name && is.name !== was.name) this.say("notice.renamed", { name: is.name });
  }

  // obey switches off what the host no longer allows. The conference server
  // refuses it anyway; the camera's light should go out too.
  private obey() {
    const me = this.room.localParticipant;
    const s = this.now.settings;
    if (!s.microphone && me.isMicrophoneEnabled) void this.microphone(false);
    if (!s.camera && me.isCameraEnabled) void this.camera(false);
    if (!s.screen && me.isScreenShareEnabled) void this.screen(false);
  }

  /** doubt asks the door again when something suggests that it changed its mind. */
  private async doubt() {
    this.doubts++;
    if (this.doubts > 1) return;
    // A doubt that comes while an answer is under way may be newer than it.
    for (let heard = 0; heard < this.doubts && this.now.phase !== "ended"; ) {
      heard = this.doubts;
      await this.askOnce();
    }
    this.doubts = 0;
  }

  /** out ends the stay; without a place to go, the door is asked for one first. */
  private async out(state: string, after: string) {
    this.end(state, after);
    if (after) return;
    for (let attempt = 0; attempt < 3; attempt++) {
      const answer = await ask(this.passURL);
      if (answer.kind === "out") return this.end(answer.state === "refused" ? state : answer.state, answer.after);
      await new Promise((r) => setTimeout(r, 700));
    }
  }

  // --- the room ---

  /** enter connects, however often it takes, unless the door says no. */
  private async enter(tracks?: LocalTrack[]) {
    if (this.entering) return;
    this.entering = true;
    for (let attempt = 0; this.now.phase !== "ended"; attempt++) {
      try {
        await this.connect();
        this.entering = false;
        this.set({ phase: "connected", trouble: "" });
        return await this.publish(tracks);
      } catch {
        const { pass, wait, over } = await this.askOnce();
        if (over) break;
        if (pass?.elsewhere) {
          this.end("elsewhere", "");
          break;
        }
        // The door is well and the conference server is not: still our side.
        if (pass && attempt > 0) this.set({ trouble: "ours" });
        await this.pause(attempt, wait);
      }
    }
    this.entering = false;
    for (const track of tracks ?? []) track.stop();
  }

  private async connect() {
    const pass = this.pass as Pass;
    const rtcConfig: RTCConfiguration = { iceTransportPolicy: "relay" };
    if (pass.ice.length > 0) rtcConfig.iceServers = pass.ice;
    await this.room.connect(pass.server, placeholder, { rtcConfig, maxRetries: 0 });
    // Expelled while the connection was being made.
    if (this.view().phase === "ended") void this.room.disconnect(true);
  }

  private async publish(tracks: LocalTrack[] = []) {
    for (const kind of ["microphone", "camera"] as const) {
      const source = kind === "camera" ? "video" : "audio";
      const track = tracks.find((t) => t.kind === source);
      if (!this.wants[kind]) {
        track?.stop();
      } else if (track) {
        await this.device(kind, () => this.room.localParticipant.publishTrack(track));
      } else if (kind === "camera") {
        await this.camera(true);
      } else {
        await this.microphone(true);
      }
    }
  }

  private async device(kind: Kind, act: () => Promise<unknown>) {
    try {
      await act();
    } catch (error) {
      if (this.now.phase !== "connected") return;
      this.wants[kind] = false;
      this.say(trouble(kind, error));
    }
  }

  private listen() {
    const room = this.room;
    const wavering = () => {
      const { phase } = this.now;
      if (phase === "connected") this.set({ phase: "reconnecting", trouble: "" });
      if (phase === "connected" || phase === "reconnecting") void this.doubt();
    };
    room
      .on(RoomEvent.SignalReconnecting, wavering)
      .on(RoomEvent.Reconnecting, wavering)
      .on(RoomEvent.Reconnected, () => {
        if (this.now.phase === "reconnecting") this.set({ phase: "connected", trouble: "" });
      })
      .on(RoomEvent.Disconnected, (reason) => this.dropped(reason))
      .on(RoomEvent.RecordingStatusChanged, (recording) => {
        const was = this.now;
        this.set({ recording });
        this.announce(was);
      })
      .on(RoomEvent.ParticipantConnected, (p) => this.told("notice.entered", p))
      .on(RoomEvent.ParticipantDisconnected, (p) => this.told("notice.left", p))
      .on(RoomEvent.TrackMuted, (publication, p) => {
        const mine = p === room.localParticipant && publication.source === Track.Source.Microphone;
        if (!mine || !this.wants.microphone) return;
        this.wants.microphone = false;
        // The client mutes a microphone that is gone, too: that is no host.
        const ended = publication.track?.mediaStreamTrack.readyState === "ended";
        this.say(ended ? "device.missingMicrophone" : "notice.mutedByHost");
      });
    room.registerTextStreamHandler(chatTopic, (reader, from) => {
      const who = room.getParticipantByIdentity(from.identity);
      if (!who) return;
      reader.readAll().then(
        (message) => this.keep({ from: who.name ?? "", mine: false, text: message.slice(0, longestMessage) }),
        () => undefined,
      );
    });
  }

  private told(word: Word, p: Participant) {
    if (p.name) this.say(word, { name: p.name });
  }

  private dropped(reason?: DisconnectReason) {
    const { phase } = this.now;
    // While entering, connect's own failure is what counts.
    if (phase === "ended" || this.entering) return;
    switch (reason) {
      case DisconnectReason.PARTICIPANT_REMOVED:
        return void this.out("expelled", "");
      case DisconnectReason.ROOM_DELETED:
      case DisconnectReason.ROOM_CLOSED:
        return void this.out("ended", "");
      case DisconnectReason.DUPLICATE_IDENTITY:
        return this.end("elsewhere", "");
    }
    this.set({ phase: "reconnecting", trouble: "" });
    void this.comeBack();
  }

  private async comeBack() {
    if (await this.askUntilAnswered()) await this.enter();
  }

  private end(state: string, after: string) {
    this.events?.close();
    this.events = undefined;
    this.set({ phase: "ended", trouble: "", notices: [], end: { state, after } });
    if (this.room.state !== ConnectionState.Disconnected) void this.room.disconnect(true);
  }

  private async pause(attempt: number, wait = 0) {
    const backoff = Math.min(8_000, 500 * 2 ** attempt) * (0.75 + Math.random() / 2);
    const done = new AbortController();
    await new Promise((resume) => {
      setTimeout(resume, Math.max(wait, backoff));
      // A network that is back is tried at once; a door that said when is obeyed.
      if (!wait) addEventListener("online", resume, { once: true, signal: done.signal });
    });
    done.abort();
  }

  private keep(m: Omit<Message, "id">) {
    const message = { ...m, id: String(++this.count) };
    this.set({ messages: [...this.now.messages, message].slice(-mostMessages) });
  }

  private set(change: Partial<View>) {
    this.now = { ...this.now, ...change };
    for (const listener of this.listeners) listener();
  }
}
