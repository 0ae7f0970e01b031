// Starts the room page in the element that the door's page left for it.
import { LogLevel, setLogLevel } from "livekit-client";
import { createRoot } from "react-dom/client";
import { Page } from "./page";
import { Session } from "./session";
import "./room.css";

const root = document.getElementById("room");
if (root) {
  setLogLevel(LogLevel.warn);
  const session = new Session(root.dataset.pass ?? "/-/pass");
  createRoot(root).render(<Page root={root} session={session} />);
  void session.start();
}
