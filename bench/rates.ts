/** Many small answers: manifests by tag and by digest, as every pull asks for them, and blobs of 1 MiB. */
import { pull, type Rate, rate, walk } from './clients.ts';
import { repeat } from './cold.ts';
import { alternate, type Goal, type Line } from './measure.ts';
import type { RunningPeer } from './peers/peer.ts';
import type { Bench, Row } from './row.ts';
import { isInstalled } from './stage.ts';
import { startUpstream, type Upstream } from './upstream.ts';

/** What containerd sends. */
export const manifestHeaders = {
  Accept: [
    'application/vnd.docker.distribution.manifest.v2+json',
    'application/vnd.docker.distribution.manifest.list.v2+json',
    'application/vnd.oci.image.manifest.v1+json',
    'application/vnd.oci.image.index.v1+json',
    '*/*',
  ].join(', '),
  'User-Agent': 'containerd/1.7.24',
};

const manifests: Row = {
  name: 'manifests',
  asks: 'cached manifests of 20 images, by tag and by digest, on eight connections',
  async run(bench) {
    const { stage, start, quick } = bench;
    const upstream = await startUpstream(stage, { images: repeat('1KiB,1KiB,1KiB', quick ? 4 : 20) });
    const peers = await start(upstream);
    const byTag = upstream.images.map((image) => image.byTag);
    const byDigest = upstream.images.map((image) => image.byDigest);
    await fill(peers, upstream, [...byTag, ...byDigest]);
    return [
      ...(await rateLines(bench, peers, 'manifests by tag', byTag, {
        against: 'docker-registry',
        atLeast: 40,
      })),
      ...(await rateLines(bench, peers, 'manifests by digest', byDigest, {
        against: 'docker-registry',
        atLeast: 15,
      })),
    ];
  },
};

const smallBlobs: Row = {
  name: 'small-blobs',
  asks: 'blobs of 1 MiB: cached ones at eight connections, and cold ones one after the other',
  async run(bench) {
    const { stage, start, quick, turns } = bench;
    const count = quick ? 16 : 64;
    const each = 16;
    const upstream = await startUpstream(stage, { blobs: repeat('1MiB', count + each * (turns + 1)) });
    const peers = await start(upstream);
    const warm = upstream.blobs.slice(0, count);
    const { cold } = await alternate(peers, turns, async (peer, turn) => {
      const from = count + each * turn;
      const began = performance.now();
      const paths = upstream.blobs.slice(from, from + each);
      await walk(
        peer.url,
        paths.map((path) => ({ method: 'GET', path })),
      );
      const ms = (performance.now() - began) / each;
      await upstream.quiet();
      return { cold: ms };
    });
    await fill(peers, upstream, warm);
    return [
      ...(await rateLines(bench, peers, '1 MiB blobs, warm', warm, {
        against: 'docker-registry',
        atLeast: 1.5,
      })),
      { row: '1 MiB blobs, cold', what: 'each, one after the other', unit: 'ms', values: cold },
    ];
  },
};

export const rates: readonly Row[] = [manifests, smallBlobs];

/** Makes all of it warm: nginx gets files, the others are asked for it once. */
async function fill(
  peers: readonly RunningPeer[],
  upstream: Upstream,
  paths: readonly string[],
): Promise<void> {
  for (const peer of peers) {
    for (const path of paths) {
      if (peer.place) await peer.place(path, upstream.url + path);
      else await pull(peer.url + path);
    }
  }
  await upstream.quiet();
}

/** Rate and 99th percentile of each peer over `paths`. */
export async function rateLines(
  { stage, quick, turns }: Bench,
  peers: readonly RunningPeer[],
  row: string,
  paths: readonly string[],
  goal?: Goal,
): Promise<readonly Line[]> {
  if (!isInstalled('wrk')) return [{ row, what: 'rate', unit: '/s', values: {}, note: 'needs wrk' }];
  const folder = stage.folder('wrk');
  const rounds = Math.min(turns, 3);
  const { perSecond, p99 } = await alternate(peers, rounds, async (peer) => {
    const seen: Rate = await rate(folder, peer.url, paths, {
      seconds: quick ? 1 : 3,
      headers: manifestHeaders,
    });
    if (seen.failed > 0) throw new Error(`${peer.name}: ${seen.failed} of the requests for ${row} failed`);
    return { perSecond: seen.perSecond, p99: seen.p99 };
  });
  return [
    { row, what: 'rate', unit: '/s', values: perSecond, ...(goal && { goals: [goal] }) },
    { row, what: '99 % answered within', unit: 'ms', values: p99 },
  ];
}
