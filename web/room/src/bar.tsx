// The slim bar: where am I, as whom, who can still come in, is it recorded,
// and the way out.
import type { Session, View } from "./session";
import { useSay } from "./words";

export function Bar({ session, view }: { session: Session; view: View }) {
  const say = useSay();
  return (
    <header className="bar" aria-label={say("bar.label")}>
      <h1 title={view.title}>
        <bdi>{view.title}</bdi>
      </h1>
      <ul>
        {view.name && (
          <li data-own-name>
            <bdi>{say("bar.name", { name: view.name })}</bdi>
          </li>
        )}
        <li data-locked={view.locked}>{say(view.locked ? "bar.locked" : "bar.open")}</li>
        <li data-recording={view.recording}>{recording()}</li>
      </ul>
      <button type="button" className="danger" data-action="leave" onClick={() => void session.leave()}>
        {say("bar.leave")}
      </button>
    </header>
  );

  function recording() {
    if (view.recording) return say("bar.recording");
    return say(view.settings.recording ? "bar.recordable" : "bar.notRecorded");
  }
}
