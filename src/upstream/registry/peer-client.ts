/**
 * Asks another replica. Its answers are not those of a registry: it has asked the endpoints of registries.conf itself, and says what
 * they said. An answer without the mark `x-entrepot-peer` comes from a server that does not take us for a peer, so it counts for
 * nothing.
 *
 *   200, 206 ................. ok; `Age`, or `X-Entrepot-Cache: stale`, tells when it was last checked
 *   404 ...................... notFound, by all endpoints
 *   502, 503 ................. unavailable or rateLimited: the fault of its endpoints; its trail is joined to ours
 *   stale, and only a check .. unavailable: it could not check
 *   any other, or no mark .... denied, or unreachable for a 5xx
 */
import { EntrepotError } from '../../errors.ts';
import { dropBody, readBody } from '../../lib/bytes/small-body.ts';
import type { Clock } from '../../lib/clock.ts';
import { foreignWords } from '../../lib/foreign-words.ts';
import { isJsonObject, parseJson } from '../../oci/parse-json.ts';
import type { AttemptContext } from '../attempt.ts';
import type { Endpoint } from '../endpoint.ts';
import { coolingEnd, single } from '../health/rate-limits.ts';

import type { HttpResponse } from '../http/exchange.ts';
import { routeToPeer } from '../http/route.ts';
import type { Sender } from '../http/sender.ts';
import { outcomeOfFault } from '../http/transport-fault.ts';
import type { Attempt, Outcome, Trail } from '../outcome.ts';
import type { RegistryRequest } from './call.ts';
import type { RegistryClient } from './registry-client.ts';

/** Headers that prove to the peer at `id` that a peer asks, `owner` being the principal of an upload. Throws EntrepotError CREDENTIALS_UNUSABLE. */
export type PeerHeaders = (
  to: { readonly id: string },
  method: string,
  path: string,
  owner?: string,
) => Readonly<Record<string, string>>;

export interface PeerClientDeps {
  readonly sender: Sender;
  readonly clock: Clock;
  readonly headersFor: PeerHeaders;
}

/** Bytes, attempts and characters that are taken of a peer's trail. */
const maxErrorBody = 256 * 1024;
const maxTrail = 50;
const maxText = 500;
/** ms. */
const bodyTimeout = 2000;

/** Requests go to the peer alone: a redirect is not followed. */
export function createPeerClient({ sender, clock, headersFor }: PeerClientDeps): RegistryClient {
  async function failureOf(
    response: HttpResponse,
    endpoint: Endpoint,
    signal: AbortSignal,
  ): Promise<Outcome<never>> {
    const { status } = response;
    const reason = `HTTP ${status}`;
    const read = await readBody(response.body, { cap: maxErrorBody, clock, timeout: bodyTimeout, signal });
    const { code, trail } = toldIn(read.ok ? read.bytes : Buffer.alloc(0), endpoint.host);
    if (status === 404) return { kind: 'notFound', reason, trail };
    if (status !== 502 && status !== 503) return { kind: status < 500 ? 'denied' : 'unreachable', reason };
    const until = trail.flatMap((attempt) => attempt.until ?? []);
    return code === 'TOOMANYREQUESTS'
      ? {
          kind: 'rateLimited',
          reason,
          until: Math.min(...until, coolingEnd(response.headers, clock.now())),
          trail,
        }
      : { kind: 'unavailable', reason, trail };
  }

  function proofFor(id: string, method: string, path: string): Outcome<Readonly<Record<string, string>>> {
    try {
      return { kind: 'ok', value: headersFor({ id }, method, path) };
    } catch (error) {
      if (!(error instanceof EntrepotError)) throw error;
      return { kind: 'denied', reason: `not asked: ${error.located}` };
    }
  }

  return {
    async request(endpoint, request, context) {
      const { peer, host, namespaceProxy } = endpoint;
      const url = new URL(`${peer?.origin}${request.path}`);
      if (namespaceProxy !== undefined) url.searchParams.set('ns', namespaceProxy);
      const route = routeToPeer(peer ?? { origin: url.origin, name: host }, url);
      const { method } = request;
      const proof = proofFor(host, method, `${url.pathname}${url.search}`);
      if (proof.kind !== 'ok') return proof;
      const storedOnly = peer?.isStoredOnly && { 'cache-control': 'only-if-cached' };
      const headers = { ...request.headers, ...storedOnly, ...proof.value };
      const got = await sender.send(route, { method, headers }, { ...context, bulk: request.bulk });
      if (!got.ok) return outcomeOfFault(got.fault, '');
      context.heard();
      const { response } = got;
      const { status, body } = response;
      if (response.headers['x-entrepot-peer'] === undefined) {
        dropBody(body, clock);
        return {
          kind: 'denied',
          reason: `HTTP ${status}: it does not take this replica for a member of its cluster`,
        };
      }
      const isStale = single(response.headers['x-entrepot-cache']) === 'stale';
      if (isStale && (method === 'HEAD' || status === 404)) {
        dropBody(body, clock);
        return { kind: 'unavailable', reason: 'no endpoint could confirm it there' };
      }
      if (status === 200 || status === 206) {
        note(response, isStale, context);
        return { kind: 'ok', value: response };
      }
      if (mayPass(request, status)) {
        dropBody(body, clock);
        return { kind: 'ok', value: response };
      }
      return failureOf(response, endpoint, context.signal);
    },
  };
}

/** A 404 of a peer means the same for every request. */
function mayPass({ pass }: RegistryRequest, status: number): boolean {
  return status === 416 && pass?.includes(status) === true;
}

function note({ headers }: HttpResponse, isStale: boolean, context: AttemptContext): void {
  const seconds = single(headers.age) ?? '';
  const age = /^\d{1,10}$/.test(seconds) ? Number(seconds) * 1000 : 0;
  context.aged?.(isStale ? Number.POSITIVE_INFINITY : age);
}

/** The code and the trail of an OCI error body, as far as they have the right form. */
function toldIn(bytes: Buffer, by: string): { readonly code: unknown; readonly trail: Trail } {
  const parsed = parseJson(bytes);
  const errors: unknown = parsed.ok && isJsonObject(parsed.value) ? parsed.value.errors : undefined;
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
  if (!isJsonObject(first)) return { code: undefined, trail: [] };
  const detail: readonly unknown[] = Array.isArray(first.detail) ? first.detail : [];
  return { code: first.code, trail: detail.slice(0, maxTrail).flatMap((one) => attemptIn(one, by) ?? []) };
}

const roles: ReadonlySet<unknown> = new Set<Attempt['role']>(['mirror', 'source', 'peer', 'store']);
const outcomes: ReadonlySet<unknown> = new Set<Attempt['outcome']>([
  ...(['ok', 'rateLimited', 'notFound', 'unauthorized', 'denied', 'unreachable', 'unavailable'] as const),
  ...(['invalid', 'blocked', 'skipped', 'overdue'] as const),
]);

function attemptIn(one: unknown, by: string): Attempt | undefined {
  if (!isJsonObject(one)) return undefined;
  const { endpoint, role, outcome, reason, ms, until } = one;
  if (typeof endpoint !== 'string' || !roles.has(role) || !outcomes.has(outcome)) return undefined;
  return {
    endpoint: foreignWords(endpoint, { max: maxText }),
    role: role as Attempt['role'],
    outcome: outcome as Attempt['outcome'],
    ...(typeof reason === 'string' && { reason: foreignWords(reason) }),
    ms: typeof ms === 'number' && Number.isFinite(ms) ? ms : 0,
    ...(typeof until === 'number' && Number.isFinite(until) && { until }),
    by,
  };
}
