// Messages to everybody inside. They are text and only text, live on no
// server and no device, and end with the stay.
import { type FormEvent, useEffect, useId, useRef, useState } from "react";
import { useFocus } from "./focus";
import type { Message, Session, View } from "./session";
import { useSay } from "./words";

interface ChatProps {
  session: Session;
  view: View;
  close: () => void;
}

export function Chat({ session, view, close }: ChatProps) {
  const say = useSay();
  const title = useId();
  const aside = useFocus<HTMLElement>();
  const log = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // Braces: scrollTo answers a promise in new browsers, which is no clean-up.
    log.current?.scrollTo(0, log.current.scrollHeight);
  }, [view.messages]);
  return (
    <aside ref={aside} tabIndex={-1} className="chat" aria-labelledby={title}>
      <header>
        <h2 id={title}>{say("chat.title")}</h2>
        <button type="button" className="quiet" data-action="close-chat" onClick={close}>
          {say("devices.close")}
        </button>
      </header>
      <p className="small">{say("chat.kept")}</p>
      <div ref={log} className="log" role="log" tabIndex={0} aria-labelledby={title}>
        <ol>
          {view.messages.map((m) => (
            <Line key={m.id} message={m} />
          ))}
        </ol>
      </div>
      <Write session={session} />
    </aside>
  );
}

function Line({ message }: { message: Message }) {
  const say = useSay();
  const from = message.from || say("tile.unnamed");
  return (
    <li data-mine={message.mine} aria-label={say("chat.from", { name: from })}>
      <b>
        <bdi>{message.mine ? say("tile.you", { name: from }) : from}</bdi>
      </b>
      <p dir="auto">{message.text}</p>
    </li>
  );
}

function Write({ session }: { session: Session }) {
  const say = useSay();
  const id = useId();
  const [text, setText] = useState("");
  const [failed, setFailed] = useState(false);
  const send = async (e: FormEvent) => {
    e.preventDefault();
    const sent = await session.write(text);
    setFailed(!sent);
    if (sent) setText("");
  };
  return (
    <form onSubmit={(e) => void send(e)}>
      <label htmlFor={id}>{say("chat.write")}</label>
      <input
        id={id}
        value={text}
        maxLength={2000}
        autoComplete="off"
        aria-invalid={failed}
        aria-describedby={failed ? `${id}-failed` : undefined}
        onChange={(e) => setText(e.target.value)}
      />
      {failed && (
        <p id={`${id}-failed`} role="alert" className="trouble">
          {say("chat.failed")}
        </p>
      )}
      <button type="submit">{say("chat.send")}</button>
    </form>
  );
}
