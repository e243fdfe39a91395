import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EntrepotError } from '../../../src/errors.ts';
import type { BodySink, PushedBody } from '../../../src/lib/bytes/pushed-body.ts';
import type { Endpoint } from '../../../src/upstream/endpoint.ts';
import type { Answer, Upstream } from '../../../src/upstream/upstream.ts';
import { createUpstreamInForce } from '../../../src/upstream/upstream-in-force.ts';
import { endpointOf, endpointsOf, image } from './asking.ts';

const open = endpointsOf([{ host: 'm1' }, { host: 'src' }]);
const blocked = endpointsOf([{ host: 'm1', blockedBy: 'm1' }, { host: 'src' }]);
const reference = image();
const m1 = endpointOf('m1');

/** An upstream of which a test changes the endpoints, as a reload does. */
function setUp() {
  let endpoints: Upstream['endpoints'] = open;
  const upstream = () => ({ isOffline: false, endpoints }) as unknown as Upstream;
  const inForce = createUpstreamInForce(upstream);
  return {
    inForce,
    reload(to: Upstream['endpoints']) {
      endpoints = to;
      inForce.changed();
    },
  };
}

/** A body of which a test tells the end, and what its sink was told. */
function scripted() {
  const told: string[] = [];
  let inner: BodySink | undefined;
  const body: PushedBody = {
    consume(sink) {
      inner = sink;
    },
    resume() {},
    cancel: () => told.push('cancelled'),
  };
  const sink: BodySink = {
    data: () => true,
    end: () => told.push('end'),
    fail: (reason) => told.push(`failed: ${reason}`),
  };
  return { body, sink, told, end: () => inner?.end() };
}

const revoked = 'failed: the configuration no longer allows anything from there';

describe('a body under way when the configuration changes', () => {
  it('goes on while its endpoint is allowed, and fails when it is blocked', () => {
    const { inForce, reload } = setUp();
    const { body, sink, told } = scripted();
    inForce.revocable(reference, m1, body).consume(sink);
    reload(open);
    assert.deepEqual(told, []);
    reload(blocked);
    assert.deepEqual(told, ['cancelled', revoked]);
  });

  it('fails, too, when it is consumed only after that', async () => {
    const { inForce, reload } = setUp();
    const { body, sink, told } = scripted();
    const revocable = inForce.revocable(reference, m1, body);
    reload(blocked);
    revocable.consume(sink);
    await Promise.resolve();
    assert.deepEqual(told, ['cancelled', revoked]);
  });

  it('tells its sink nothing more once it was cancelled by what the failure of another led to', () => {
    const { inForce, reload } = setUp();
    const [one, two] = [scripted(), scripted()];
    const second = inForce.revocable(reference, m1, two.body);
    const first = inForce.revocable(reference, m1, one.body);
    for (const [body, other, { sink, told }] of [
      [first, second, one],
      [second, first, two],
    ] as const) {
      const fail = (reason: string) => {
        told.push(`failed: ${reason}`);
        other.cancel();
      };
      body.consume({ ...sink, fail });
    }
    reload(blocked);
    assert.deepEqual([...two.told, ...one.told], ['cancelled', revoked, 'cancelled']);
  });

  it('is left alone after its end', () => {
    const { inForce, reload } = setUp();
    const { body, sink, told, end } = scripted();
    inForce.revocable(reference, m1, body).consume(sink);
    end();
    reload(blocked);
    assert.deepEqual(told, ['end']);
  });
});

describe('a question under way when the configuration changes', () => {
  const ok = (endpoint: Endpoint): Answer<string> => ({ ok: true, value: 'v', endpoint, trail: [] });

  /** Asks; each question waits until the test answers it. */
  function asking(inForce: ReturnType<typeof setUp>['inForce'], signal?: AbortSignal) {
    const asked: { signal: AbortSignal; answer: (value: Answer<string>) => void }[] = [];
    const discarded: string[] = [];
    const answer = inForce.ask<string>(
      reference,
      (_, given) => {
        const { promise, resolve, reject } = Promise.withResolvers<Answer<string>>();
        given.addEventListener('abort', () => reject(given.reason));
        asked.push({ signal: given, answer: resolve });
        return promise;
      },
      { signal, discard: (value) => discarded.push(value) },
    );
    return { asked, discarded, answer };
  }

  it('is asked again if the endpoints of its image are others', async () => {
    const { inForce, reload } = setUp();
    const { asked, answer } = asking(inForce);
    reload(open);
    assert.equal(asked.length, 1);
    reload(blocked);
    await new Promise(setImmediate);
    assert.equal(asked.length, 2);
    asked[1]?.answer(ok(m1));
    assert.equal((await answer).ok, true);
  });

  it('rejects with the reason of its caller, even if a reload came first', async () => {
    const { inForce, reload } = setUp();
    const abort = new AbortController();
    const { answer } = asking(inForce, abort.signal);
    reload(blocked);
    abort.abort(new Error('the client has left'));
    await assert.rejects(answer, { message: 'the client has left' });
  });

  it('lets a bug in the endpoints be seen, but not a location that makes no name', async () => {
    for (const [error, seen] of [
      [new EntrepotError('REWRITE_INVALID', 'no name'), false],
      [new TypeError('a bug'), true],
    ] as const) {
      const { inForce, reload } = setUp();
      reload(() => {
        throw error;
      });
      const given = inForce.ask(reference, async () => ok(m1), {});
      if (seen) await assert.rejects(given, error);
      else assert.equal((await given).ok, true);
    }
  });
});
