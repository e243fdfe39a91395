/** The program after a pull in which enough has happened that every metric has a sample. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCertificateAuthority } from './certificates.ts';
import { eventually } from './eventually.ts';
import { endShort } from './fake-registry-faults.ts';
import { get } from './http-client.ts';
import { buildImage } from './images.ts';
import { createMemoryObjects } from './memory-objects.ts';
import { settled, startMirrored } from './mirrored-registry.ts';
import { storedFile } from './stored-files.ts';
import { type Cleanup, tempFolder } from './temp-folder.ts';

const image = buildImage({ layers: [3_000_000] });
const layer = image.layers[0]!;
const settings =
  '[cache]\nmax_size = "10MB"\nmin_free = "1MB"\n[[cache.quota]]\nmatch = "**/team/*"\nmax_size = "5MB"\n';

/**
 * An image is pulled twice, from a registry that breaks off once and limits requests; its layer is damaged in between. `database`: a URL
 * of PostgreSQL. Without it, what is told of facts has no sample.
 */
export async function usedProgram(test: Cleanup, { database }: { readonly database?: string } = {}) {
  const toml = settings + clusterOfOne(test) + (database === undefined ? '' : factsIn(test, database));
  const headers = { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '76;w=21600' };
  const probe = { name: 'probe', atOnce: 1, run: async () => ({ kind: 'done', report: null }) as const };
  const { store, objects } = createMemoryObjects('eu');
  const bucket = { store, match: [], uploadRate: undefined, redirect: undefined, sweep: undefined };
  const watched = { kind: 'ImageTagMirrorSet', state: 'listed', reason: undefined, objects: 1 } as const;
  const app = { version: '1.2.3', jobKinds: [probe], buckets: [bucket], policies: () => [watched] };
  const mirrored = await startMirrored(test, { toml, app, upstream: { headers } });
  const { registry, proxy } = mirrored;
  // It goes on in plain HTTP, but reads the certificate.
  const { cert, key } = createCertificateAuthority().issue();
  writeFileSync(join(proxy.folder, 'tls.crt'), cert);
  writeFileSync(join(proxy.folder, 'tls.key'), key);
  const sync = `[[sync]]\nname = "none"\nsource = "${registry.host}/team/none"\n`;
  const sender = `[[events.in]]\nname = "hub"\nformat = "dockerhub"\nsecret_file = "tls.key"\nregistry = "${registry.host}"\n`;
  const sink = `[[events.out]]\nname = "none"\nformat = "cloudevents"\nurl = "http://${registry.host}/hook"\non = ["synced"]\n`;
  const gate = `[[gate]]\nname = "none"\nkind = "scanner"\nmatch = "**/none"\nfail = "open"\nurl = "http://${registry.host}/scan"\n`;
  await proxy.reload({
    toml: `${toml}${sync}${sender}${sink}${gate}[tls]\ncertificate = "tls.crt"\nkey = "tls.key"\n`,
  });
  await proxy.app.administration.sync(['none'], {});
  // A sender has samples once a request has come.
  await get(`${proxy.url}/events/hub`);
  const { jobs } = proxy.app;
  const job = { kind: 'probe', key: 'a', arguments: null, priority: 0, cause: 'manual' };
  const id = await jobs.add(job);
  await eventually('the job is done', async () => (await jobs.find(id))?.state === 'done');
  registry.putImage('team/app', '1', image);
  registry.on({ digest: layer.digest, nth: 1 }, endShort(1_000_000));
  const paths = ['manifests/1', ...image.blobs.map(({ digest }) => `blobs/${digest}`)];
  for (const path of paths) assert.equal((await mirrored.get('team/app', path)).complete, true);
  await settled(proxy);
  const contents = 1 + image.blobs.length;
  await eventually('all of it is in the bucket', () => objects.size === contents);
  // From here on the registry alone has it.
  objects.clear();
  const file = storedFile(proxy.data, layer.digest);
  const bytes = readFileSync(file);
  bytes[7] = bytes[7]! ^ 1;
  writeFileSync(file, bytes);
  for (const path of paths) await mirrored.get('team/app', path).catch(() => {});
  await mirrored.get('team/app', paths.at(-1)!);
  await settled(proxy);
  const text = await eventually('an event was tried to be delivered', async () => {
    const shown = (await get(`${proxy.url}/metrics`)).body.toString();
    const isThere = (name: string) => shown.includes(`${name}{`);
    const isShared = database === undefined || shown.includes('\nentrepot_facts_behind_seconds ');
    return (
      isThere('entrepot_events_out_total') && isThere('entrepot_placed_bytes_total') && isShared && shown
    );
  });
  const stored = image.bytes.length + image.blobs.reduce((sum, { bytes }) => sum + bytes().length, 0);
  return { text, host: registry.host, /** Bytes. */ stored };
}

function clusterOfOne(test: Cleanup): string {
  const file = join(tempFolder(test), 'secret');
  writeFileSync(file, 'a secret of the cluster\n', { mode: 0o600 });
  const self = 'http://127.0.0.1:1';
  return `[cluster]\npeers = ["${self}"]\nself = "${self}"\nsecret_file = "${file}"\n`;
}

function factsIn(test: Cleanup, url: string): string {
  const file = join(tempFolder(test), 'facts-url');
  writeFileSync(file, `${url}\n`, { mode: 0o600 });
  return `[facts]\nurl_file = "${file}"\n`;
}
