/**
 * Follows the objects of one kind: lists them, then watches from the version of that list.
 *
 *   list   200 ............ watch from its version
 *          404 ............ no such kind, if the server is one of Kubernetes; list again after a minute
 *          401, 403 ....... forbidden; list again
 *   watch  its end ........ watch again from the last version
 *          410, as a status, or as a line in an answer with 200: the version is too old ... list again
 *
 * Every other failure is tried again, first after about a second, then later and later up to half a minute. A part of each wait is
 * random, so that replicas do not ask all at once.
 */
import type { Clock } from '../lib/clock.ts';
import { backoff } from '../lib/flow/backoff.ts';
import { pause } from '../lib/flow/pause.ts';
import { isJsonObject } from '../oci/parse-json.ts';
import type { ApiAnswer, ApiClient } from './api-client.ts';
import type { ObjectTable } from './object-table.ts';

export interface FollowDeps {
  readonly client: ApiClient;
  readonly clock: Clock;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly signal: AbortSignal;
}

/** Objects of a page. */
const pageSize = 100;
const mostPages = 100;
/** ms. */
const absentPause = 60_000;
const pauses = { first: 1000, most: 30_000 };
/** s after which the server ends a watch, with bookmarks until then; a random part of it comes on top. */
const watchSeconds = 300;
/** ms on top of that: a connection that is silent for longer leads to nothing. */
const silenceGrace = 30_000;

/** What comes next: a list, or a watch from a version; and when. `isFailure` makes the pause longer each time. */
interface Next {
  readonly version?: string;
  readonly pause?: number;
  readonly isFailure?: boolean;
}

type Listed = { readonly items: readonly unknown[]; readonly version: string } | { readonly next: Next };

/** Until the signal is aborted. Never rejects for what a server does. */
export async function followKind(table: ObjectTable, deps: FollowDeps): Promise<void> {
  const { clock, random, signal } = deps;
  let version: string | undefined;
  let failures = 0;
  while (!signal.aborted) {
    const next =
      version === undefined
        ? await list(table, deps)
        : await watch(table, version, deps, () => (failures = 0));
    if (signal.aborted) return;
    version = next.version;
    if (next.isFailure) failures += 1;
    // Only a list that was taken asks for no pause.
    else if (next.pause === undefined) failures = 0;
    const ms = Math.max(next.pause ?? 0, failures === 0 ? 0 : backoff(failures, pauses));
    if (ms > 0) await pause(clock, ms * (0.5 + random() / 2), signal);
  }
}

function pathOf({ of: { apiVersion, resource } }: ObjectTable): string {
  return `/apis/${apiVersion}/${resource}`;
}

async function list(table: ObjectTable, deps: FollowDeps): Promise<Next> {
  const listed = await readPages(table, deps);
  if ('next' in listed) return listed.next;
  const problem = table.replace(listed.items);
  return problem === undefined ? { version: listed.version } : failed(table, problem);
}

async function readPages(table: ObjectTable, deps: FollowDeps): Promise<Listed> {
  const items: unknown[] = [];
  let after = '';
  for (let page = 0; page < mostPages; page += 1) {
    const path = `${pathOf(table)}?limit=${pageSize}${after}`;
    const answer = await deps.client.get(path, deps.signal);
    const read = pageOf(answer);
    if (!read) return { next: await refused(table, answer, deps) };
    items.push(...read.items);
    if (read.more === '') return { items, version: read.version };
    after = `&continue=${encodeURIComponent(read.more)}`;
  }
  return { next: failed(table, `the list has more than ${mostPages} pages`) };
}

function pageOf(answer: ApiAnswer): { items: readonly unknown[]; version: string; more: string } | undefined {
  if (!answer.ok || answer.status !== 200 || !isJsonObject(answer.value)) return undefined;
  const { items, metadata } = answer.value;
  if (!isJsonObject(metadata) || !(Array.isArray(items) || items === null)) return undefined;
  const { resourceVersion, continue: more = '' } = metadata;
  if (typeof resourceVersion !== 'string' || typeof more !== 'string') return undefined;
  return { items: items ?? [], version: resourceVersion, more };
}

/** Not a page of a list. */
async function refused(table: ObjectTable, answer: ApiAnswer, deps: FollowDeps): Promise<Next> {
  if (!answer.ok) return failed(table, answer.reason);
  const { status, value } = answer;
  if (status === 404) {
    if (!(await isKubernetes(deps))) return failed(table, 'HTTP 404, and /version is not that of Kubernetes');
    table.clear();
    return { pause: absentPause };
  }
  // The list changed between two pages.
  if (status === 410) return { isFailure: true };
  const said =
    isJsonObject(value) && typeof value.message === 'string' ? `: ${value.message.slice(0, 300)}` : '';
  if (status === 401 || status === 403) return failed(table, `HTTP ${status}${said}`, 'forbidden');
  return failed(table, status === 200 ? 'the answer is no list of Kubernetes' : `HTTP ${status}${said}`);
}

/** A proxy in front of a server that is down may say 404 too; that must not lift what objects block. */
async function isKubernetes({ client, signal }: FollowDeps): Promise<boolean> {
  const answer = await client.get('/version', signal);
  const version = answer.ok && answer.status === 200 && isJsonObject(answer.value) ? answer.value : {};
  return typeof version.gitVersion === 'string' && typeof version.minor === 'string';
}

function failed(
  table: ObjectTable,
  reason: string,
  state: 'unreachable' | 'forbidden' = 'unreachable',
  version?: string,
): Next {
  table.failed(state, reason);
  return { isFailure: true, ...(version !== undefined && { version }) };
}

async function watch(
  table: ObjectTable,
  from: string,
  { client, random, signal }: FollowDeps,
  alive: () => void,
): Promise<Next> {
  let version = from;
  let isTooOld = false;
  let problem: string | undefined;
  const seconds = Math.round(watchSeconds * (1 + random()));
  const query = `watch=1&allowWatchBookmarks=true&timeoutSeconds=${seconds}&resourceVersion=${encodeURIComponent(from)}`;
  const end = await client.watch(`${pathOf(table)}?${query}`, {
    silence: seconds * 1000 + silenceGrace,
    signal,
    opened() {
      table.watched();
      alive();
    },
    onLine(value) {
      const event = eventOf(value);
      if (event.kind === 'error') {
        isTooOld = event.code === 410;
        if (!isTooOld) problem = event.message;
        return false;
      }
      if (event.kind === 'put') problem = table.put(event.object);
      if (event.kind === 'drop') problem = table.drop(event.object);
      if (problem !== undefined) return false;
      version = event.version;
      return true;
    },
  });
  if (isTooOld || (end.kind === 'status' && end.status === 410)) return { pause: pauses.first };
  // What is not understood may have been a change, so the whole is read again.
  if (problem !== undefined) return failed(table, problem);
  if (end.kind === 'invalid') return failed(table, end.reason);
  if (end.kind === 'ended') return { version, pause: pauses.first };
  if (end.kind === 'status' && end.status === 404) return { pause: pauses.first };
  // An account may have the right to list and not to watch: a list would then hide what is wrong.
  const isForbidden = end.kind === 'status' && (end.status === 401 || end.status === 403);
  return failed(table, `watch: ${end.reason}`, isForbidden ? 'forbidden' : 'unreachable', version);
}

type WatchEvent =
  | { readonly kind: 'put' | 'drop' | 'bookmark'; readonly object: unknown; readonly version: string }
  | { readonly kind: 'error'; readonly code: unknown; readonly message: string };

const eventKinds: Readonly<Record<string, 'put' | 'drop' | 'bookmark'>> = {
  ADDED: 'put',
  MODIFIED: 'put',
  DELETED: 'drop',
  BOOKMARK: 'bookmark',
};

function eventOf(value: unknown): WatchEvent {
  const { type, object } = isJsonObject(value) ? value : {};
  const metadata = isJsonObject(object) ? object.metadata : undefined;
  const version = isJsonObject(metadata) ? metadata.resourceVersion : undefined;
  const kind = typeof type === 'string' && Object.hasOwn(eventKinds, type) ? eventKinds[type] : undefined;
  if (kind && typeof version === 'string') return { kind, object, version };
  const { code, message } = isJsonObject(object) ? object : {};
  const said = typeof message === 'string' ? message.slice(0, 300) : 'a line of the watch is no event';
  return { kind: 'error', code, message: said };
}
