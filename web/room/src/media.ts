// Camera and microphone before the room: the ready check's tracks, which are
// handed over on entering, so that no browser asks for permission twice.
import {
  createLocalAudioTrack,
  createLocalTracks,
  createLocalVideoTrack,
  type LocalAudioTrack,
  type LocalTrack,
  type LocalVideoTrack,
} from "livekit-client";
import type { Word } from "./words";

export type Kind = "microphone" | "camera";

export interface Preview {
  microphone?: LocalAudioTrack;
  camera?: LocalVideoTrack;
  troubles: Word[];
}

const words: Record<Kind, { refused: Word; missing: Word; busy: Word }> = {
  microphone: {
    refused: "device.refusedMicrophone",
    missing: "device.missingMicrophone",
    busy: "device.busyMicrophone",
  },
  camera: {
    refused: "device.refusedCamera",
    missing: "device.missingCamera",
    busy: "device.busyCamera",
  },
};

/** trouble turns what getUserMedia throws into a sentence. */
export function trouble(kind: Kind, error: unknown): Word {
  switch ((error as Error | undefined)?.name) {
    case "NotAllowedError":
    case "SecurityError":
      return words[kind].refused;
    case "NotFoundError":
    case "OverconstrainedError":
      return words[kind].missing;
    case "NotReadableError":
    case "AbortError":
      return words[kind].busy;
    default:
      return "device.failed";
  }
}

/**
 * open asks for both at once, which is one question to the person; when that
 * fails, for each alone, so that a missing camera does not cost the voice.
 */
export async function open(wants: Record<Kind, boolean>): Promise<Preview> {
  const preview: Preview = { troubles: [] };
  if (wants.microphone && wants.camera) {
    try {
      keep(preview, await createLocalTracks({ audio: true, video: true }));
      return preview;
    } catch (error) {
      if (await refusedAll(error)) {
        preview.troubles.push(words.camera.refused, words.microphone.refused, "device.refused");
        return preview;
      }
    }
  }
  for (const kind of ["microphone", "camera"] as const) {
    if (!wants[kind]) continue;
    try {
      keep(preview, [kind === "camera" ? await createLocalVideoTrack() : await createLocalAudioTrack()]);
    } catch (error) {
      preview.troubles.push(trouble(kind, error));
    }
  }
  return preview;
}

export function close(preview: Preview | undefined) {
  preview?.microphone?.stop();
  preview?.camera?.stop();
}

function keep(preview: Preview, tracks: LocalTrack[]) {
  for (const track of tracks) {
    if (track.kind === "audio") preview.microphone = track as LocalAudioTrack;
    else preview.camera = track as LocalVideoTrack;
  }
}

// A person who has just said no to both is not asked again for each.
async function refusedAll(error: unknown): Promise<boolean> {
  if ((error as Error | undefined)?.name !== "NotAllowedError") return false;
  try {
    const states = await Promise.all(
      ["camera", "microphone"].map((name) =>
        navigator.permissions.query({ name: name as PermissionName }),
      ),
    );
    return !states.some((s) => s.state === "granted");
  } catch {
    return true;
  }
}
