/**
 * Whether a refused GET or HEAD means that the object is absent. AWS says 403 of an absent object to an account that may not list the
 * bucket:
 *
 *   404 with NoSuchKey, or without a body ........ absent
 *   403 AccessDenied, and the bucket may be listed (HEAD of the bucket, asked once in 5 minutes) ....... a refusal
 *   403 AccessDenied, and it may not ............. absent: nothing else can be known, and a PUT that is refused says so
 */
import type { Clock } from '../../lib/clock.ts';
import type { Exchanges } from '../exchange.ts';
import type { S3Client } from './s3-client.ts';
import type { S3Refusal } from './s3-refusal.ts';

/** ms. */
const rightsKnownFor = 300_000;

export interface AbsenceDeps {
  readonly client: S3Client;
  readonly exchanges: Exchanges;
  readonly clock: Clock;
}

/** Resolves if it means so; rejects with the error of the refusal if not. */
export type Absence = (refusal: S3Refusal, signal?: AbortSignal) => Promise<void>;

/** Remembers whether the account may list the bucket. */
export function createAbsence({ client, exchanges, clock }: AbsenceDeps): Absence {
  let known: { readonly mayList: boolean; readonly until: number } | undefined;

  async function mayList(signal: AbortSignal | undefined): Promise<boolean> {
    if (known && clock.monotonic() < known.until) return known.mayList;
    const answer = await client.ask({ method: 'HEAD' }, { signal });
    if (answer.ok) exchanges.drop(answer.response);
    else if (answer.status !== 403) throw answer.error;
    known = { mayList: answer.ok, until: clock.monotonic() + rightsKnownFor };
    return answer.ok;
  }

  return async (refusal, signal) => {
    if (refusal.status === 404 && (refusal.code === 'NoSuchKey' || refusal.isBare)) return;
    if (refusal.code === 'AccessDenied' && !(await mayList(signal))) return;
    throw refusal.error;
  };
}
