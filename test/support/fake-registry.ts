/**
 * A registry on loopback that holds what a test puts in, does wrong what the test's rules say, and remembers what it was
 * asked. Rules are looked through in their order; the first that matches decides alone, with all its faults together.
 * They apply to requests that were let in (the 401s of a bearer flow are not counted), unless `early` is set.
 *
 *   const registry = await startFakeRegistry();
 *   const layer = registry.putBlob(generateBlob(64 * MiB));
 *   registry.on({ digest: layer, nth: 1 }, endShort(10 * MiB));
 *   ...
 *   assert.equal(registry.count({ kind: 'blob', method: 'GET' }), 2);
 *   await registry.stop();
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Digest, digestAlgorithm } from '../../src/oci/digest.ts';
import { type Blob, blobOf, generateBlob } from './byte-source.ts';
import { type Guard, type RegistryAuth, refuse } from './fake-registry-auth.ts';
import { type ContentOptions, createContent } from './fake-registry-content.ts';
import { deliver } from './fake-registry-delivery.ts';
import type { Delivery, Fault } from './fake-registry-faults.ts';
import {
  createJournal,
  type Journal,
  matches,
  type RequestMatch,
  readRequest,
} from './fake-registry-journal.ts';
import type { Image } from './images.ts';
import { type Listener, type ListenerOptions, listen } from './listener.ts';

export interface FakeRegistryOptions extends ContentOptions, ListenerOptions {
  readonly auth?: RegistryAuth | Guard;
  /** Headers of every answer, such as `ratelimit-remaining`. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RuleMatch extends RequestMatch {
  /** Applies to this one only of the requests that match the rest: 1 is the first. */
  readonly nth?: number;
  /** Applies to the first so many that match the rest. */
  readonly times?: number;
  /** Applies to all but the first so many that match the rest. */
  readonly after?: number;
  /** Applies before authorization, to refused requests too. */
  readonly early?: true;
}

export interface Rule {
  /** How many requests the faults were applied to. */
  readonly hits: number;
  remove(): void;
}

export interface ManifestBytes {
  readonly bytes: Uint8Array | string;
  readonly mediaType: string;
  /** Says the algorithm of its digest. Default: sha256. */
  readonly digest?: Digest;
}

export interface FakeRegistry extends Listener, Journal {
  /** Content visible in every repository, or only in those named. */
  putBlob(content: Blob | Uint8Array | string, only?: readonly string[]): Digest;
  putGeneratedBlob(size: number, seed?: number | string, only?: readonly string[]): Digest;
  removeBlob(digest: Digest): void;
  putManifest(repository: string, tag: string | undefined, manifest: ManifestBytes): Digest;
  /** By tag, or by digest with all its tags. */
  removeManifest(repository: string, reference: string): void;
  /** The manifest (or index), all below it, and all blobs. */
  putImage(repository: string, tag: string | undefined, image: Image): Digest;
  /** A plain file at any path, outside the API, such as a CDN has it; answers ranges. */
  putFile(
    path: string,
    content: Blob | Uint8Array | string,
    options?: { refusesAuthorization?: boolean },
  ): string;
  on(match: RuleMatch, ...faults: readonly Fault[]): Rule;
  /** Forgets all rules. */
  heal(): void;
  /** Dies: breaks every connection and refuses new ones, until `restart`. */
  refuse(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

interface ActiveRule extends Rule {
  readonly match: RuleMatch;
  readonly faults: readonly Fault[];
  matched: number;
  hits: number;
}

export async function startFakeRegistry(options: FakeRegistryOptions = {}): Promise<FakeRegistry> {
  const content = createContent(options);
  const journal = createJournal();
  const rules: ActiveRule[] = [];
  const listener = await listen(options, (message, response) => void answer(message, response));

  function faultsFor(request: Parameters<typeof matches>[1], early: boolean): readonly Fault[] {
    for (const rule of rules) {
      if ((rule.match.early ?? false) !== early || !matches(rule.match, request)) continue;
      rule.matched += 1;
      const { nth = rule.matched, times = rule.matched, after = 0 } = rule.match;
      if (nth !== rule.matched || rule.matched > times || rule.matched <= after) continue;
      rule.hits += 1;
      return rule.faults;
    }
    return [];
  }

  async function answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
    message.resume();
    response.on('error', () => {});
    const over = new AbortController();
    const ended = new Promise<'complete' | 'cut'>((resolve) => {
      response.once('close', () => {
        over.abort();
        resolve(response.writableFinished ? 'complete' : 'cut');
      });
    });
    const connection = listener.connectionOf(message.socket);
    const read = readRequest(message, { connection, at: performance.now(), ended });
    const request = content.hasFile(read.path) ? { ...read, kind: 'file' as const } : read;
    journal.add(request);

    const early = faultsFor(request, true);
    const refusal = early.length > 0 ? undefined : refuse(options.auth, request);
    const faults = early.length > 0 ? early : refusal ? [] : faultsFor(request, false);
    for (const fault of faults) await fault.before?.(over.signal);
    let given = refusal ?? content.answer(request, !faults.some((fault) => fault.ignoreRange));
    for (const fault of faults) given = fault.answer?.(given, request) ?? given;
    const delivery: Delivery = Object.assign({}, ...faults.map((fault) => fault.delivery));
    const version = { 'docker-distribution-api-version': 'registry/2.0' };
    given = { ...given, headers: { ...version, ...options.headers, ...given.headers } };
    await deliver({ request, response, over: over.signal }, given, delivery);
  }

  function putBlob(source: Blob | Uint8Array | string, only?: readonly string[]): Digest {
    const blob = toBlob(source);
    content.putBlob(blob, only);
    return blob.digest;
  }

  function putManifest(repository: string, tag: string | undefined, manifest: ManifestBytes): Digest {
    const blob = blobOf(manifest.bytes, manifest.digest && digestAlgorithm(manifest.digest));
    content.putManifest(repository, tag, { blob, mediaType: manifest.mediaType });
    return blob.digest;
  }

  return {
    ...listener,
    ...journal,
    putBlob,
    putManifest,
    putGeneratedBlob: (size: number, seed: number | string = 0, only?: readonly string[]) =>
      putBlob(generateBlob(size, seed), only),
    removeBlob(digest: Digest) {
      content.removeBlob(digest);
    },
    removeManifest: content.removeManifest,
    putImage(repository: string, tag: string | undefined, image: Image): Digest {
      for (const blob of image.blobs) content.putBlob(blob);
      for (const child of image.children) putManifest(repository, undefined, child);
      return putManifest(repository, tag, image);
    },
    putFile(path: string, source: Blob | Uint8Array | string, file: { refusesAuthorization?: boolean } = {}) {
      content.putFile(path, {
        blob: toBlob(source),
        refusesAuthorization: file.refusesAuthorization ?? false,
      });
      return `${listener.url}${path}`;
    },
    on(match: RuleMatch, ...faults: readonly Fault[]): Rule {
      const rule: ActiveRule = {
        match,
        faults,
        matched: 0,
        hits: 0,
        remove() {
          const index = rules.indexOf(rule);
          if (index >= 0) rules.splice(index, 1);
        },
      };
      rules.push(rule);
      return rule;
    },
    heal() {
      rules.length = 0;
    },
    refuse: listener.close,
    restart: listener.reopen,
    stop: listener.close,
  };
}

function toBlob(content: Blob | Uint8Array | string): Blob {
  return typeof content === 'string' || content instanceof Uint8Array ? blobOf(content) : content;
}
