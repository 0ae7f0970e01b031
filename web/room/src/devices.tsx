// Choosing camera, microphone and loudspeaker.
import { useMediaDeviceSelect } from "@livekit/components-react";
import { useEffect, useId, useRef } from "react";
import { Language } from "./language";
import type { Session, View } from "./session";
import { useSay, type Word } from "./words";

const labels: Record<MediaDeviceKind, Word> = {
  audioinput: "device.microphone",
  videoinput: "device.camera",
  audiooutput: "device.speaker",
};

interface PickerProps {
  kind: MediaDeviceKind;
  devices: MediaDeviceInfo[];
  chosen: string;
  choose: (id: string) => void;
}

export function DevicePicker({ kind, devices, chosen, choose }: PickerProps) {
  const say = useSay();
  const id = useId();
  if (devices.length === 0) return null;
  return (
    <div className="field">
      <label htmlFor={id}>{say(labels[kind])}</label>
      <select id={id} value={chosen} onChange={(e) => choose(e.target.value)}>
        {devices.map((d, i) => (
          <option key={d.deviceId || i} value={d.deviceId}>
            {d.label || say("device.number", { number: i + 1 })}
          </option>
        ))}
      </select>
    </div>
  );
}

interface DevicesProps {
  session: Session;
  view: View;
  close: () => void;
}

export function Devices({ session, view, close }: DevicesProps) {
  const say = useSay();
  const dialog = useRef<HTMLDialogElement>(null);
  const title = useId();
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  const speakers = "setSinkId" in HTMLMediaElement.prototype;
  return (
    <dialog ref={dialog} aria-labelledby={title} onClose={close}>
      <h2 id={title}>{say("devices.title")}</h2>
      {view.settings.camera && <InRoom session={session} kind="videoinput" />}
      {view.settings.microphone && <InRoom session={session} kind="audioinput" />}
      {speakers && <InRoom session={session} kind="audiooutput" />}
      <div className="choices">
        <button type="button" className="primary" onClick={() => dialog.current?.close()}>
          {say("devices.close")}
        </button>
      </div>
      <Language session={session} view={view} />
    </dialog>
  );
}

function InRoom({ session, kind }: { session: Session; kind: MediaDeviceKind }) {
  const { devices, activeDeviceId, setActiveMediaDevice } = useMediaDeviceSelect({ kind, room: session.room });
  const choose = (id: string) => {
    setActiveMediaDevice(id).catch(() => session.say("device.failed"));
  };
  return <DevicePicker kind={kind} devices={devices} chosen={activeDeviceId} choose={choose} />;
}
