// Starts the room page in the element that the door's page left for it.
import { getLogger, LoggerNames, LogLevel } from "livekit-client";
import { createRoot } from "react-dom/client";
import { Page } from "./page";
import { Session } from "./session";
import "./room.css";

const root = document.getElementById("room");
if (root) {
  // Not setLogLevel: it writes to the device's storage, and this page does not.
  getLogger(LoggerNames.Default).setDefaultLevel(LogLevel.warn);
  const session = new Session(root.dataset.pass ?? "/-/pass");
  createRoot(root).render(<Page root={root} session={session} />);
  void session.start();
}
