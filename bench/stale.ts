/**
 * What an outage costs those who ask for what is cached. Every tag is past its freshness at every request: online that means one
 * HEAD to a registry on the same machine, which answers at once; in an outage, finding out that nobody answers.
 */
import { startBlackHole } from '../test/support/black-hole.ts';
import { createCertificateAuthority, expired } from '../test/support/certificates.ts';
import { type FakeRegistry, startFakeRegistry } from '../test/support/fake-registry.ts';
import { type Fault, rateLimited, status } from '../test/support/fake-registry-faults.ts';
import { buildImage } from '../test/support/images.ts';
import { walk } from './clients.ts';
import { type Line, median } from './measure.ts';
import type { RunningPeer, UpstreamOfPeer } from './peers/peer.ts';
import { manifestHeaders as headers } from './rates.ts';
import type { Bench, Row } from './row.ts';
import { freePort, type Stage } from './stage.ts';

const tags = 20;
const warmUps = 4;
/** To see how far two processes that do the same are apart. */
const unchanged = 'nothing is gone';
/** Nothing is fresh for longer than it takes to ask. */
const toml = '[freshness]\ntag = "0s"\n';

const row: Row = {
  name: 'outage',
  asks: 'cached tags past their freshness while the registry is gone, in ten ways, against online',
  async run(bench) {
    const { stage, quick, turns } = bench;
    const registry = await startFakeRegistry();
    stage.defer(() => registry.stop());
    const paths = Array.from({ length: tags }, (_, index) => {
      registry.putImage('bench/image', `v${index}`, buildImage({ seed: index }));
      return `/v2/bench/image/manifests/v${index}`;
    });
    const requests = Array.from({ length: quick ? 100 : 500 }, (_, index) => ({
      method: 'GET' as const,
      path: paths[index % tags] ?? '',
      headers,
    }));
    const ask = async ({ url }: RunningPeer) => {
      const walked = await walk(url, requests);
      const failed = walked.find((one) => one.status !== 200);
      if (failed) throw new Error(`${failed.status} for a cached tag`);
      const times = walked.map(({ ms }) => ms);
      const sorted = times.toSorted((a, b) => a - b);
      return { first: times[0] ?? Number.NaN, p95: sorted[Math.floor(0.95 * sorted.length)] ?? Number.NaN };
    };

    const online = await startOn(bench, { host: registry.host, toml });
    await ask(online);
    const lines: Line[] = [];
    for (const [name, upstream] of Object.entries(await startOutages(stage, registry))) {
      // Filled while the registry was there, and started anew when it is gone.
      const data = stage.folder('data');
      const before = await startOn(bench, { host: registry.host, toml, data });
      await walk(before.url, requests.slice(0, tags));
      await before.stop();
      const peer = await startOn(bench, { ...upstream, toml, data });
      const { first } = await ask(peer);
      // Until the machine code of a process that is new is as good as the other's.
      for (let turn = 0; turn < warmUps; turn += 1) for (const one of [peer, online]) await ask(one);
      const seen = { online: [] as number[], gone: [] as number[] };
      for (let turn = 0; turn < turns; turn += 1) {
        seen.gone.push((await ask(peer)).p95);
        seen.online.push((await ask(online)).p95);
      }
      await peer.stop();
      const usual = median(seen.online);
      lines.push({
        row: 'stale tags, 95 % answered within',
        what: name,
        unit: 'ms',
        values: { entrepot: median(seen.gone) },
        ...(name !== unchanged && { goals: [{ atMost: Number((1.2 * usual).toFixed(2)) }] }),
        note: `online ${usual.toFixed(2)}; the very first one ${first.toFixed(0)}`,
      });
    }
    return lines;
  },
};

export const outages: readonly Row[] = [row];

async function startOn(bench: Bench, upstream: UpstreamOfPeer): Promise<RunningPeer> {
  const [peer] = await bench.start(upstream, ['entrepot']);
  if (!peer) throw new Error('Entrepot was not started');
  return peer;
}

async function startOutages(stage: Stage, live: FakeRegistry): Promise<Record<string, UpstreamOfPeer>> {
  const deaf = await startBlackHole({ accepts: false });
  const silent = await startBlackHole({ accepts: true });
  for (const hole of [deaf, silent]) stage.defer(() => hole.stop());
  const says = async (fault: Fault): Promise<UpstreamOfPeer> => {
    const registry = await startFakeRegistry();
    stage.defer(() => registry.stop());
    registry.on({}, fault);
    return { host: registry.host };
  };
  const tls = await startFakeRegistry({ tls: createCertificateAuthority().issue(expired()) });
  stage.defer(() => tls.stop());
  return {
    [unchanged]: { host: live.host },
    'packets are dropped': { host: deaf.host },
    'requests are taken and never answered': { host: silent.host },
    'connections are refused': { host: `127.0.0.1:${await freePort()}` },
    'the name has no address': { host: 'registry.invalid' },
    'the certificate has expired': { host: tls.host, verify: true },
    'HTTP 401': await says(status(401)),
    'HTTP 403': await says(status(403)),
    'HTTP 429': await says(rateLimited(60)),
    'HTTP 500': await says(status(500)),
    'HTTP 503': await says(status(503)),
  };
}
