// The ready check: what the browser is about to ask is explained before it
// asks; one sees and hears oneself, picks devices, and enters. All of it can be
// skipped.
import { useMediaDevices } from "@livekit/components-react";
import { createAudioAnalyser, type LocalAudioTrack, type LocalVideoTrack } from "livekit-client";
import { useEffect, useRef, useState } from "react";
import { DevicePicker } from "./devices";
import { useFocus } from "./focus";
import { Language } from "./language";
import { close, open, type Preview } from "./media";
import type { Session, View } from "./session";
import { useSay, type Word } from "./words";

type Step = "before" | "asking" | "checked";

export function Ready({ session, view }: { session: Session; view: View }) {
  const say = useSay();
  const { microphone, camera } = view.settings;
  const [step, setStep] = useState<Step>("before");
  const [preview, setPreview] = useState<Preview>({ troubles: [] });
  const held = usePreviewUntilEntered(preview);
  const entered = useRef(false);

  const check = async () => {
    setStep("asking");
    const opened = await open({ microphone, camera });
    // Who went in while the browser was still asking has no use for it.
    if (entered.current) return close(opened);
    setPreview(opened);
    setStep("checked");
  };
  const enter = (withCamera: boolean, withMicrophone = true) => {
    entered.current = true;
    const tracks = [preview.microphone, preview.camera].filter((t) => t !== undefined);
    held.current = undefined;
    void session.join({ microphone: withMicrophone, camera: withCamera, tracks });
  };

  return (
    <main className="sheet">
      <h1>{say("ready.title")}</h1>
      <p>
        {say("ready.into", { title: view.title })} {view.name && say("ready.as", { name: view.name })}
      </p>
      {step === "checked" ? (
        <Checked view={view} preview={preview} />
      ) : (
        <Before microphone={microphone} camera={camera} />
      )}
      <p role="status" className="calm">
        {step === "asking" && say("ready.asking")}
      </p>
      <div className="choices">
        {step !== "checked" && (microphone || camera) && (
          <button type="button" className="primary" data-action="check" disabled={step === "asking"} onClick={check}>
            {say(camera ? "ready.check" : "ready.checkMicrophone")}
          </button>
        )}
        <Enter step={step} view={view} preview={preview} enter={enter} />
      </div>
      <Language session={session} view={view} />
    </main>
  );
}

// The preview's camera goes out when the page is left by another way than in.
function usePreviewUntilEntered(preview: Preview) {
  const held = useRef<Preview | undefined>(undefined);
  useEffect(() => {
    held.current = preview;
  }, [preview]);
  useEffect(() => () => close(held.current), []);
  return held;
}

function Before({ microphone, camera }: { microphone: boolean; camera: boolean }) {
  const say = useSay();
  if (!microphone && !camera) return <p>{say("ready.listen")}</p>;
  return <p>{say(camera ? "ready.explain" : "ready.explainMicrophone")}</p>;
}

interface EnterProps {
  step: Step;
  view: View;
  preview: Preview;
  enter: (camera: boolean, microphone?: boolean) => void;
}

function Enter({ step, view, preview, enter }: EnterProps) {
  const say = useSay();
  const { camera, microphone } = view.settings;
  const checked = step === "checked";
  const plain = checked || (!camera && !microphone);
  // Once checked, only what works is taken along: nobody is asked twice.
  const withCamera = camera && (!checked || preview.camera !== undefined);
  const withMicrophone = microphone && (!checked || preview.microphone !== undefined);
  return (
    <>
      <button
        type="button"
        className={plain ? "primary" : undefined}
        data-action="join"
        onClick={() => enter(withCamera, withMicrophone)}
      >
        {say(plain ? "ready.enter" : "ready.enterNow")}
      </button>
      {withCamera && (
        <button type="button" data-action="join-without-camera" onClick={() => enter(false, withMicrophone)}>
          {say("ready.withoutCamera")}
        </button>
      )}
    </>
  );
}

function Checked({ view, preview }: { view: View; preview: Preview }) {
  const say = useSay();
  const box = useFocus<HTMLDivElement>();
  return (
    <div ref={box} tabIndex={-1} className="check">
      {preview.troubles.length > 0 && (
        <div role="alert">
          <ul className="troubles">
            {preview.troubles.map((word: Word) => (
              <li key={word}>{say(word)}</li>
            ))}
          </ul>
        </div>
      )}
      {view.settings.camera && <Mirror track={preview.camera} />}
      {preview.camera && <Picker kind="videoinput" track={preview.camera} />}
      {preview.microphone && (
        <>
          <Level track={preview.microphone} />
          <Picker kind="audioinput" track={preview.microphone} />
        </>
      )}
    </div>
  );
}

function Mirror({ track }: { track?: LocalVideoTrack }) {
  const say = useSay();
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const element = video.current;
    if (!track || !element) return;
    track.attach(element);
    return () => void track.detach(element);
  }, [track]);
  return (
    <div className="mirror">
      {track ? (
        <video ref={video} aria-label={say("ready.preview")} muted playsInline autoPlay />
      ) : (
        <p>{say("ready.noPreview")}</p>
      )}
    </div>
  );
}

function Level({ track }: { track: LocalAudioTrack }) {
  const say = useSay();
  const bar = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const { calculateVolume, cleanup } = createAudioAnalyser(track, { smoothingTimeConstant: 0.5 });
    const timer = setInterval(() => {
      const level = Math.min(1, calculateVolume() * 2);
      bar.current?.style.setProperty("--level", level.toFixed(2));
      bar.current?.setAttribute("aria-valuenow", String(Math.round(level * 10) * 10));
    }, 100);
    return () => {
      clearInterval(timer);
      void cleanup();
    };
  }, [track]);
  return (
    <div className="level">
      <p>{say("ready.speak")}</p>
      <div
        ref={bar}
        role="meter"
        aria-label={say("ready.level")}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={0}
      />
    </div>
  );
}

function Picker({ kind, track }: { kind: "audioinput" | "videoinput"; track: LocalAudioTrack | LocalVideoTrack }) {
  const devices = useMediaDevices({ kind });
  const [chosen, setChosen] = useState("");
  const [failed, setFailed] = useState(false);
  const say = useSay();
  useEffect(() => {
    void track.getDeviceId(false).then((id) => id && setChosen(id));
  }, [track]);
  const choose = async (id: string) => {
    setChosen(id);
    try {
      await track.setDeviceId(id);
      setFailed(false);
    } catch {
      setFailed(true);
    }
  };
  return (
    <>
      <DevicePicker kind={kind} devices={devices} chosen={chosen} choose={choose} />
      {failed && (
        <p role="alert" className="trouble">
          {say("device.failed")}
        </p>
      )}
    </>
  );
}
