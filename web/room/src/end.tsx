// What happened, in one sentence, and the way on.
import { useEffect } from "react";
import { useFocus } from "./focus";
import type { View } from "./session";
import { useSay, type Word } from "./words";

const words: Record<string, Word> = {
  expelled: "end.expelled",
  ended: "end.ended",
  left: "end.left",
  elsewhere: "end.elsewhere",
  unsupported: "end.unsupported",
  failed: "end.failed",
};

// Long enough for the sentence to be seen before the door's own page repeats it.
const pauseBeforeGoing = 1_500;

export function End({ view }: { view: View }) {
  const say = useSay();
  const main = useFocus<HTMLElement>();
  const { state, after } = view.end ?? { state: "left", after: "" };
  useEffect(() => {
    if (!after) return;
    const timer = setTimeout(() => location.replace(after), state === "left" ? 0 : pauseBeforeGoing);
    return () => clearTimeout(timer);
  }, [state, after]);
  return (
    <main ref={main} tabIndex={-1} className="sheet" data-end={state}>
      {view.title && (
        <h1>
          <bdi>{view.title}</bdi>
        </h1>
      )}
      <p role="status" className="lead">
        {say(words[state] ?? "end.refused")}
      </p>
      {after && (
        <p>
          <a className="button" href={after}>
            {say("end.continue")}
          </a>
        </p>
      )}
      {(state === "elsewhere" || state === "failed") && (
        <button type="button" className="primary" data-action="here" onClick={() => location.reload()}>
          {say("end.here")}
        </button>
      )}
    </main>
  );
}
