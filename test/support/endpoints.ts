/** What tests of many endpoints write and read again and again: entries of registries.conf, names, trust, and error bodies. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AppDeps } from '../../src/app.ts';
import type { Attempt } from '../../src/upstream/outcome.ts';
import { type FakeRegistry, type FakeRegistryOptions, startFakeRegistry } from './fake-registry.ts';
import { type HttpAnswer, json } from './http-client.ts';
import type { Cleanup } from './temp-folder.ts';

/** A fake registry that is gone when the test is over. */
export async function startRegistry(test: Cleanup, options?: FakeRegistryOptions): Promise<FakeRegistry> {
  const registry = await startFakeRegistry(options);
  test.after(() => registry.stop());
  return registry;
}

export interface EntryOptions {
  /** Locations, in their order. */
  readonly mirrors?: readonly string[];
  /** Default: the prefix. */
  readonly source?: string;
  /** Locations that are not insecure; all others are, since fakes speak plain HTTP. */
  readonly secure?: readonly string[];
}

/** A [[registry]] of registries.conf. */
export function entry(prefix: string, options: EntryOptions = {}): string {
  const { mirrors = [], source = prefix, secure = [] } = options;
  const insecure = (location: string) => (secure.includes(location) ? '' : 'insecure = true\n');
  const place = (table: string, location: string) =>
    `[[${table}]]\nlocation = "${location}"\n${insecure(location)}`;
  const [first = '', ...rest] = place('registry', source).split('\n');
  return [first, `prefix = "${prefix}"`, ...rest]
    .concat(mirrors.map((mirror) => place('registry.mirror', mirror)))
    .join('\n');
}

/** A resolver that knows these names and no others. */
export function names(known: Readonly<Record<string, readonly string[]>>): NonNullable<AppDeps['resolve']> {
  return (hostname, _, callback) => {
    const addresses = (known[hostname] ?? []).map((address) => ({
      address,
      family: address.includes(':') ? 6 : 4,
    }));
    const unknown = Object.assign(new Error(`no such name: ${hostname}`), { code: 'ENOTFOUND' });
    callback(addresses.length === 0 ? unknown : null, addresses);
  };
}

/** Puts `files` into the directory of certs.d for `host`, in a folder that the app is then started with. */
export function certsFor(folder: string, host: string, files: Readonly<Record<string, string>>): void {
  const directory = join(folder, 'etc/containers/certs.d', host);
  mkdirSync(directory, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
}

export interface ReadError {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly trail: readonly Attempt[];
  /** `HOST outcome`, in the order of the trail. */
  readonly outline: readonly string[];
}

/** The OCI error body of an answer. */
export function readError(answer: HttpAnswer): ReadError {
  const body = json(answer) as { errors: [{ code: string; message: string; detail?: readonly Attempt[] }] };
  assert.equal(body.errors.length, 1);
  const [{ code, message, detail }] = body.errors;
  const trail = Array.isArray(detail) ? (detail as readonly Attempt[]) : [];
  const outline = trail.map(({ endpoint, outcome }) => `${endpoint.split('/')[0]} ${outcome}`);
  return { status: answer.status, code, message, trail, outline };
}
