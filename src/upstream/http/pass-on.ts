/**
 * Passes a request about an upload on to the peer that began it, its body as it comes. The answer is small, and read whole. A peer says
 * again and again that it is at work (102), so one that says nothing for `stall_timeout` is gone.
 */
import { EntrepotError } from '../../errors.ts';
import { readBody } from '../../lib/bytes/small-body.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { HostSettings } from '../host-settings.ts';
import type { PeerHeaders } from '../registry/peer-client.ts';
import type { Passed, Upstream } from '../upstream.ts';
import { routeToPeer } from './route.ts';
import type { Sender } from './sender.ts';

export interface PassOnDeps {
  readonly sender: Sender;
  readonly settings: Pick<HostSettings, 'stallTimeout'>;
  readonly clock: Clock;
  readonly headersFor: PeerHeaders;
}

/** Bytes of an answer, and ms in which a part of it must come. */
const maxAnswer = 64 * 1024;
const bodyTimeout = 2000;

/** A peer that DNS has named is reached by its address. No redirect is followed. */
export function createPassOn({ sender, settings, clock, headersFor }: PassOnDeps): Upstream['passOn'] {
  function proofFor(...asked: Parameters<PeerHeaders>): Readonly<Record<string, string>> | string {
    try {
      return headersFor(...asked);
    } catch (error) {
      if (!(error instanceof EntrepotError)) throw error;
      return error.located;
    }
  }

  return async (peer, { method, path, headers, body, owner }): Promise<Passed> => {
    const url = new URL(`${peer.origin}${path}`);
    const proof = proofFor(peer, method, `${url.pathname}${url.search}`, owner);
    if (typeof proof === 'string') return { ok: false, reason: proof };
    const silence = settings.stallTimeout(peer.name);
    const silent = new AbortController();
    let timer: Timer | undefined;
    const heard = (): void => {
      timer?.cancel();
      timer = clock.after(silence, () => silent.abort());
    };
    const patience = Number.POSITIVE_INFINITY;
    const request = { method, headers: { ...headers, ...proof }, patience, ...(body && { body }) };
    const options = { signal: silent.signal, sent: heard, alive: heard };
    const sent = await sender.send(routeToPeer(peer, url), request, options).finally(() => timer?.cancel());
    if (!sent.ok) {
      const reason = silent.signal.aborted ? `no word within ${silence / 1000} s` : sent.fault.reason;
      return { ok: false, reason };
    }
    const { status, headers: got, body: rest } = sent.response;
    const read = await readBody(rest, { cap: maxAnswer, clock, timeout: bodyTimeout });
    return read.ok
      ? { ok: true, status, headers: got, body: read.bytes }
      : { ok: false, reason: read.reason };
  };
}
