/**
 * One request to the distribution API, and what becomes of it. `registry-api.ts` parses and dispatches; a handler gives the
 * target and the answer; `send-answer.ts` writes the answer.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { PushTarget, Target } from '../routing/target.ts';
import type { Admission } from './admission.ts';
import type { Answer } from './answers/answer.ts';

export interface RegistryRequest {
  readonly method: string;
  /** The path as sent: names are judged before any decoding. */
  readonly rawPath: string;
  /** The text after the question mark, as sent; empty without one. */
  readonly rawQuery: string;
  readonly headers: IncomingHttpHeaders;
}

export interface Handled {
  /** Undefined if the request names none. Known before the answer is, so that a failure is logged with its image. */
  readonly target?: Target | PushTarget | undefined;
  /** `ns` of the query if it chose the registry: a checked `host[:port]`. The answer repeats it. */
  readonly namespace?: string | undefined;
  readonly answer: Answer | Promise<Answer>;
  /** The client is a peer, which is told that the answer is being worked on. */
  readonly isAtWork?: boolean;
}

/** `admission`: the principal of the request, and what it may do. */
export type RequestHandler = (request: RegistryRequest, admission: Admission, client: string) => Handled;

/** Splits the URL at the question mark, and nothing else. */
export function readRegistryRequest({ method = '', url = '', headers }: IncomingMessage): RegistryRequest {
  const question = url.indexOf('?');
  return {
    method,
    rawPath: question < 0 ? url : url.slice(0, question),
    rawQuery: question < 0 ? '' : url.slice(question + 1),
    headers,
  };
}
