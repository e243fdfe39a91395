/**
 * What every test of the transfer engine stands on: one image name, `registry.example/team/app`, whose blobs come from
 * fake registries in the order in which they are given (mirrors first, the source last), with the whole program before them.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { AppDeps } from '../../src/app.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { type RunningApp, startApp } from './app.ts';
import type { Blob } from './byte-source.ts';
import { eventually } from './eventually.ts';
import { type FakeRegistry, type FakeRegistryOptions, startFakeRegistry } from './fake-registry.ts';
import { type GetOptions, get, type OpenAnswer, open } from './http-client.ts';
import type { Image } from './images.ts';
import type { Cleanup } from './temp-folder.ts';

export const KiB = 1024;
export const MiB = 1024 * KiB;

/**
 * What may lie in the socket buffers of a connection that is broken off: its sender counts it as sent, and nobody
 * has received it.
 */
export const inSocketBuffers = 6 * MiB;

const image = 'registry.example/team/app';

export interface ColdBlobs {
  /** In trying order; the last one is the source. */
  readonly registries: readonly FakeRegistry[];
  readonly proxy: RunningApp;
  url(digest: Digest): string;
  manifestUrl(reference: string): string;
  /** Body bytes that all registries together have sent of the blob. */
  sent(digest: Digest): number;
  /** Blob requests with this method that came to all registries. */
  asked(method: 'GET' | 'HEAD'): number;
  /** Body bytes of anything that the program has taken in. */
  received(): Promise<number>;
  /** The number behind a metric's full name, labels included; 0 where it is not there. */
  metric(name: string): Promise<number>;
  /** Resolves when the blob is in the store and nothing is on its way any more. */
  stored(digest: Digest): Promise<void>;
  /** Names in the folder of transfers in flight. */
  incoming(): string[];
  /** Resolves when nothing is left there. */
  tidy(): Promise<void>;
}

export interface ColdBlobsOptions {
  /** How many registries; default 1. */
  readonly registries?: number;
  readonly upstream?: FakeRegistryOptions;
  readonly toml?: string | ((registries: readonly FakeRegistry[]) => string);
  readonly deps?: Partial<AppDeps>;
  readonly folder?: string;
}

export async function startColdBlobs(test: Cleanup, options: ColdBlobsOptions = {}): Promise<ColdBlobs> {
  const registries: FakeRegistry[] = [];
  for (let count = options.registries ?? 1; count > 0; count--) {
    const registry = await startFakeRegistry(options.upstream);
    test.after(() => registry.stop());
    registries.push(registry);
  }
  const proxy = await startApp(
    test,
    {
      registries: registriesConf(registries.map(({ host }) => host)),
      toml: typeof options.toml === 'function' ? options.toml(registries) : (options.toml ?? ''),
      ...(options.folder !== undefined && { folder: options.folder }),
    },
    options.deps,
  );
  return overlook(proxy, registries);
}

/** The same view of a program that was started in another way. */
export function overlook<P extends Pick<RunningApp, 'url' | 'data'>>(
  proxy: P,
  registries: readonly FakeRegistry[],
): Omit<ColdBlobs, 'proxy'> & { readonly proxy: P } {
  const sum = (count: (registry: FakeRegistry) => number): number =>
    registries.reduce((total, registry) => total + count(registry), 0);
  const incoming = (): string[] => readdirSync(join(proxy.data, 'incoming'));

  async function lines(): Promise<string[]> {
    return (await get(`${proxy.url}/metrics`)).body.toString().split('\n');
  }
  async function metric(name: string): Promise<number> {
    const line = (await lines()).find((one) => one.startsWith(`${name} `));
    return Number(line?.split(' ').at(-1) ?? 0);
  }
  return {
    registries,
    proxy,
    url: (digest) => `${proxy.url}/v2/${image}/blobs/${digest}`,
    manifestUrl: (reference) => `${proxy.url}/v2/${image}/manifests/${reference}`,
    sent: (digest) => sum((registry) => registry.bodyBytes({ digest, kind: 'blob' })),
    asked: (method) => sum((registry) => registry.count({ kind: 'blob', method })),
    async received() {
      const counted = (await lines()).filter((line) =>
        line.startsWith('entrepot_upstream_received_bytes_total{'),
      );
      return counted.reduce((total, line) => total + Number(line.split(' ').at(-1)), 0);
    },
    metric,
    async stored(digest) {
      const [algorithm = '', hex = ''] = digest.split(':');
      const path = join(proxy.data, 'content-v1', algorithm, hex.slice(0, 2), hex);
      await eventually(`${digest} in the store`, () => existsSync(path));
      await eventually(
        'its row in the index',
        async () => (await metric('entrepot_transfers_in_flight')) === 0,
      );
    },
    incoming,
    async tidy() {
      await eventually('an empty incoming folder', () => incoming().length === 0);
    },
  };
}

/** registries.conf for the one image name: the last host is the source, those before it are its mirrors. */
export function registriesConf(hosts: readonly string[]): string {
  const [source, ...mirrors] = hosts.toReversed();
  const tables = mirrors
    .toReversed()
    .map((host) => `[[registry.mirror]]\nlocation = "${host}"\ninsecure = true\n`);
  return `[[registry]]\nprefix = "registry.example"\nlocation = "${source}"\ninsecure = true\n${tables.join('')}`;
}

/** The same content in every registry, under the image's name. */
export function offer(registries: readonly FakeRegistry[], content: Blob | Image): void {
  for (const registry of registries) {
    if ('layers' in content) registry.putImage('team/app', 'v1', content);
    else registry.putBlob(content);
  }
}

/** Compares what comes with the blob from `offset` on; counts the bytes. */
export function comparison(blob: Blob, offset = 0): { take(part: Buffer): void; readonly bytes: number } {
  let at = offset;
  return {
    take(part) {
      for (let done = 0; done < part.length; ) {
        const expected = blob.read(at, part.length - done);
        const found = part.subarray(done, done + expected.length);
        if (!found.equals(expected)) assert.fail(`wrong bytes between ${at} and ${at + expected.length}`);
        done += expected.length;
        at += expected.length;
      }
    },
    get bytes() {
      return at - offset;
    },
  };
}

/** GETs the whole blob and holds every byte against it. Fails unless it comes complete and right. */
export async function pullWhole(
  url: string,
  blob: Blob,
  options: GetOptions = {},
): Promise<{ cache: unknown }> {
  const answer = await open(url, options);
  if (answer.status !== 200) assert.fail(`${answer.status}: ${(await answer.rest()).body}`);
  assert.equal(Number(answer.headers['content-length'] ?? blob.size), blob.size);
  await restOf(answer, blob);
  return { cache: answer.headers['x-entrepot-cache'] };
}

/** Reads what is left of an answer whose next byte is that at `offset`, up to `end`. Fails unless it comes complete and right. */
export async function restOf(answer: OpenAnswer, blob: Blob, offset = 0, end = blob.size): Promise<void> {
  const compared = comparison(blob, offset);
  for (let part = await answer.read(MiB); part.length > 0; part = await answer.read(MiB)) compared.take(part);
  const { complete } = await answer.rest();
  assert.equal(compared.bytes, end - offset, 'as many bytes as were announced');
  assert.ok(complete, 'the answer ended as it should');
}
