/** Checks the secret of a sender. Guesses are slowed like failed logins, and each wrong one is a line in the log, without its value. */
import type { IncomingMessage } from 'node:http';
import type { FailedLogins } from '../../access/failed-logins.ts';
import { reasonOf } from '../../lib/thrown.ts';
import type { EventSource } from '../../replication/events/event-sources.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Answer } from '../answers/answer.ts';
import { errorsAnswer } from '../answers/registry-error.ts';
import type { AddressOf } from '../client-address.ts';
import { type Proof, proves } from './sender-secret.ts';

export interface EventsIn {
  /** Of the configuration in force, by its name. */
  source(name: string): EventSource | undefined;
  /** The secret in a file. Throws EntrepotError CREDENTIALS_UNUSABLE. */
  secretIn(file: string): string;
  readonly failedLogins: FailedLogins;
}

export interface SenderChecks {
  /** The secret, or the answer where its file cannot be read: the sender tries again. */
  secretOf(source: EventSource): string | Answer;
  /** The answer to a request without the secret, once it may go out; undefined for one that has it. `body`: for a signature. */
  refusal(
    incoming: IncomingMessage,
    source: EventSource,
    proof: Proof,
    secret: string,
    body?: Uint8Array,
  ): Promise<Answer | undefined>;
}

const nothing = new Uint8Array();

/** Remembers failures by address, through `failedLogins`. */
export function createSenderChecks(deps: {
  readonly events: EventsIn;
  readonly addressOf: AddressOf;
  readonly log: Pick<Log, 'warn' | 'error'>;
}): SenderChecks {
  const { events, addressOf, log } = deps;
  return {
    secretOf({ settings: { name, secretFile } }) {
      try {
        return events.secretIn(secretFile);
      } catch (error) {
        const fields = { event: 'events.secretUnusable', sender: name, file: secretFile };
        log.error(fields, `the secret of a sender of events cannot be read: ${reasonOf(error)}`);
        const message = 'the secret of this sender cannot be read: the log of this server says why';
        return errorsAnswer(503, [{ code: 'UNAVAILABLE', message }], { 'Retry-After': '30' });
      }
    },
    async refusal(incoming, { settings }, proof, secret, body = nothing) {
      const client = addressOf(incoming);
      const check = events.failedLogins.begin(client);
      if (!check) {
        const message = 'too many requests with a wrong secret are waiting';
        return errorsAnswer(429, [{ code: 'TOOMANYREQUESTS', message }], { 'Retry-After': '5' });
      }
      if (proves(proof, secret, body)) {
        check.passed();
        return undefined;
      }
      const { name, signatureHeader } = settings;
      const place = {
        path: 'the path',
        authorization: 'Authorization',
        signature: signatureHeader,
        none: undefined,
      };
      const where = place[proof.kind];
      const fields = { event: 'events.refused', sender: name, client, where: where ?? 'no header' };
      log.warn(fields, 'a request with events has not the secret of its sender');
      await check.failed();
      const message = where === undefined ? 'the secret is missing' : `the secret in ${where} is wrong`;
      const challenge = { 'WWW-Authenticate': 'Basic realm="events"' };
      return errorsAnswer(401, [{ code: 'UNAUTHORIZED', message }], challenge);
    },
  };
}
