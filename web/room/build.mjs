// Builds the room page into dist: one script and one style sheet under names
// that hold their content's hash, the same compressed, the licences of what is
// inside, and manifest.json, which tells the Go side what they are called.
import { build } from "esbuild";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { constants, gzipSync } from "node:zlib";

const here = import.meta.dirname ?? new URL(".", import.meta.url).pathname;
const dist = join(here, "dist");

// .gitkeep stays: the Go package embeds dist before anything is built.
async function empty() {
  await mkdir(dist, { recursive: true });
  for (const name of await readdir(dist)) {
    if (name !== ".gitkeep") await rm(join(dist, name), { recursive: true });
  }
}

async function bundle() {
  const { metafile } = await build({
    absWorkingDir: here,
    entryPoints: { room: "src/main.tsx" },
    outdir: "dist",
    entryNames: "[name]-[hash]",
    bundle: true,
    minify: true,
    format: "esm",
    target: ["es2022", "chrome100", "firefox100", "safari15.4"],
    define: { "process.env.NODE_ENV": '"production"' },
    jsx: "automatic",
    legalComments: "none",
    metafile: true,
    logLevel: "warning",
  });
  return metafile;
}

// licences gathers the licence texts of every package the page is made from:
// their authors ask that they travel with it. The lock file is read rather than
// the bundle, since some packages come with others already inside them.
async function licences() {
  const lock = JSON.parse(await readFile(join(here, "package-lock.json"), "utf8"));
  const folders = Object.keys(lock.packages).filter((f) => f && !lock.packages[f].dev);
  const parts = [];
  for (const folder of folders.sort()) {
    const p = JSON.parse(await readFile(join(here, folder, "package.json"), "utf8"));
    const file = (await readdir(join(here, folder))).find((f) => /^(licen[cs]e|copying)/i.test(f));
    const text = file ? await readFile(join(here, folder, file), "utf8") : "";
    parts.push(`${p.name} ${p.version} (${p.license})\n\n${text.trim()}\n`);
  }
  return parts.join(`\n${"-".repeat(72)}\n\n`);
}

await empty();
const metafile = await bundle();
const outputs = Object.keys(metafile.outputs).map((o) => basename(o));
const manifest = {
  script: outputs.find((o) => o.endsWith(".js")),
  style: outputs.find((o) => o.endsWith(".css")),
};
for (const name of Object.values(manifest)) {
  const plain = await readFile(join(dist, name));
  const gz = gzipSync(plain, { level: constants.Z_BEST_COMPRESSION });
  await writeFile(join(dist, name + ".gz"), gz);
  console.log(`${name}  ${plain.length} bytes, ${gz.length} compressed`);
}
await writeFile(join(dist, "LICENSES.txt"), await licences());
await writeFile(join(dist, "manifest.json"), JSON.stringify(manifest, null, 2) + "\n");
