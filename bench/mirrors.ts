/** What the upstreams cost: dead mirrors before the good one, and how much of the clients' asking reaches the registry. */
import { startBlackHole } from '../test/support/black-hole.ts';
import { type FakeRegistry, startFakeRegistry } from '../test/support/fake-registry.ts';
import { type Fault, htmlPage, rateLimited, status } from '../test/support/fake-registry-faults.ts';
import { buildImage } from '../test/support/images.ts';
import { walk } from './clients.ts';
import { repeat } from './cold.ts';
import { type Line, median } from './measure.ts';
import { manifestHeaders as headers } from './rates.ts';
import type { Row } from './row.ts';
import { freePort, type Stage } from './stage.ts';
import { startUpstream } from './upstream.ts';

const deadMirrors: Row = {
  name: 'dead-mirrors',
  asks: 'what 1, 3 and 10 dead mirrors add to a cold manifest, first and later',
  async run({ stage, start }) {
    const registry = await startFakeRegistry();
    stage.defer(() => registry.stop());
    const mirrors = await startDeadMirrors(stage);
    const lines: Line[] = [];
    let healthy = 0;
    for (const count of [0, 1, 3, 10]) {
      const some = mirrors.slice(0, count);
      const [peer] = await start({ host: registry.host, mirrors: some }, ['entrepot']);
      if (!peer) return [];
      const requests = pushImages(registry, `with-${count}`, 41);
      const [first, ...later] = (await walk(peer.url, requests)).map((one) => one.ms);
      // The first ten let breakers learn; the rest are the usual case.
      const usual = median(later.slice(10));
      if (count === 0) healthy = usual;
      const row = `${count} dead mirrors`;
      const blackHoles = some.length === 0 ? 0 : some.length < 3 ? 1 : 2;
      lines.push(
        {
          row,
          what: 'first manifest',
          unit: 'ms',
          values: { entrepot: first ?? 0 },
          ...(count > 0 && { goals: [{ atMost: 1000 * blackHoles + 300 }] }),
        },
        { row, what: 'later manifests', unit: 'ms', values: { entrepot: usual } },
      );
      if (count > 0) {
        const added = Math.max(0, usual - healthy);
        lines.push({
          row,
          what: 'added to each',
          unit: 'ms',
          values: { entrepot: added },
          goals: [{ atMost: 5 }],
        });
      }
      await peer.stop();
    }
    return lines;
  },
};

const load: Row = {
  name: 'upstream-load',
  asks: 'requests that reach the registry per 1000 pulls of 20 tags',
  async run({ stage, start, quick }) {
    const pulls = quick ? 100 : 1000;
    const upstream = await startUpstream(stage, { images: repeat('1KiB,1KiB', 20) });
    const peers = await start({ host: upstream.host });
    const manifests: Record<string, number> = {};
    const blobs: Record<string, number> = {};
    for (const peer of peers) {
      const before = await upstream.asked();
      for (let done = 0; done < pulls; done += 20) await walk(peer.url, upstream.images.flatMap(asPulled));
      const after = await upstream.quiet();
      manifests[peer.name] = after.requests.manifest - before.requests.manifest;
      blobs[peer.name] = after.requests.blob - before.requests.blob;
    }
    const row = `${pulls} pulls of 20 tags`;
    return [
      {
        row,
        what: 'manifest requests upstream',
        unit: 'requests',
        values: manifests,
        goals: [{ atMost: 40 }],
      },
      { row, what: 'blob requests upstream', unit: 'requests', values: blobs, goals: [{ atMost: 60 }] },
    ];
  },
};

export const mirrors: readonly Row[] = [deadMirrors, load];

/** Each dead in its own way; the first three are one without an answer to the SYN, one that refuses, one that is silent. */
async function startDeadMirrors(stage: Stage): Promise<readonly string[]> {
  const deaf = await startBlackHole({ accepts: false });
  const silent = await startBlackHole({ accepts: true });
  for (const hole of [deaf, silent]) stage.defer(() => hole.stop());
  const wrong: readonly Fault[] = [
    status(500),
    status(502),
    status(503),
    status(401),
    status(403),
    rateLimited(),
  ];
  const hosts: string[] = [];
  for (const fault of [...wrong, htmlPage()]) {
    const registry = await startFakeRegistry();
    registry.on({}, fault);
    stage.defer(() => registry.stop());
    hosts.push(registry.host);
  }
  return [deaf.host, `127.0.0.1:${await freePort()}`, silent.host, ...hosts];
}

/** Images of their own, so that each request is a miss. */
function pushImages(registry: FakeRegistry, repository: string, count: number) {
  return Array.from({ length: count }, (_, index) => {
    const image = buildImage({ seed: `${repository} ${index}` });
    registry.putImage(`bench/${repository}`, `v${index}`, image);
    return { method: 'GET' as const, path: `/v2/bench/${repository}/manifests/v${index}`, headers };
  });
}

/** A client that has nothing yet: HEAD of the tag, GET by digest, config and layers. */
function asPulled(image: { byTag: string; byDigest: string; blobs: readonly string[] }) {
  return [
    { method: 'HEAD' as const, path: image.byTag, headers },
    { method: 'GET' as const, path: image.byDigest, headers },
    ...image.blobs.map((path) => ({ method: 'GET' as const, path })),
  ];
}
