// The room itself: a slim bar, the participants, one's own controls.
import { RoomAudioRenderer } from "@livekit/components-react";
import { useState } from "react";
import { Bar } from "./bar";
import { Chat } from "./chat";
import { Controls } from "./controls";
import { useFocus } from "./focus";
import { Status } from "./page";
import type { Session, View } from "./session";
import { Stage } from "./stage";
import { useSay } from "./words";

export function Conference({ session, view }: { session: Session; view: View }) {
  const say = useSay();
  const [chatting, setChatting] = useState(false);
  const main = useFocus<HTMLElement>();
  const open = chatting && view.settings.chat;
  const closeChat = () => {
    setChatting(false);
    document.querySelector<HTMLElement>('[data-action="chat"]')?.focus();
  };
  return (
    <div className="conference">
      <Bar session={session} view={view} />
      <div className="voice" role="status" data-notice>
        {view.notices.map((n) => (
          <p key={n.id}>{say(n.word, n.values)}</p>
        ))}
      </div>
      <main ref={main} tabIndex={-1} className={open ? "floor with-chat" : "floor"}>
        <Stage />
        {open && <Chat session={session} view={view} close={closeChat} />}
      </main>
      {view.phase === "reconnecting" && (
        <div className="veil">
          <Status view={view} calm={say("status.reconnecting")} />
        </div>
      )}
      <Controls session={session} view={view} chatting={open} chat={() => setChatting(!open)} />
      <RoomAudioRenderer />
    </div>
  );
}
