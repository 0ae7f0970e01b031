// One's own controls. What the meeting does not allow is not there.
import { useLocalParticipant, useStartAudio } from "@livekit/components-react";
import { useEffect, useRef, useState } from "react";
import { Devices } from "./devices";
import type { Session, View } from "./session";
import { useSay } from "./words";

interface ControlsProps {
  session: Session;
  view: View;
  chatting: boolean;
  chat: () => void;
}

export function Controls({ session, view, chatting, chat }: ControlsProps) {
  const say = useSay();
  const { isMicrophoneEnabled, isCameraEnabled, isScreenShareEnabled } = useLocalParticipant({ room: session.room });
  const [choosing, setChoosing] = useState(false);
  const { microphone, camera, screen } = view.settings;
  const canShare = screen && "getDisplayMedia" in (navigator.mediaDevices ?? {});
  return (
    <section className="controls" aria-label={say("controls.label")}>
      <Sound session={session} />
      {microphone && (
        <Toggle name="microphone" on={isMicrophoneEnabled} act={(on) => session.microphone(on)}>
          {say(isMicrophoneEnabled ? "controls.mute" : "controls.unmute")}
        </Toggle>
      )}
      {camera && (
        <Toggle name="camera" on={isCameraEnabled} act={(on) => session.camera(on)}>
          {say(isCameraEnabled ? "controls.cameraOff" : "controls.cameraOn")}
        </Toggle>
      )}
      {canShare && (
        <Toggle name="screen" on={isScreenShareEnabled} act={(on) => session.screen(on)}>
          {say(isScreenShareEnabled ? "controls.unshare" : "controls.share")}
        </Toggle>
      )}
      {view.settings.chat && <ChatButton view={view} chatting={chatting} chat={chat} />}
      <button type="button" data-action="devices" aria-haspopup="dialog" onClick={() => setChoosing(true)}>
        {say("controls.devices")}
      </button>
      {choosing && <Devices session={session} view={view} close={() => setChoosing(false)} />}
    </section>
  );
}

interface ToggleProps {
  name: string;
  on: boolean;
  act: (on: boolean) => Promise<void>;
  children: string;
}

// The words say what the button does next, so there is no aria-pressed to
// contradict them.
function Toggle({ name, on, act, children }: ToggleProps) {
  const [busy, setBusy] = useState(false);
  const press = async () => {
    if (busy) return;
    setBusy(true);
    await act(!on);
    setBusy(false);
  };
  return (
    <button type="button" data-action={name} data-on={on} aria-disabled={busy} onClick={() => void press()}>
      {children}
    </button>
  );
}

function ChatButton({ view, chatting, chat }: { view: View; chatting: boolean; chat: () => void }) {
  const say = useSay();
  const seen = useRef(0);
  const theirs = view.messages.filter((m) => !m.mine).length;
  useEffect(() => {
    if (chatting) seen.current = theirs;
  }, [chatting, theirs]);
  const unread = chatting ? 0 : Math.max(0, theirs - seen.current);
  return (
    <button type="button" data-action="chat" aria-expanded={chatting} onClick={chat}>
      {unread > 0 ? say("controls.chatUnread", { count: unread }) : say("controls.chat")}
    </button>
  );
}

// Browsers hold back sound until the person has touched the page.
function Sound({ session }: { session: Session }) {
  const say = useSay();
  const { canPlayAudio } = useStartAudio({ room: session.room, props: {} });
  if (canPlayAudio) return null;
  return (
    <p className="sound" role="status">
      {say("controls.sound")}{" "}
      <button type="button" className="primary" data-action="sound" onClick={() => void session.room.startAudio()}>
        {say("controls.soundOn")}
      </button>
    </p>
  );
}
