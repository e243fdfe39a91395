/**
 * The objects of the cluster in force, for `policies_from = "kubernetes"`:
 *
 *   start     the objects as the API server has them; if it does not answer in time, those that were seen last
 *             if they cannot be used, those that were in force last, until the next reload
 *   change    saved as seen, and a reload is asked for, once the server has started
 *   reload    once it has succeeded, those that it was made of are saved as those in force
 */
import { randomUUID } from 'node:crypto';
import type { ProxyEnvironment } from '../config/config.ts';
import type { Surroundings } from '../config/config-paths.ts';
import {
  type ObjectsText,
  readSeenObjects,
  readUsedObjects,
  seenObjectsFile,
  usedObjectsFile,
} from '../config/policies/cluster-objects.ts';
import { EntrepotError } from '../errors.ts';
import type { ApiAccess } from '../kubernetes/api-access.ts';
import { createApiClient } from '../kubernetes/api-client.ts';
import { findApiAccess } from '../kubernetes/find-access.ts';
import { type WatchedObjects, watchObjects } from '../kubernetes/watch-objects.ts';
import { createReadBlocks } from '../lib/bytes/read-blocks.ts';
import { systemClock } from '../lib/clock.ts';
import { createViaChain } from '../lib/flow/via-chain.ts';
import { writeFileSafely } from '../lib/safe-write.ts';
import { reasonOf } from '../lib/thrown.ts';
import type { Log } from '../telemetry/log.ts';
import type { PolicyKindState } from '../telemetry/states.ts';
import { createHttpClient } from '../upstream/http/http-client.ts';
import { createLookups } from '../upstream/http/lookups.ts';

export interface LivePolicies {
  /** Those that the next configuration is made of. */
  readonly objects: ObjectsText;
  /** What is known of each kind, for conditions and metrics. */
  states(): readonly PolicyKindState[];
  /** Goes back to the objects that were in force last; false if none are known. */
  fallBack(): boolean;
  /** A configuration was made of `text`, as `objects` had it then, and is in force. */
  used(text: string): void;
  /** From now on, `changed` is called after each change, and now if other objects are known than those in force. */
  start(changed: () => void): void;
  stop(): Promise<void>;
}

export interface LivePoliciesDeps {
  readonly surroundings: Surroundings;
  readonly proxies: ProxyEnvironment;
  readonly log: Log;
  readonly version: string | undefined;
}

/** As all files of the data folder but secrets: the next start on OpenShift may be as another user of the same group. */
const ofGroup = { file: 0o660, folder: 0o770 };
/** ms that a start waits for the API server: if objects are remembered, and if none are. */
const startWait = { remembered: 5000, unknown: 15_000 };
/** What sockets read into: three watches, with little traffic. */
const readBlocks = { size: 64 * 1024, sockets: 4, keep: 4, lend: 4 };

/**
 * Resolves once objects are known. Throws EntrepotError CONFIG_UNREADABLE if they are not, and were not at an earlier start: without
 * the objects, what they block would be open. Throws what `findApiAccess` throws.
 */
export async function openLivePolicies(data: string, deps: LivePoliciesDeps): Promise<LivePolicies> {
  const { surroundings, log } = deps;
  const access = findApiAccess(surroundings);
  const connect = connector(access, deps);
  const clients = () => createApiClient(access, { clock: systemClock, connect });
  const watched = watchObjects({ clock: systemClock, log, random: Math.random, clients });
  let changed: (() => void) | undefined;
  let objects: ObjectsText | undefined;
  let usedText: string | undefined;
  let instead: ObjectsText | undefined;

  function save(file: string, text: string): void {
    try {
      writeFileSafely(file, text, ofGroup);
    } catch (error) {
      log.warn(
        { event: 'policies.unsaved', file, reason: reasonOf(error) },
        'objects of the cluster cannot be saved: a start without the API server would not know them',
      );
    }
  }

  function see(): void {
    const { text } = watched;
    if (text === undefined || text === objects?.text) return;
    objects = { file: seenObjectsFile(data), text };
    save(objects.file, text);
    changed?.();
  }

  const remembered = readSeenObjects(data);
  // Neither the clock's timers nor connections that are refused keep the process alive.
  const awake = setInterval(() => {}, startWait.unknown);
  try {
    watched.start(see);
    await watched.settled(remembered ? startWait.remembered : startWait.unknown);
  } finally {
    clearInterval(awake);
  }
  see();
  objects ??= remembered;
  if (objects === undefined) {
    await watched.stop();
    throw unknown(access, watched);
  }
  const first: ObjectsText = objects;
  const inForce = () => instead ?? objects ?? first;

  return {
    get objects() {
      return inForce();
    },
    states: () =>
      watched.tables.map(({ of: { kind }, state, reason, objects }) => ({
        ...{ kind, state, reason },
        objects: objects?.length ?? 0,
      })),
    fallBack() {
      instead = readUsedObjects(data);
      return instead !== undefined;
    },
    used(text) {
      if (text === usedText) return;
      usedText = text;
      save(usedObjectsFile(data), text);
    },
    start(onChange) {
      instead = undefined;
      changed = onChange;
      if (inForce().text !== usedText) onChange();
    },
    stop: () => watched.stop(),
  };
}

function unknown({ server, from }: ApiAccess, { tables }: WatchedObjects): EntrepotError {
  const kinds = tables
    .filter(({ objects }) => objects === undefined)
    .map(({ of, reason }) => `${of.kind} (${reason ?? 'no answer yet'})`);
  const message =
    `the objects of the cluster are not known: ${server.origin} with ${from}: ${kinds.join(', ')}. No earlier start has seen them, ` +
    'and without them what they block would be open';
  return new EntrepotError('CONFIG_UNREADABLE', message);
}

/** Makes connections with the CA and certificates of that moment. */
function connector(access: ApiAccess, { proxies, version }: LivePoliciesDeps) {
  const clock = systemClock;
  const http = {
    clock,
    proxies,
    blocks: createReadBlocks(readBlocks),
    lookups: createLookups({ clock }),
    userAgent: version === undefined ? 'entrepot' : `entrepot/${version}`,
    via: createViaChain(randomUUID()),
  };
  const { verify, serverName, proxy } = access;
  const options = {
    name: 'the API server',
    connectTimeout: 5000,
    headerTimeout: 30_000,
    stallTimeout: 30_000,
    maxConnections: 2,
    proxy,
    caFile: undefined,
  };
  return () =>
    createHttpClient(http, { ...options, tls: { ca: access.ca(), pair: access.pair(), verify, serverName } });
}
