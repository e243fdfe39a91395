import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PushedBody } from '../../../../src/lib/bytes/pushed-body.ts';
import { createAuth } from '../../../../src/upstream/auth/auth.ts';
import type { AuthPlace } from '../../../../src/upstream/auth/auth-place.ts';
import { parseChallenges } from '../../../../src/upstream/auth/challenge.ts';
import type { Credentials } from '../../../../src/upstream/auth/credentials.ts';
import type { Negotiation, Try } from '../../../../src/upstream/auth/negotiation.ts';
import { createRateLimits } from '../../../../src/upstream/health/rate-limits.ts';
import type { Exchanged } from '../../../../src/upstream/http/exchange.ts';
import type { Outcome } from '../../../../src/upstream/outcome.ts';
import { createManualClock } from '../../../support/clock.ts';
import { endpointOf } from '../asking.ts';

const challenges = parseChallenges('Bearer realm="https://h.test/token",service="h"');
const never = new AbortController().signal;

function bodyOf(text: string): PushedBody {
  return {
    consume(sink) {
      sink.data(Buffer.from(text));
      sink.end();
    },
    resume() {},
    cancel() {},
  };
}

/** Negotiations with one registry. The test answers for its token server. */
function setUp(find: Credentials['find'] = async () => undefined) {
  const clock = createManualClock();
  const asked: ((status: number, token?: string) => void)[] = [];
  const auth = createAuth({
    clock,
    credentials: { find, isSigned: () => false },
    sender: {
      send(route) {
        const { promise, resolve } = Promise.withResolvers<Exchanged>();
        asked.push((status, token) => {
          const body = bodyOf(JSON.stringify({ token, expires_in: 300 }));
          resolve({ ok: true, response: { status, headers: {}, body, url: route.url } });
        });
        return promise;
      },
    },
    rateLimits: createRateLimits(clock),
    tokenRealms: [],
    searched: [],
  });
  const url = new URL('https://h.test/v2/team/app/manifests/1');
  const place: AuthPlace = {
    endpoint: { ...endpointOf('h.test'), insecure: false },
    method: 'GET',
    realm: {
      registry: url,
      host: 'h.test',
      insecure: false,
      ownAddressScope: 'any',
      registryKind: 'public',
    },
    verify: true,
    mayHaveCredentials: true,
    registry: 'h.test',
  };
  /** Waits until the token server has been asked so many times. */
  async function until(count: number): Promise<void> {
    for (let round = 0; asked.length < count; round += 1) {
      assert.ok(round < 1000, `the token server was asked ${asked.length} times instead of ${count}`);
      await clock.advance(0);
    }
  }
  return {
    clock,
    until,
    begin: (leaves = never) => auth.begin(place, leaves),
    /** Answers the request to the token server with this number, once it is there. */
    async answer(number: number, status: number, token?: string) {
      await until(number + 1);
      asked[number]?.(status, token);
    },
    asked,
  };
}

const refused = { status: 401, challenges, words: Promise.resolve('') };

async function header(outcome: Promise<Outcome<Try>>): Promise<string | undefined> {
  const given = await outcome;
  assert.equal(given.kind, 'ok');
  return given.kind === 'ok' ? given.value.authorization?.header : undefined;
}

async function refuse(negotiation: Negotiation): Promise<Outcome<Try>> {
  await negotiation.start();
  return negotiation.next(refused);
}

describe('a negotiation', () => {
  it('that fails to renew a token does not put the old one in the place of a newer one', async () => {
    const { clock, until, begin, answer } = setUp();
    const first = refuse(begin());
    await answer(0, 200, 'old');
    assert.equal(await header(first), 'Bearer old');

    await clock.advance(295_000);
    const abort = new AbortController();
    const given = begin(abort.signal).start();
    await until(2);
    abort.abort();
    const other = begin().start();
    await answer(2, 200, 'new');
    assert.equal(await header(other), 'Bearer new');
    await answer(1, 503);
    assert.equal(await header(given), 'Bearer new');
    assert.equal(await header(begin().start()), 'Bearer new');
  });

  it('sends the old token while the token server fails, and asks it again after ten seconds', async () => {
    const { clock, begin, answer, asked } = setUp();
    const first = refuse(begin());
    await answer(0, 200, 'old');
    await first;
    await clock.advance(291_000);
    const second = begin().start();
    await answer(1, 503);
    assert.equal(await header(second), 'Bearer old');
    await clock.advance(9999);
    assert.equal(await header(begin().start()), 'Bearer old');
    assert.equal(asked.length, 2);
    await clock.advance(1);
    const third = begin().start();
    await answer(2, 200, 'new');
    assert.equal(await header(third), 'Bearer new');
  });

  it('with a password that was just changed does not share the refusal of the old one', async () => {
    let password = 'old';
    const source = { file: '/etc/auth.json', helper: undefined, key: 'h.test' };
    const { until, begin, answer, asked } = setUp(async () => ({
      kind: 'basic',
      username: 'joe',
      password,
      source,
    }));
    const [first, alike] = [refuse(begin()), refuse(begin())];
    await until(1);
    password = 'new';
    const second = refuse(begin());
    await answer(1, 200, 'token');
    assert.equal(await header(second), 'Bearer token');
    assert.equal(asked.length, 2, 'one request for each password');
    await answer(0, 401);
    await answer(2, 200, 'anonymous');
    for (const one of [first, alike]) assert.equal(await header(one), 'Bearer anonymous');
  });
});
