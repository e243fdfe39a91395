/**
 * A ByteSource without a network: endpoints that hold one blob in memory, asked in order as the fallback table would, each
 * with its own ways to fail. Chunks come one event-loop turn apart, so that everything can happen between them.
 */

import type { BodySink, PushedBody } from '../../src/lib/bytes/pushed-body.ts';
import { parseReference } from '../../src/oci/reference.ts';
import type { ByteSource } from '../../src/transfer/fetch/byte-source.ts';
import { verdict } from '../../src/upstream/consequences.ts';
import type { Endpoint } from '../../src/upstream/endpoint.ts';
import { endpointKey } from '../../src/upstream/endpoint.ts';
import type { Attempt } from '../../src/upstream/outcome.ts';

export interface ScriptedEndpoint {
  readonly host: string;
  /** What it answers from; another blob of the same length is a lie. */
  readonly bytes: Buffer;
  /** Refuses every request. */
  readonly down?: boolean;
  /** Takes every request and never answers. */
  readonly silent?: boolean;
  /** Says that it has no such blob. */
  readonly lacks?: boolean;
  /** Resets a connection after this many bytes; how many times it does so. */
  readonly resetAfter?: number;
  readonly resets?: number;
  /** Ends a body this many bytes too early, as if it were whole. */
  readonly shortBy?: number;
  readonly ignoresRanges?: boolean;
  readonly hidesSize?: boolean;
  /** Sends nothing after this many bytes. */
  readonly stallAfter?: number;
}

export interface ScriptedSource extends ByteSource {
  /** Requests, in order. */
  readonly requests: { host: string; start: number; end: number | undefined; sent: number }[];
  readonly bytesSent: number;
}

export function endpointAt(host: string): Endpoint {
  const parsed = parseReference(`${host}/team/app`);
  if (!parsed.ok) throw new Error(parsed.problem);
  return {
    reference: parsed.value,
    host,
    location: host,
    role: 'source',
    insecure: true,
    blockedBy: undefined,
  };
}

/** Rejects when the signal fires. */
function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    if (signal?.aborted) reject(signal.reason);
    signal?.addEventListener('abort', () => reject(signal.reason));
  });
}

export function scriptedSource(
  image: string,
  scripts: readonly ScriptedEndpoint[],
  options: { chunk?: number; turn?: (run: () => void) => void; endpointSet?: string } = {},
): ScriptedSource {
  const chunkSize = options.chunk ?? 65536;
  const turn = options.turn ?? ((run) => void setImmediate(run));
  const requests: ScriptedSource['requests'] = [];
  const resetsLeft = new Map(
    scripts.map((script) => [script.host, script.resets ?? Number.POSITIVE_INFINITY]),
  );

  const body = (
    script: ScriptedEndpoint,
    from: number,
    to: number,
    request: { sent: number },
  ): PushedBody => {
    let sink: BodySink | undefined;
    let position = from;
    let paused = false;
    let over = false;
    let queued = false;
    const left = resetsLeft.get(script.host) ?? 0;
    const resetAt = script.resetAfter !== undefined && left > 0 ? from + script.resetAfter : undefined;
    const stopAt = Math.min(
      to,
      resetAt ?? to,
      script.stallAfter === undefined ? to : from + script.stallAfter,
    );
    const endAt = Math.max(from, to - (script.shortBy ?? 0));
    const queue = (): void => {
      if (queued) return;
      queued = true;
      turn(() => {
        queued = false;
        step();
      });
    };
    const step = (): void => {
      if (over || paused || !sink) return;
      if (position >= endAt) {
        over = true;
        sink.end();
      } else if (resetAt !== undefined && position >= resetAt) {
        over = true;
        resetsLeft.set(script.host, left - 1);
        sink.fail('connection reset');
      } else if (position < stopAt) {
        const chunk = Buffer.from(
          script.bytes.subarray(position, Math.min(position + chunkSize, stopAt, endAt)),
        );
        position += chunk.length;
        request.sent += chunk.length;
        if (!sink.data(chunk)) paused = true;
        queue();
      }
    };
    return {
      consume(taken) {
        sink = taken;
        queue();
      },
      resume() {
        paused = false;
        queue();
      },
      cancel() {
        over = true;
      },
    };
  };

  return {
    image,
    endpointSet: options.endpointSet ?? scripts.map(({ host }) => host).join(' '),
    requests,
    get bytesSent() {
      return requests.reduce((sum, request) => sum + request.sent, 0);
    },
    async open(range, { exclude, distrust, prefer, signal }) {
      await new Promise<void>((resolve) => turn(resolve));
      const trail: Attempt[] = [];
      const key = (script: ScriptedEndpoint): string => endpointKey(endpointAt(script.host));
      const asked = scripts.filter((script) => !exclude?.has(key(script)));
      const turns = [...(distrust ?? [])];
      const rank = (script: ScriptedEndpoint): number =>
        distrust?.has(key(script)) ? 2 + turns.indexOf(key(script)) : key(script) === prefer ? 0 : 1;
      asked.sort((a, b) => rank(a) - rank(b));
      for (const script of asked) {
        const endpoint = endpointAt(script.host);
        if (script.silent) await aborted(signal);
        if (script.down || script.lacks) {
          trail.push({
            endpoint: endpointKey(endpoint),
            role: 'source',
            ...(script.lacks ? { outcome: 'notFound' } : { outcome: 'unreachable', reason: 'down' }),
            ms: 0,
          });
          continue;
        }
        trail.push({ endpoint: endpointKey(endpoint), role: 'source', outcome: 'ok', ms: 0 });
        // Asked for bytes after its last one, it gets the request for the whole that the upstream sends upon a 416.
        const givesAll = script.ignoresRanges || range.start >= script.bytes.length;
        const start = givesAll ? 0 : range.start;
        const end = givesAll ? script.bytes.length : Math.min(range.end ?? Infinity, script.bytes.length);
        const request = { host: script.host, start, end: range.end, sent: 0 };
        requests.push(request);
        const size = script.hidesSize ? undefined : script.bytes.length;
        const value = {
          start,
          end: script.hidesSize ? undefined : end,
          size,
          body: body(script, start, end, request),
        };
        return { ok: true, value, endpoint, trail };
      }
      return { ok: false, verdict: verdict(trail), trail };
    },
  };
}
