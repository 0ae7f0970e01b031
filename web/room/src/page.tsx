// Which of the page's four faces is shown: ready check, room, waiting in words,
// or the end.
import { RoomContext } from "@livekit/components-react";
import { Component, type ReactNode, useEffect, useMemo, useSyncExternalStore } from "react";
import { End } from "./end";
import { Ready } from "./ready";
import { Conference } from "./conference";
import type { Session, View } from "./session";
import { SayContext, speaker, useSay } from "./words";

export function Page({ root, session }: { root: HTMLElement; session: Session }) {
  const view = useSyncExternalStore(session.subscribe, session.view);
  const say = useMemo(() => speaker(view.lang), [view.lang]);
  useEffect(() => {
    root.dataset.state = view.phase;
    document.documentElement.lang = view.lang;
    if (view.title) document.title = view.title;
  }, [root, view.phase, view.lang, view.title]);
  return (
    <SayContext.Provider value={say}>
      <RoomContext.Provider value={session.room}>
        <Net session={session} fallback={<End view={view} />}>
          <Face session={session} view={view} />
        </Net>
      </RoomContext.Provider>
    </SayContext.Provider>
  );
}

interface NetProps {
  session: Session;
  fallback: ReactNode;
  children: ReactNode;
}

// A fault of this page's own ends the stay in words instead of a blank page.
class Net extends Component<NetProps, { fallen: boolean }> {
  state = { fallen: false };

  static getDerivedStateFromError() {
    return { fallen: true };
  }

  componentDidCatch() {
    this.props.session.fail();
  }

  render() {
    return this.state.fallen ? this.props.fallback : this.props.children;
  }
}

function Face({ session, view }: { session: Session; view: View }) {
  switch (view.phase) {
    case "ready":
      return <Ready session={session} view={view} />;
    case "connected":
    case "reconnecting":
      return <Conference session={session} view={view} />;
    case "ended":
      return <End view={view} />;
    default:
      return <Connecting view={view} />;
  }
}

function Connecting({ view }: { view: View }) {
  const say = useSay();
  return (
    <main className="sheet">
      {view.title && (
        <h1>
          <bdi>{view.title}</bdi>
        </h1>
      )}
      <Status view={view} calm={say("status.connecting")} />
    </main>
  );
}

/** Status says in words what the connection is doing. */
export function Status({ view, calm }: { view: View; calm: string }) {
  const say = useSay();
  let words = calm;
  if (view.trouble === "ours") words = say("status.ours");
  if (view.trouble === "network") words = say("status.offline");
  return (
    <p role="status" className={view.trouble ? "trouble" : "calm"}>
      {words}
      {view.reference && ` ${say("status.reference", { reference: view.reference })}`}
    </p>
  );
}
