// Asks the door who this page may be: the pass. It holds no secret that opens
// the conference server: the door adds the conference token on the inside.

export interface Settings {
  microphone: boolean;
  camera: boolean;
  screen: boolean;
  chat: boolean;
  recording: boolean;
}

export interface Pass {
  server: string;
  title: string;
  name: string;
  lang: string;
  settings: Settings;
  locked: boolean;
  recording: boolean;
  /** Where leaving is said, by POST. */
  leave: string;
  /** Where to go after leaving, when the door says so beforehand. */
  after: string;
  /** Live changes (SSE); empty when the door sends none. */
  events: string;
  /** Whether to show the ready check; otherwise one enters with everything off. */
  ready: boolean;
  /** Another device holds this place, and spoke a moment ago. */
  elsewhere: boolean;
  ice: RTCIceServer[];
}

export type Answer =
  | { kind: "pass"; pass: Pass }
  /** The door says no: why, and where to go now. */
  | { kind: "out"; state: string; after: string }
  /** Something is wrong on the door's side; wait is in milliseconds, 0 = not said. */
  | { kind: "ours"; wait: number; reference: string }
  | { kind: "unreachable" };

export async function ask(url: string): Promise<Answer> {
  let response: Response;
  try {
    response = await fetch(url, {
      headers: { Accept: "application/json" },
      credentials: "same-origin",
      cache: "no-store",
      redirect: "manual",
      signal: AbortSignal.timeout(10_000),
    });
  } catch {
    return { kind: "unreachable" };
  }
  const body = await json(response);
  if (response.ok && body) {
    return { kind: "pass", pass: read(body) };
  }
  if (response.status >= 400 && response.status < 500 && response.status !== 429) {
    return { kind: "out", state: text(body?.state) || "refused", after: place(body?.after) };
  }
  return {
    kind: "ours",
    wait: Number(response.headers.get("Retry-After") ?? 0) * 1000 || 0,
    reference: text(body?.reference),
  };
}

export async function json(response: Response): Promise<Record<string, unknown> | null> {
  try {
    const body: unknown = await response.json();
    return body && typeof body === "object" ? (body as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function read(b: Record<string, unknown>): Pass {
  return {
    server: text(b.server),
    title: text(b.title),
    name: text(b.name),
    lang: text(b.lang),
    settings: settings(b.settings),
    locked: b.locked === true,
    recording: b.recording === true,
    leave: text(b.leave),
    after: place(b.after),
    events: text(b.events),
    ready: b.ready === true,
    elsewhere: b.elsewhere === true,
    ice: Array.isArray(b.ice) ? (b.ice as RTCIceServer[]) : [],
  };
}

/** settings: what is not said to be allowed is not. */
export function settings(v: unknown): Settings {
  const s = (v ?? {}) as Record<string, unknown>;
  return {
    microphone: s.microphone === true,
    camera: s.camera === true,
    screen: s.screen === true,
    chat: s.chat === true,
    recording: s.recording === true,
  };
}

export function text(v: unknown): string {
  return typeof v === "string" ? v : "";
}

/** place keeps a web address the page may go to and drops javascript: and the like. */
export function place(v: unknown): string {
  if (typeof v !== "string" || v === "") return "";
  try {
    const u = new URL(v, location.href);
    return u.protocol === "https:" || u.protocol === "http:" ? u.href : "";
  } catch {
    return "";
  }
}
