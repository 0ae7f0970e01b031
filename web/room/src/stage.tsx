// Where the participants are: an even grid, or one of them large and the
// others beside it.
import { usePagination, useTracks } from "@livekit/components-react";
import { Track } from "livekit-client";
import { useEffect, useRef, useState } from "react";
import { fit } from "./fit";
import { tileID, Tile, type TileTrack } from "./tile";
import { useSay } from "./words";

export function Stage() {
  const say = useSay();
  const tracks = useTracks(
    [
      { source: Track.Source.Camera, withPlaceholder: true },
      { source: Track.Source.ScreenShare, withPlaceholder: false },
    ],
    { onlySubscribed: false },
  );
  const [chosen, setChosen] = useState("");
  const large =
    tracks.find((t) => tileID(t) === chosen) ?? tracks.find((t) => t.source === Track.Source.ScreenShare && chosen !== "none");
  const toggle = (t: TileTrack) => setChosen(large && tileID(t) === tileID(large) ? "none" : tileID(t));
  const alone = tracks.every((t) => t.participant.isLocal);
  return (
    <section className="stage" aria-label={say("stage.label")}>
      {alone && <p className="alone">{say("stage.alone")}</p>}
      {large ? (
        <Focus large={large} others={tracks.filter((t) => t !== large)} toggle={toggle} label={say("stage.label")} />
      ) : (
        <Grid tracks={tracks} toggle={tracks.length > 1 ? toggle : undefined} />
      )}
    </section>
  );
}

interface FocusProps {
  large: TileTrack;
  others: TileTrack[];
  toggle: (t: TileTrack) => void;
  label: string;
}

function Focus({ large, others, toggle, label }: FocusProps) {
  return (
    <div className="focus">
      <Tile track={large} large toggle={toggle} />
      {others.length > 0 && (
        <div className="strip" tabIndex={0} role="group" aria-label={label}>
          {others.map((t) => (
            <Tile key={tileID(t)} track={t} toggle={toggle} />
          ))}
        </div>
      )}
    </div>
  );
}

function Grid({ tracks, toggle }: { tracks: TileTrack[]; toggle?: (t: TileTrack) => void }) {
  const say = useSay();
  const { ref, width, height } = useSize();
  const { perPage, columns } = fit(tracks.length, width, height);
  const page = usePagination(perPage, tracks);
  useEffect(() => {
    ref.current?.style.setProperty("--columns", String(columns));
  }, [ref, columns]);
  return (
    <>
      <div className="grid" ref={ref}>
        {page.tracks.map((t) => (
          <Tile key={tileID(t)} track={t} toggle={toggle} />
        ))}
      </div>
      {page.totalPageCount > 1 && (
        <nav className="pages">
          <button type="button" onClick={page.prevPage} disabled={page.currentPage === 1}>
            {say("stage.previous")}
          </button>
          <span role="status">{say("stage.page", { page: page.currentPage, pages: page.totalPageCount })}</span>
          <button type="button" onClick={page.nextPage} disabled={page.currentPage === page.totalPageCount}>
            {say("stage.next")}
          </button>
        </nav>
      )}
    </>
  );
}

function useSize() {
  const ref = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  useEffect(() => {
    if (!ref.current) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry) setSize({ width: entry.contentRect.width, height: entry.contentRect.height });
    });
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return { ref, ...size };
}
