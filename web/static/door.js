// What this script does, a reload does too: it only saves one. It writes what
// others wrote as text, never as markup, except the console's own fragment,
// which the door renders and escapes.
"use strict";

const id = (name) => document.getElementById(name);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const fill = (words, values) => words.replace(/\{(\w+)\}/g, (hole, key) => values[key] ?? hole);

// The reader's own clock beside the meeting's, where they differ.
function showYourTimes() {
  for (const time of all("time[data-zone]")) {
    try { showYourTime(time); } catch { /* a zone this browser does not know: the meeting's time stands alone */ }
  }
}

function showYourTime(time) {
  const lang = document.documentElement.lang;
  const at = new Date(time.dateTime);
  const part = (zone, options) => new Intl.DateTimeFormat(lang, { timeZone: zone, ...options }).format(at);
  const day = (zone) => part(zone, { weekday: "long" });
  const clock = (zone) => {
    const [h, m] = new Intl.DateTimeFormat("en", { timeZone: zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(at).split(":");
    return lang === "fr" ? `${Number(h)}\u00a0h${m === "00" ? "" : `\u00a0${m}`}` : `${h}:${m}`;
  };
  const theirs = time.dataset.zone || "UTC";
  const same = day(theirs) === day();
  if (same && clock(theirs) === clock()) return;
  const yours = document.createElement("p");
  yours.className = "muted";
  yours.textContent = fill(time.dataset.yours, { time: same ? clock() : `${day()}, ${clock()}` });
  time.parentElement.after(yours);
}

// A page that is too early opens by itself. Phones stop timers while they
// sleep, so the clock is asked, not the timer.
function reloadWhenDue() {
  for (const el of all("[data-reload]")) {
    const due = Date.now() + 1000 * Math.max(2, Number(el.dataset.reload));
    setInterval(() => { if (Date.now() >= due && navigator.onLine) location.reload(); }, 2000);
  }
}

function countDown() {
  for (const button of all("[data-wait]")) {
    const words = button.textContent;
    const due = Date.now() + 1000 * Number(button.dataset.wait);
    const tick = () => {
      const left = Math.ceil((due - Date.now()) / 1000);
      button.disabled = left > 0;
      button.textContent = left > 0 ? fill(button.dataset.words, { s: left }) : words;
      if (left <= 0) clearInterval(timer);
    };
    const timer = setInterval(tick, 500);
    tick();
  }
}

const counted = new WeakMap();
function tickWaits() {
  for (const el of all("[data-since]")) {
    const was = counted.get(el);
    if (!was || was.since !== el.dataset.since) {
      counted.set(el, { since: el.dataset.since, at: Date.now() - 1000 * Number(el.dataset.since) });
      continue;
    }
    const m = Math.floor((Date.now() - was.at) / 60000);
    const words = m ? fill(el.dataset.n, { m }) : el.dataset[0];
    if (el.textContent !== words) el.textContent = words;
  }
}

// A code as the reader's own keyboard writes it, in the digits that the door
// reads: Arabic, Persian, Devanagari, Bengali, full-width.
const plain = (text) => text.replace(/\p{Nd}/gu, (d) => {
  const zero = [..."0٠۰०০０"].find((z) => d >= z && d.codePointAt(0) < z.codePointAt(0) + 10);
  return zero ? d.codePointAt(0) - zero.codePointAt(0) : d;
});

function codeField() {
  const field = id("code");
  field?.addEventListener("input", () => {
    const digits = plain(field.value).replace(/\D/g, "").slice(0, 6);
    if (field.value !== digits) field.value = digits;
  });
  // A telephone that got the code as SMS offers to fill it in (WebOTP). The
  // person still presses the button: a code is no consent.
  if (field?.dataset.otp === undefined || !("OTPCredential" in window)) return;
  const stop = new AbortController();
  field.form.addEventListener("submit", () => stop.abort());
  navigator.credentials.get({ otp: { transport: ["sms"] }, signal: stop.signal })
    .then((otp) => { if (otp?.code && !field.value) field.value = otp.code; })
    .catch(() => {}); // declined, or no SMS came
}

function smallButtons() {
  for (const button of all("[data-fill], [data-copy]")) button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-fill], [data-copy]");
  if (!button) return;
  if (button.dataset.fill) {
    id(button.dataset.fill).value = button.dataset.value;
    return;
  }
  const field = id(button.dataset.copy);
  field.select();
  try { await navigator.clipboard.writeText(field.value); } catch { document.execCommand("copy"); }
  const words = button.dataset.words ??= button.textContent;
  button.textContent = button.dataset.done;
  say(button.dataset.done);
  setTimeout(() => { button.textContent = words; }, 2000);
});

function say(words) {
  const status = id("said");
  if (status) status.textContent = words;
}

// Sound: two soft notes, made here, so that nothing has to be fetched. A
// browser allows it once the page was touched.
let audio;
const wake = () => { try { audio ??= new AudioContext(); audio.resume(); } catch { audio = undefined; } };
addEventListener("pointerdown", wake, { passive: true });
addEventListener("keydown", wake);

function chime(low, high) {
  if (audio?.state !== "running") return;
  [low, high].forEach((pitch, i) => {
    const from = audio.currentTime + i * 0.18;
    const tone = audio.createOscillator();
    const loud = audio.createGain();
    tone.frequency.value = pitch;
    loud.gain.setValueAtTime(0, from);
    loud.gain.linearRampToValueAtTime(0.12, from + 0.02);
    loud.gain.exponentialRampToValueAtTime(0.001, from + 0.5);
    tone.connect(loud).connect(audio.destination);
    tone.start(from);
    tone.stop(from + 0.55);
  });
}

// listen keeps a stream of events open. The browser takes a dropped connection
// up again by itself; when it gives up, we go on, and when the door answers
// but has no stream for us any more, the page is out of date.
function listen(url, name, take, lost) {
  let failures = 0;
  let warn;
  let source;
  const open = () => {
    source = new EventSource(url);
    const well = () => { failures = 0; clearTimeout(warn); warn = undefined; lost.hidden = true; };
    source.addEventListener("open", well);
    source.addEventListener(name, (event) => { well(); take(event.data); });
    source.addEventListener("error", () => {
      warn ??= setTimeout(() => { lost.hidden = false; }, 2000);
      if (source.readyState !== EventSource.CLOSED) return;
      failures += 1;
      setTimeout(async () => {
        if (failures < 3) return open();
        try { await fetch(location.href, { method: "HEAD" }); location.reload(); } catch { open(); }
      }, Math.min(15000, 1000 * 2 ** failures) * (0.5 + Math.random()));
    });
  };
  // A page that is left may be kept for the way back, stream and all, and six
  // of them are all the connections a browser gives one door over HTTP/1.1.
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => { if (event.persisted) open(); });
  open();
}

function waitingRoom(room) {
  const status = id("wait-say");
  const turn = id("wait-turn");
  let entering = room.dataset.state === "admitted";
  const enter = () => setTimeout(() => id("enter").requestSubmit(), 1500);
  if (entering) return enter();
  // What the host says is in the page: it is fetched again and made into this
  // one, so that an answer half typed stays.
  const said = () => new Map(all("[data-key]", id("talk")).map((el) => [el.dataset.key, (el.querySelector("[data-say]") ?? el).textContent]));
  const hear = async (rev) => {
    room.dataset.rev = rev;
    const before = said();
    try {
      const page = new DOMParser().parseFromString(await (await fetch(location.pathname)).text(), "text/html");
      const fresh = page.getElementById("wait");
      if (!fresh || entering) return location.reload();
      morph(room, fresh);
      document.title = page.title;
    } catch {
      room.dataset.rev = ""; // the next state tries again
      return;
    }
    const news = [...said()].filter(([k, words]) => before.get(k) !== words).map(([, words]) => words);
    if (!news.length) return;
    say(news.join(" "));
    chime(660, 523);
  };
  listen(room.dataset.events, "state", (data) => {
    const now = JSON.parse(data);
    if (entering) return;
    if (now.state === "admitted") {
      entering = true;
      id("enter").hidden = false;
      status.textContent = status.dataset.admitted;
      document.title = room.dataset.title;
      chime(523, 784);
      enter();
      return;
    }
    if (now.state !== "waiting") return location.reload();
    if (now.rev !== undefined && now.rev !== room.dataset.rev) hear(now.rev);
    const words = now.host ? status.dataset.there : status.dataset.away;
    if (status.textContent !== words) status.textContent = words;
    if (turn && now.position > 0) {
      const before = now.position - 1;
      turn.textContent = turn.dataset[before] ?? fill(turn.dataset.n, { n: before });
    }
  }, id("wait-lost"));
}

// morph makes a into b and keeps every element that stays: what has the focus
// keeps it, what is open stays open, what is half pressed stays put.
function morph(a, b) {
  if (a.nodeType !== Node.ELEMENT_NODE) {
    if (a.data !== b.data) a.data = b.data;
    return;
  }
  // A form under way stays busy and keeps its attempt, or a second press would be
  // another wish.
  const ours = (name) => name === "open" || name === "aria-busy" || (name === "hidden" && a.dataset.copy) ||
    (name === "value" && a.name === "attempt" && a.form?.ariaBusy === "true");
  for (const { name, value } of [...b.attributes]) if (!ours(name) && a.getAttribute(name) !== value) a.setAttribute(name, value);
  for (const { name } of [...a.attributes]) if (!ours(name) && !b.hasAttribute(name)) a.removeAttribute(name);

  const key = (node) => node.dataset?.key;
  const kept = new Map([...a.children].filter(key).map((child) => [key(child), child]));
  const wanted = new Set([...b.children].map(key));
  for (const [k, child] of kept) if (!wanted.has(k)) { child.remove(); kept.delete(k); }

  let at = a.firstChild;
  const drop = () => { const next = at.nextSibling; at.remove(); at = next; };
  for (const child of [...b.childNodes]) {
    const same = kept.get(key(child));
    if (same) {
      while (at && at !== same && !key(at)) drop();
      if (at === same) at = at.nextSibling; else a.insertBefore(same, at);
      morph(same, child);
    } else if (at && !key(at) && !key(child) && at.nodeName === child.nodeName) {
      const old = at;
      at = at.nextSibling;
      morph(old, child);
    } else {
      a.insertBefore(child, at);
    }
  }
  while (at) drop();
}

function hostConsole(live) {
  const lost = id("lost");
  const title = document.title.replace(/^\(\d+\) /, "");
  const parse = (html) => new DOMParser().parseFromString(html, "text/html");
  const knocks = () => new Map(all(".knock", live).map((card) => [card.dataset.key + card.dataset.news, card.dataset.announce]));
  let pressed = false;
  let pending;

  // A card that has just slid under the finger, or that has just got another
  // name, is not what the host meant to press: for half a second it takes no
  // press.
  const moved = new WeakMap();
  const names = () => new Map(all(".knock", live).map((card) => [card.dataset.key, card.querySelector("input[name=name]")?.value]));
  const places = () => new Map(all("button, summary", live).map((b) => [b, b.getBoundingClientRect().top + scrollY]));
  live.addEventListener("click", (event) => {
    const button = event.target.closest("button, summary");
    if (button && event.detail > 0 && performance.now() - (moved.get(button) ?? -1e9) < 500) {
      event.preventDefault();
      event.stopPropagation();
    }
  }, true);

  const swap = (fresh) => {
    if (!fresh) return;
    if (pressed) { pending = fresh; return; }
    const before = knocks();
    const where = places();
    const called = names();
    const focus = live.contains(document.activeElement) ? document.activeElement : null;
    morph(live.firstElementChild, fresh);
    smallButtons();
    for (const [button, top] of places()) if (Math.abs((where.get(button) ?? 1e9) - top) > 8) moved.set(button, performance.now());
    for (const [key, name] of names()) {
      if (!called.has(key) || called.get(key) === name) continue;
      for (const button of all(`[data-key="${key}"] button`, live)) moved.set(button, performance.now());
    }
    if (focus && !focus.isConnected) {
      const heading = live.querySelector(".queue h2");
      heading.tabIndex = -1;
      heading.focus({ preventScroll: true });
    }
    const n = Number(live.firstElementChild.dataset.count);
    document.title = (n ? `(${n}) ` : "") + title;
    const news = [...knocks()].filter(([k]) => !before.has(k)).map(([, words]) => words);
    if (news.length) knocked(news);
    tickWaits();
  };
  const knocked = (news) => {
    say(news.join(" "));
    if (loud()) chime(660, 523);
    if (document.hidden && globalThis.Notification?.permission === "granted") {
      new Notification(title, { body: news.join("\n"), tag: location.pathname });
    }
  };
  const take = (html) => swap(parse(html).querySelector(".panes"));

  live.addEventListener("pointerdown", () => { pressed = true; });
  for (const end of ["pointerup", "pointercancel"]) {
    addEventListener(end, () => setTimeout(() => {
      pressed = false;
      const fresh = pending;
      pending = undefined;
      swap(fresh);
    }, 50));
  }

  live.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.hasAttribute("data-stay")) return;
    event.preventDefault();
    if (form.ariaBusy === "true") return;
    form.ariaBusy = "true";
    try {
      const answer = await fetch(event.submitter?.getAttribute("formaction") ?? form.action, { method: "POST", body: new URLSearchParams(new FormData(form, event.submitter)) });
      const page = parse(await answer.text());
      const fresh = page.querySelector("#live .panes");
      if (!fresh) throw new Error([page.querySelector("h1"), page.querySelector(".lead")].map((el) => el?.textContent ?? "").join(". "));
      lost.hidden = true;
      form.closest("details.ask")?.removeAttribute("open");
      form.ariaBusy = "false"; // what comes has its next attempt
      form.reset(); // a question that was asked must not go out as the words of a refusal
      swap(fresh);
    } catch (fault) {
      lost.textContent = fault instanceof TypeError ? lost.dataset.words : fault.message;
      lost.hidden = false;
    }
    form.ariaBusy = "false";
  });

  lost.dataset.words = lost.textContent;
  const { loud } = knobs();
  listen(live.dataset.events, "console", (html) => { lost.textContent = lost.dataset.words; take(html); }, lost);
}

// knobs are the host's choices of how to be told; they stay in this browser.
function knobs() {
  const sound = id("sound");
  const notify = id("notify");
  const recall = () => { try { return localStorage.getItem("sound"); } catch { return null; } };
  let on = recall() !== "off";
  const show = () => { sound.textContent = on ? sound.dataset.loud : sound.dataset.mute; };
  sound.hidden = false;
  sound.addEventListener("click", () => {
    on = !on;
    try { localStorage.setItem("sound", on ? "on" : "off"); } catch { /* then it is asked again */ }
    show();
    if (on) chime(660, 523);
  });
  show();
  notify.hidden = globalThis.Notification?.permission !== "default";
  notify.addEventListener("click", async () => { notify.hidden = await Notification.requestPermission() !== "default"; });
  return { loud: () => on };
}

showYourTimes();
reloadWhenDue();
countDown();
codeField();
smallButtons();
tickWaits();
setInterval(tickWaits, 10000);
for (const form of all("form[data-go]")) form.requestSubmit();
if (id("wait")) waitingRoom(id("wait"));
if (id("live")) hostConsole(id("live"));
