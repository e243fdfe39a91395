/** One question to one endpoint, and what passes between the two sides of it. */
import type { CredentialSource } from '../config/credentials/auth-lookup.ts';
import type { Endpoint } from './endpoint.ts';
import type { Outcome } from './outcome.ts';

/** How an attempt reports what happens to it, and learns that it is no longer wanted. */
export interface AttemptContext {
  readonly signal: AbortSignal;
  /** A request waits for one of our own connections: that may take long through no fault of the endpoint. */
  waits(): void;
  /** A request is on its way. */
  sent(): void;
  /** The endpoint gave a sign of life. */
  heard(): void;
  /** A peer says that it is at work (102). Undefined where that means nothing. */
  alive?(): void;
  /** Milliseconds since the endpoint's own check of what it gives; Infinity if it could not check. Undefined where it is not heeded. */
  aged?(ms: number): void;
  /** A part of a long answer is here, such as a page of a list: its usual time begins anew. */
  progressed(): void;
  /** Where the credentials that were sent are written. */
  used(source: CredentialSource): void;
  /** Whether only this endpoint can still answer: then only the budget and the client end the wait. */
  isLast?(): boolean;
  /** The endpoint sent the request to another host. */
  redirected?(host: string): void;
}

/** One question to one endpoint. */
export type Ask<T> = (endpoint: Endpoint, context: AttemptContext) => Promise<Outcome<T>>;
