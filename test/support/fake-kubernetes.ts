/**
 * An API server over TLS, with as much of Kubernetes as a watch of cluster objects sees: lists in pages, watches that begin with what has
 * changed since their version, bookmarks, versions that are too old (a line in an answer with 200), kinds that are not there, accounts
 * without rights.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type CertificateAuthority, createCertificateAuthority } from './certificates.ts';
import { listen } from './listener.ts';
import type { Cleanup } from './temp-folder.ts';

export interface FakeKubernetes {
  /** `https://127.0.0.1:PORT`. */
  readonly url: string;
  readonly port: number;
  readonly authority: CertificateAuthority;
  /** What each request was for: its path and query, and the token that it had. */
  readonly requests: readonly { readonly path: string; readonly token: string | undefined }[];
  /** Adds or changes an object of `test/support/cluster-objects.ts`, and tells the watches, also those that begin later. */
  apply(object: object): void;
  remove(kind: string, name: string): void;
  /** All that was watched is too old: watches get the error, and so does who begins one. */
  expire(): void;
  /** Sends each watch its version. */
  bookmark(): void;
  /** Ends each watch, as after its time. */
  endWatches(): void;
  /** Sends each watch a line as it is. */
  sendLine(line: string): void;
  /** Number of watches that are open. */
  watches(): number;
  /** Cuts every connection. */
  dropConnections(): void;
  close(): Promise<void>;
  reopen(): Promise<void>;
  /** Tokens that count. */
  tokens: readonly string[];
  /** Resources that the cluster does not have, and those that the account may not list or watch. */
  absent: readonly string[];
  forbidden: readonly string[];
  unwatchable: readonly string[];
  /** False: it answers as a proxy whose server is gone: 404 for everything. */
  isKubernetes: boolean;
  /** Objects of a page at most. */
  pageSize: number;
}

interface Stored {
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

interface Change {
  readonly version: number;
  readonly resource: string;
  readonly line: string;
}

interface Watch {
  readonly resource: string;
  readonly response: ServerResponse;
}

const kinds: Readonly<Record<string, string>> = {
  imagedigestmirrorsets: 'ImageDigestMirrorSet',
  imagetagmirrorsets: 'ImageTagMirrorSet',
  imagecontentsourcepolicies: 'ImageContentSourcePolicy',
};

/** Its certificate is for 127.0.0.1. With `clientCa`, it wants certificates of clients. */
export async function startFakeKubernetes(
  test: Cleanup,
  options: { readonly clientCa?: string } = {},
): Promise<FakeKubernetes> {
  const authority = createCertificateAuthority('Cluster');
  const requests: { path: string; token: string | undefined }[] = [];
  const objects = new Map<string, Stored>();
  const watches = new Set<Watch>();
  const changes: Change[] = [];
  let version = 1000;
  let oldest = 0;

  function answer(response: ServerResponse, status: number, value: unknown): void {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(value));
  }

  function refuse(response: ServerResponse, code: number, message: string): void {
    answer(response, code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, code });
  }

  const ofResource = (resource: string) =>
    [...objects.values()]
      .filter(({ kind }) => kind === kinds[resource])
      .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  const versioned = (object: Stored) => ({
    ...object,
    metadata: {
      ...object.metadata,
      resourceVersion: `${version}`,
      uid: 'u',
      managedFields: [{ manager: 'oc' }],
    },
    status: {},
  });
  const tooOld = {
    kind: 'Status',
    status: 'Failure',
    reason: 'Expired',
    message: 'too old resource version',
    code: 410,
  };

  const lineOf = (type: string, object: unknown) => `${JSON.stringify({ type, object })}\n`;

  function tell(resource: string | undefined, line: string): void {
    for (const watch of watches)
      if (resource === undefined || watch.resource === resource) watch.response.write(line);
  }

  function change(type: string, object: Stored): void {
    const resource = Object.keys(kinds).find((one) => kinds[one] === object.kind);
    if (resource === undefined) return;
    const line = lineOf(type, versioned(object));
    changes.push({ version, resource, line });
    tell(resource, line);
  }

  function onRequest(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'https://localhost');
    const token = request.headers.authorization?.replace(/^Bearer /, '');
    requests.push({ path: `${url.pathname}${url.search}`, token });
    if (!fake.isKubernetes) {
      response.writeHead(404).end('404 page not found\n');
      return;
    }
    if (!fake.tokens.includes(token ?? '')) return void refuse(response, 401, 'Unauthorized');
    if (url.pathname === '/version') {
      return void answer(response, 200, { major: '1', minor: '37', gitVersion: 'v1.37.2' });
    }
    const resource = url.pathname.split('/').at(-1) ?? '';
    if (!(resource in kinds) || fake.absent.includes(resource)) {
      response.writeHead(404).end('404 page not found\n');
      return;
    }
    const isWatch = url.searchParams.has('watch');
    if (fake.forbidden.includes(resource) || (isWatch && fake.unwatchable.includes(resource))) {
      return void refuse(
        response,
        403,
        `${resource} is forbidden: User "system:serviceaccount:a:b" cannot list it`,
      );
    }
    if (!isWatch) return void list(resource, url, response);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    const from = Number(url.searchParams.get('resourceVersion'));
    if (from < oldest) {
      response.end(lineOf('ERROR', tooOld));
      return;
    }
    for (const { line, ...missed } of changes)
      if (missed.version > from && missed.resource === resource) response.write(line);
    const watch = { resource, response };
    watches.add(watch);
    response.on('close', () => watches.delete(watch));
  }

  function list(resource: string, url: URL, response: ServerResponse): void {
    const all = ofResource(resource);
    const from = Number(url.searchParams.get('continue') ?? 0);
    const size = Math.min(fake.pageSize, Number(url.searchParams.get('limit')));
    const next = from + size < all.length ? `${from + size}` : undefined;
    // The items of a list have no kind.
    const items = all
      .slice(from, from + size)
      .map((object) => ({ ...versioned(object), kind: undefined, apiVersion: undefined }));
    answer(response, 200, {
      kind: `${kinds[resource]}List`,
      metadata: { resourceVersion: `${version}`, ...(next !== undefined && { continue: next }) },
      items,
    });
  }

  const tls = { ...authority.issue({ hosts: ['127.0.0.1'] }), ...options };
  const listener = await listen({ tls }, onRequest);
  test.after(() => listener.close());

  const fake: FakeKubernetes = {
    url: listener.url,
    port: listener.port,
    authority,
    requests,
    tokens: ['t1'],
    absent: [],
    forbidden: [],
    unwatchable: [],
    isKubernetes: true,
    pageSize: 500,
    apply(object) {
      const stored = object as Stored;
      const key = `${stored.kind}/${stored.metadata.name}`;
      const type = objects.has(key) ? 'MODIFIED' : 'ADDED';
      version += 1;
      objects.set(key, stored);
      change(type, stored);
    },
    remove(kind, name) {
      const stored = objects.get(`${kind}/${name}`);
      if (!stored) throw new Error(`there is no ${kind} ${name}`);
      version += 1;
      objects.delete(`${kind}/${name}`);
      change('DELETED', stored);
    },
    expire() {
      version += 1;
      oldest = version;
      tell(undefined, lineOf('ERROR', tooOld));
      fake.endWatches();
    },
    bookmark() {
      version += 1;
      tell(undefined, lineOf('BOOKMARK', { metadata: { resourceVersion: `${version}` } }));
    },
    endWatches() {
      for (const { response } of watches) response.end();
      watches.clear();
    },
    sendLine(line) {
      for (const { response } of watches) response.write(`${line}\n`);
    },
    watches: () => watches.size,
    dropConnections: listener.dropConnections,
    close: listener.close,
    reopen: listener.reopen,
  };
  return fake;
}
