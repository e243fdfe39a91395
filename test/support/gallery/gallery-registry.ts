/** Starts the servers of one personality: the registry, its token server, its storage, and the host that clients know. */
import type { ManualClock } from '../clock.ts';
import { type FakeRegistry, startFakeRegistry } from '../fake-registry.ts';
import { redirect, status, withHeaders } from '../fake-registry-faults.ts';
import { listen } from '../listener.ts';
import type { Cleanup } from '../temp-folder.ts';
import { startTokenServer, type TokenServer } from '../token-server.ts';
import { type Account, createAccess, isKnown } from './access.ts';
import { allBlobs, app, fallbackTag, fill, names, nextApp } from './content.ts';
import type { BearerAccess, Personality } from './personality.ts';
import { shapeAnswers } from './shape-answers.ts';

export interface GalleryRegistry {
  readonly personality: Personality;
  /** `127.0.0.1:PORT` of the host that clients know. */
  readonly host: string;
  readonly url: string;
  /** The registry that answers: behind a vanity host another one. */
  readonly registry: FakeRegistry;
  /** Undefined if no account is needed. */
  readonly account: Account | undefined;
  /** Whether the forbidden repository is still forbidden. */
  forbids: boolean;
  /** The tag `1` of `app` gives another image from now on. */
  moveTag(): void;
  /** Every token that was given so far, or the password, is worth nothing from now on. */
  endCredentials(): void;
  /** All of its hosts refuse connections. */
  refuse(): Promise<void>;
}

export async function startGalleryRegistry(
  test: Cleanup,
  personality: Personality,
  clock: ManualClock,
): Promise<GalleryRegistry> {
  const { access, blobs = {}, tags = {} } = personality;
  const account: Account = { username: 'joe', password: 'first' };
  const needsAccount = access.kind === 'basic' || (access.kind === 'bearer' && access.account);
  const gallery = { forbids: true };
  const mayPull = (repository: string) => repository !== names.secret || !gallery.forbids;
  const closing: (() => Promise<void>)[] = [];
  const owned = <T extends { close(): Promise<void> }>(server: T): T => {
    closing.push(server.close);
    test.after(server.close);
    return server;
  };

  const tokens =
    access.kind === 'bearer'
      ? owned(await startTokens(access, account, { clock, mayPull, personality }))
      : undefined;
  const dead = owned(await listen({}, (_, response) => response.writeHead(401).end()));
  const storage =
    blobs.redirect?.to === 'storage' ? owned(await startStorage(blobs.signedForGetOnly ?? false)) : undefined;
  const registry = owned(
    await startFakeRegistry({
      auth: createAccess({ personality, account, tokens, deadRealm: () => `${dead.url}/token`, mayPull }),
      referrers: personality.referrers === 'api' || personality.referrers === 'unfiltered',
      filtersReferrers: personality.referrers === 'api',
      ranges: blobs.ranges !== 'ignored',
      ...(tags.page !== undefined && { tagsPerPage: tags.page }),
      ...(personality.headers && { headers: personality.headers }),
    }),
  );
  fill(registry, personality);
  if (personality.referrers === 'subject') registry.putManifest(names.app, fallbackTag, app);
  for (const blob of allBlobs) {
    if (blobs.redirect?.to === 'relative') registry.putFile(`/cdn/${blob.digest}`, blob);
    storage?.putFile(`/bucket/${blob.digest}`, blob, { refusesAuthorization: true });
  }
  shapeAnswers(registry, personality, storage);
  const front = personality.vanity
    ? owned(await startVanityHost(registry, personality.vanity.status))
    : registry;

  return Object.assign(gallery, {
    personality,
    host: front.host,
    url: front.url,
    registry,
    account: needsAccount ? account : undefined,
    moveTag: () => void registry.putManifest(names.app, '1', nextApp),
    endCredentials() {
      tokens?.revokeAll();
      if (access.kind === 'basic') account.password = 'second';
    },
    async refuse() {
      for (const close of closing) await close();
    },
  });
}

function startTokens(
  access: BearerAccess,
  account: Account,
  deps: { clock: ManualClock; mayPull: (repository: string) => boolean; personality: Personality },
): Promise<TokenServer> {
  const { personality } = deps;
  const pulls = {
    test: (name: string) =>
      deps.mayPull(name) && (personality.unknownRepository !== 'asForbidden' || isKnown(name)),
  };
  const { identityToken } = access;
  const identity = identityToken === undefined ? {} : { identityToken };
  return startTokenServer({
    clock: deps.clock,
    ...(access.account
      ? { accounts: { [account.username]: { password: account.password, pulls, ...identity } } }
      : { anonymous: pulls }),
    expiresIn: access.lifetime,
    tellExpiry: access.tellsLifetime ?? true,
    field: access.field ?? 'token',
    ...(access.refusesScope !== undefined && { refusesScope: access.refusesScope }),
    ...(access.redirect !== undefined && { redirect: access.redirect }),
  });
}

async function startStorage(signedForGetOnly: boolean): Promise<FakeRegistry> {
  const storage = await startFakeRegistry();
  if (signedForGetOnly) storage.on({ method: 'HEAD' }, status(403, {}, '<Code>SignatureDoesNotMatch</Code>'));
  storage.on({}, withHeaders({ 'docker-content-digest': undefined, etag: '"5d41402abc4b2a76"' }));
  return storage;
}

async function startVanityHost(registry: FakeRegistry, code: number): Promise<FakeRegistry> {
  const front = await startFakeRegistry();
  front.on(
    {},
    redirect(({ path, query }) => `${registry.url}${path}${query.size > 0 ? `?${query}` : ''}`, code),
  );
  return front;
}
