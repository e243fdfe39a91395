/**
 * Two hundred clients that pull one cold image, its manifest by tag and then its layer, from replicas that share a bucket: one and four of
 * Entrepot, four of distribution as pull-through proxies, and zot in its cluster mode. Each setting gets an image of its own per turn.
 * `versitygw` is needed; `registry` (distribution 3), else `docker-registry`, and a `zot` that was built with its extension sync are measured
 * where they are installed.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pullAll } from './clients.ts';
import { between } from './cluster.ts';
import { type Line, median, type Tool } from './measure.ts';
import { entrepot } from './peers/entrepot.ts';
import { keepRunning } from './peers/keep-running.ts';
import type { RunningPeer } from './peers/peer.ts';
import { manifestHeaders } from './rates.ts';
import type { Row } from './row.ts';
import { freePort, isInstalled, type Stage } from './stage.ts';
import { startUpstream, type Upstream, type UpstreamImage } from './upstream.ts';

const MiB = 1024 * 1024;
const clients = 200;
const key = { access: 'AKBENCH', secret: 'the-secret-of-the-bench' };

interface Setting {
  readonly name: string;
  readonly tool: Tool;
  readonly urls: readonly string[];
  /** Bytes that replicas got from each other; undefined where they do not tell. */
  readonly between: (() => Promise<number>) | undefined;
}

interface Seen {
  readonly ms: number[];
  readonly asked: number[];
  readonly between: number[];
  failed: number;
}

const row: Row = {
  name: 'replicas',
  asks: 'one cold image for 200 clients from replicas with one bucket; beside distribution, and zot as a cluster',
  async run({ stage, quick, turns }) {
    if (!isInstalled('versitygw'))
      return [{ row: 'replicas', what: 'one cold image', unit: 'ms', values: {}, note: 'needs versitygw' }];
    const size = quick ? 1 : 8;
    const bucket = await startBuckets(stage);
    const images = Array.from({ length: 4 * (turns + 1) }, () => `${size}MiB`);
    const upstream = await startUpstream(stage, { images, rate: `${50 * MiB}` });
    const settings = [
      await ofEntrepot(stage, upstream, bucket, 1),
      await ofEntrepot(stage, upstream, bucket, 4),
      ...(await ofDistribution(stage, upstream, bucket)),
      ...(await ofZot(stage, upstream, bucket)),
    ];
    const seen = settings.map((): Seen => ({ ms: [], asked: [], between: [], failed: 0 }));
    for (let turn = 0; turn <= turns; turn += 1) {
      for (let place = 0; place < settings.length; place += 1) {
        const index = (turn + place) % settings.length;
        const image = upstream.images[turn * settings.length + index];
        const [setting, its] = [settings[index], seen[index]];
        if (!image || !setting || !its) continue;
        const measured = await measure(setting, image, upstream);
        // The first turn is thrown away.
        if (turn === 0) continue;
        its.ms.push(measured.ms);
        its.asked.push(measured.asked);
        its.between.push(measured.between / (size * MiB));
        its.failed += measured.failed;
      }
    }
    return settings.flatMap((setting, index) => linesOf(setting, seen[index]));
  },
};

export const replicas: readonly Row[] = [row];

function linesOf({ name, tool, between: told }: Setting, seen: Seen | undefined): readonly Line[] {
  if (!seen) return [];
  const values = (figures: readonly number[]) => ({ [tool]: median(figures) });
  const note = seen.failed > 0 ? { note: `${seen.failed} requests of clients failed` } : {};
  return [
    { row: name, what: 'requests upstream', unit: 'requests', values: values(seen.asked) },
    { row: name, what: `until ${clients} clients have it`, unit: 'ms', values: values(seen.ms), ...note },
    ...(told
      ? [
          {
            row: name,
            what: 'bytes between replicas, in images',
            unit: 'times' as const,
            values: values(seen.between),
          },
        ]
      : []),
  ];
}

async function measure(
  { urls, between: told }: Setting,
  { byTag, blobs }: UpstreamImage,
  upstream: Upstream,
) {
  const total = async () =>
    Object.values((await upstream.quiet()).requests).reduce((sum, one) => sum + one, 0);
  const before = await total();
  const received = (await told?.()) ?? 0;
  const each = (path: string) =>
    Array.from({ length: clients }, (_, at) => `${urls[at % urls.length]}${path}`);
  const accept = Object.entries(manifestHeaders).flatMap(([name, value]) => [
    '--header',
    `${name}: ${value}`,
  ]);
  const began = performance.now();
  const pulled = [
    ...(await pullAll(each(byTag), clients, accept)),
    ...(await pullAll(each(blobs.at(-1) ?? ''), clients)),
  ];
  const ms = performance.now() - began;
  const failed = pulled.filter(({ status }) => status !== 200).length;
  return { ms, failed, asked: (await total()) - before, between: ((await told?.()) ?? 0) - received };
}

/** The endpoint of an S3 server with a bucket for each program. */
async function startBuckets(stage: Stage): Promise<string> {
  const folder = stage.folder('buckets');
  for (const name of ['entrepot-1', 'entrepot-4', 'distribution', 'zot'])
    mkdirSync(join(folder, 'buckets', name), { recursive: true });
  mkdirSync(join(folder, 'attributes'));
  const address = `127.0.0.1:${await freePort()}`;
  const keys = [`ROOT_ACCESS_KEY=${key.access}`, `ROOT_SECRET_KEY=${key.secret}`];
  const places = ['posix', '--sidecar', join(folder, 'attributes'), join(folder, 'buckets')];
  const command = ['env', ...keys, 'versitygw', '--port', address, '--quiet', '--keep-alive', ...places];
  const url = `http://${address}`;
  const service = await stage.serve(command, { folder, url });
  stage.defer(() => service.stop());
  return url;
}

async function ofEntrepot(stage: Stage, { host }: Upstream, bucket: string, count: number): Promise<Setting> {
  const addresses = await Promise.all(
    Array.from({ length: count }, async () => `127.0.0.1:${await freePort()}`),
  );
  const secrets = stage.folder('secrets');
  const file = (name: string, text: string) => {
    writeFileSync(join(secrets, name), text);
    return JSON.stringify(join(secrets, name));
  };
  const peers = JSON.stringify(addresses.map((address) => `http://${address}`));
  const store = [
    `[[store]]\nname = "bench"\nkind = "s3"\nbucket = "entrepot-${count}"\nendpoint = "${bucket}"`,
    `access_key_file = ${file('access', key.access)}\nsecret_key_file = ${file('secret', key.secret)}\n`,
  ].join('\n');
  const cluster = (address: string) =>
    `[cluster]\npeers = ${peers}\nself = "http://${address}"\nsecret_file = ${file('cluster', 'of four replicas')}\n`;
  const running = await Promise.all(
    addresses.map((address) =>
      started(
        entrepot.start(stage, { host, address, toml: (count > 1 ? cluster(address) : '') + store }),
        stage,
      ),
    ),
  );
  const name = count === 1 ? '1 Entrepot' : `${count} Entrepots, one cluster`;
  const told = count > 1 ? () => between(running, addresses) : undefined;
  return { name, tool: 'entrepot', urls: running.map(({ url }) => url), between: told };
}

async function ofDistribution(stage: Stage, { host }: Upstream, bucket: string): Promise<readonly Setting[]> {
  const program = ['registry', 'docker-registry'].find(isInstalled);
  if (!program) return [];
  const start = async () => {
    const folder = stage.folder('distribution');
    const address = `127.0.0.1:${await freePort()}`;
    const s3 = {
      ...{
        region: 'us-east-1',
        regionendpoint: bucket,
        bucket: 'distribution',
        secure: false,
        forcepathstyle: true,
      },
      ...{ accesskey: key.access, secretkey: key.secret },
    };
    const settings = {
      version: '0.1',
      storage: { cache: { blobdescriptor: 'inmemory' }, s3 },
      http: { addr: address },
      proxy: { remoteurl: `http://${host}` },
    };
    // JSON is YAML.
    const file = join(folder, 'config.yml');
    writeFileSync(file, JSON.stringify(settings));
    const command = [program, 'serve', file];
    return started(keepRunning('docker-registry', stage, { command, folder, address }), stage);
  };
  const running = await Promise.all(Array.from({ length: 4 }, start));
  const urls = running.map(({ url }) => url);
  return [{ name: '4 distributions, one bucket', tool: 'docker-registry', urls, between: undefined }];
}

async function ofZot(stage: Stage, { host }: Upstream, bucket: string): Promise<readonly Setting[]> {
  if (!isInstalled('zot')) return [];
  const members = await Promise.all(Array.from({ length: 4 }, async () => `127.0.0.1:${await freePort()}`));
  const storageDriver = {
    ...{ name: 's3', rootdirectory: '/zot', region: 'us-east-1', regionendpoint: bucket, bucket: 'zot' },
    ...{
      accesskey: key.access,
      secretkey: key.secret,
      secure: false,
      skipverify: true,
      forcepathstyle: true,
    },
  };
  const source = { urls: [`http://${host}`], onDemand: true, tlsVerify: false, content: [{ prefix: '**' }] };
  const urls = await Promise.all(
    members.map(async (member) => {
      const folder = stage.folder('zot');
      const [address = '', port = ''] = member.split(':');
      const rootDirectory = join(folder, 'data');
      const settings = {
        distSpecVersion: '1.1.1',
        storage: { rootDirectory, dedupe: false, gc: false, remoteCache: false, storageDriver },
        http: { address, port },
        log: { level: 'error' },
        cluster: { members, hashKey: 'sixteen-letters!' },
        extensions: { sync: { enable: true, downloadDir: join(folder, 'downloads'), registries: [source] } },
      };
      const file = join(folder, 'config.json');
      writeFileSync(file, JSON.stringify(settings));
      const url = `http://${member}`;
      const service = await stage.serve(['zot', 'serve', file], { folder, url: `${url}/v2/` });
      stage.defer(() => service.stop());
      return url;
    }),
  );
  return [{ name: '4 zots, one cluster', tool: 'zot', urls, between: undefined }];
}

async function started(starting: Promise<RunningPeer>, stage: Stage): Promise<RunningPeer> {
  const peer = await starting;
  stage.defer(() => peer.stop());
  return peer;
}
