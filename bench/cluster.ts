/**
 * Two hundred clients that want one cold blob: from one replica, from four that know nothing of each other, and from a cluster of four.
 * All of them share the machine, so the time shows what the detour by the owner costs, and nothing of what four machines would bring.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pullAll } from './clients.ts';
import { type Line, median } from './measure.ts';
import type { Peer, RunningPeer } from './peers/peer.ts';
import type { Row } from './row.ts';
import { freePort, type Stage } from './stage.ts';
import { startUpstream, type Upstream } from './upstream.ts';

const MiB = 1024 * 1024;
const clients = 200;

interface Setting {
  readonly name: string;
  readonly replicas: readonly RunningPeer[];
  /** Hosts that are replicas. */
  readonly peers: readonly string[];
}

const row: Row = {
  name: 'cluster',
  asks: 'one cold blob for 200 clients from 1 replica, 4 alone, 4 in a cluster: requests upstream, time, bytes between replicas',
  async run(bench) {
    const { stage, quick, turns } = bench;
    const size = quick ? 1 : 8;
    const entrepot = bench.peers.find(({ name }) => name === 'entrepot');
    if (!entrepot) return [];
    const names = ['1 replica', '4 replicas alone', '4 replicas, one cluster'];
    const blobs = Array.from({ length: names.length * (turns + 1) }, () => `${size}MiB`);
    const upstream = await startUpstream(stage, { blobs, rate: `${50 * MiB}` });
    const settings: readonly Setting[] = [
      { name: names[0] ?? '', replicas: await alone(entrepot, stage, upstream, 1), peers: [] },
      { name: names[1] ?? '', replicas: await alone(entrepot, stage, upstream, 4), peers: [] },
      { name: names[2] ?? '', ...(await together(entrepot, stage, upstream)) },
    ];
    const seen = settings.map(() => ({ ms: [] as number[], asked: [] as number[], between: [] as number[] }));
    for (let turn = 0; turn <= turns; turn += 1) {
      for (let place = 0; place < settings.length; place += 1) {
        const index = (turn + place) % settings.length;
        const path = upstream.blobs[turn * settings.length + index] ?? '';
        const measured = await measure(settings[index] as Setting, path, upstream);
        // The first turn is thrown away.
        if (turn === 0) continue;
        seen[index]?.ms.push(measured.ms);
        seen[index]?.asked.push(measured.asked);
        seen[index]?.between.push(measured.between / (size * MiB));
      }
    }
    return settings.flatMap(({ name, peers }, index) => linesOf(name, peers.length > 0, seen[index]));
  },
};

export const clusters: readonly Row[] = [row];

function linesOf(
  name: string,
  isCluster: boolean,
  seen: { readonly ms: number[]; readonly asked: number[]; readonly between: number[] } | undefined,
): readonly Line[] {
  if (!seen) return [];
  const values = (figures: readonly number[]) => ({ entrepot: median(figures) });
  return [
    {
      row: name,
      what: 'requests upstream',
      unit: 'requests',
      values: values(seen.asked),
      ...(isCluster && { goals: [{ atMost: 1 }] }),
    },
    { row: name, what: `until ${clients} clients have it`, unit: 'ms', values: values(seen.ms) },
    ...(isCluster
      ? [
          {
            row: name,
            what: 'bytes between replicas, in blobs',
            unit: 'times' as const,
            values: values(seen.between),
            goals: [{ atMost: 3.1 }],
          },
        ]
      : []),
  ];
}

async function measure({ replicas, peers }: Setting, path: string, upstream: Upstream) {
  const before = (await upstream.asked()).requests.blob;
  const received = await between(replicas, peers);
  const urls = Array.from({ length: clients }, (_, at) => `${replicas[at % replicas.length]?.url}${path}`);
  const began = performance.now();
  const pulled = await pullAll(urls, clients);
  const ms = performance.now() - began;
  const failed = pulled.filter(({ status }) => status !== 200).length;
  if (failed > 0) throw new Error(`${failed} of ${clients} pulls failed`);
  const asked = (await upstream.quiet()).requests.blob - before;
  return { ms, asked, between: (await between(replicas, peers)) - received };
}

/** Bytes that the replicas have got from each other so far. */
export async function between(replicas: readonly RunningPeer[], peers: readonly string[]): Promise<number> {
  if (peers.length === 0) return 0;
  const texts = await Promise.all(replicas.map(async ({ url }) => (await fetch(`${url}/metrics`)).text()));
  return texts
    .flatMap((text) => [
      ...text.matchAll(/^entrepot_upstream_received_bytes_total\{host="([^"]+)"\} (\S+)$/gm),
    ])
    .filter(([, host]) => host !== undefined && peers.includes(host))
    .reduce((sum, [, , bytes]) => sum + Number(bytes), 0);
}

function alone(
  entrepot: Peer,
  stage: Stage,
  { host }: Upstream,
  count: number,
): Promise<readonly RunningPeer[]> {
  return Promise.all(Array.from({ length: count }, () => started(entrepot.start(stage, { host }), stage)));
}

async function together(entrepot: Peer, stage: Stage, { host }: Upstream): Promise<Omit<Setting, 'name'>> {
  const peers = await Promise.all(Array.from({ length: 4 }, async () => `127.0.0.1:${await freePort()}`));
  const secret = join(stage.folder('cluster'), 'secret');
  writeFileSync(secret, 'a secret of four replicas');
  const list = JSON.stringify(peers.map((peer) => `http://${peer}`));
  const toml = (peer: string) =>
    `[cluster]\npeers = ${list}\nself = "http://${peer}"\nsecret_file = "${secret}"\n`;
  const replicas = await Promise.all(
    peers.map((address) => started(entrepot.start(stage, { host, address, toml: toml(address) }), stage)),
  );
  return { replicas, peers };
}

async function started(starting: Promise<RunningPeer>, stage: Stage): Promise<RunningPeer> {
  const replica = await starting;
  stage.defer(() => replica.stop());
  return replica;
}
