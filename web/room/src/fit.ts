// How many columns show everybody largest.

// Below this a face is not a face.
const smallestWidth = 150;
const smallestHeight = 110;
const ratio = 4 / 3;

const most = 25;

export function fit(count: number, width: number, height: number): { columns: number; perPage: number } {
  if (width === 0) return { columns: 1, perPage: most }; // not measured yet: no pages that go at once
  const columnsAtMost = Math.max(1, Math.floor(width / smallestWidth));
  const rowsAtMost = Math.max(1, Math.floor(height / smallestHeight));
  const perPage = Math.min(most, columnsAtMost * rowsAtMost);
  const shown = Math.max(1, Math.min(count, perPage));
  let columns = 1;
  let best = 0;
  for (let c = 1; c <= Math.min(shown, columnsAtMost); c++) {
    const rows = Math.ceil(shown / c);
    const tile = Math.min(width / c, (height / rows) * ratio);
    if (rows <= rowsAtMost && tile > best) {
      best = tile;
      columns = c;
    }
  }
  return { columns, perPage };
}
