// The switch to the other language. It changes this page only and is kept
// nowhere.
import type { Session, View } from "./session";
import { useSay } from "./words";

export function Language({ session, view }: { session: Session; view: View }) {
  const say = useSay();
  const other = view.lang === "fr" ? "en" : "fr";
  return (
    <button type="button" className="quiet" lang={other} data-action="language" onClick={() => session.speak(other)}>
      {say("page.language")}
    </button>
  );
}
