// One participant: picture or initials, name, and in words what is worth
// knowing about sound and connection.
import {
  isTrackReference,
  useConnectionQualityIndicator,
  useIsMuted,
  useIsSpeaking,
  useParticipantInfo,
  VideoTrack,
  type TrackReferenceOrPlaceholder,
} from "@livekit/components-react";
import { ConnectionQuality, Track } from "livekit-client";
import { useSay } from "./words";

export type TileTrack = TrackReferenceOrPlaceholder;

export const tileID = (t: TileTrack) => `${t.participant.identity}/${t.source}`;

interface TileProps {
  track: TileTrack;
  large?: boolean;
  toggle?: (t: TileTrack) => void;
}

export function Tile({ track, large = false, toggle }: TileProps) {
  const { participant, source } = track;
  const screen = source === Track.Source.ScreenShare;
  const who = useWho(track);
  const speaking = useIsSpeaking(participant);
  const muted = useIsMuted({ participant, source });
  const seen = isTrackReference(track) && !muted;
  const mirrored = participant.isLocal && !screen;
  return (
    <article
      className="tile"
      aria-label={who.label}
      data-participant={participant.identity}
      data-source={source}
      data-local={participant.isLocal}
      data-speaking={speaking && !screen}
      data-large={large}
    >
      <span className="initials" aria-hidden="true">
        {initials(who.name)}
      </span>
      {seen && <VideoTrack trackRef={track} className={mirrored ? "mirrored" : screen ? "whole" : undefined} />}
      <Caption track={track} label={who.label} speaking={speaking && !screen} />
      {toggle && <Enlarge name={who.name} large={large} act={() => toggle(track)} />}
    </article>
  );
}

function useWho({ participant, source }: TileTrack) {
  const say = useSay();
  const { name } = useParticipantInfo({ participant });
  const shown = name || say("tile.unnamed");
  if (source === Track.Source.ScreenShare) return { name: shown, label: say("tile.screen", { name: shown }) };
  return { name: shown, label: participant.isLocal ? say("tile.you", { name: shown }) : shown };
}

function Caption({ track, label, speaking }: { track: TileTrack; label: string; speaking: boolean }) {
  const say = useSay();
  const { participant } = track;
  const muted = useIsMuted({ participant, source: Track.Source.Microphone });
  const { quality } = useConnectionQualityIndicator({ participant });
  const weak = quality === ConnectionQuality.Poor || quality === ConnectionQuality.Lost;
  const camera = track.source === Track.Source.Camera;
  const states: string[] = [];
  if (camera && muted) states.push(say("tile.muted"));
  if (speaking) states.push(say("tile.speaking"));
  if (weak) states.push(say("tile.weak"));
  return (
    <p className="caption">
      <bdi>{label}</bdi>
      {states.length > 0 && <span> · {states.join(" · ")}</span>}
    </p>
  );
}

function Enlarge({ name, large, act }: { name: string; large: boolean; act: () => void }) {
  const say = useSay();
  return (
    <button
      type="button"
      className="enlarge"
      data-action="enlarge"
      aria-label={say(large ? "tile.reduceWho" : "tile.enlargeWho", { name })}
      onClick={act}
    >
      <span>{say(large ? "tile.reduce" : "tile.enlarge")}</span>
    </button>
  );
}

function initials(name: string): string {
  const parts = name.split(/[\s.-]+/u).filter((p) => /^[\p{L}\p{N}]/u.test(p));
  const first = [...(parts[0] ?? "")][0] ?? "";
  const last = parts.length > 1 ? ([...(parts.at(-1) ?? "")][0] ?? "") : "";
  return (first + last).toLocaleUpperCase();
}
