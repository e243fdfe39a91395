import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Exchanged } from '../../../../src/upstream/http/exchange.ts';
import { createSchemes } from '../../../../src/upstream/http/scheme.ts';
import type { FaultKind } from '../../../../src/upstream/outcome.ts';
import { createManualClock } from '../../../support/clock.ts';
import { endpointsOf, image } from '../asking.ts';

/** What each scheme's ping gives: a status, or a fault. */
function setUp(answers: Record<'https' | 'http', number | FaultKind | Promise<FaultKind>>) {
  const asked: string[] = [];
  const schemes = createSchemes({
    addressScopeOf: () => 'any',
    clock: createManualClock(),
    sender: {
      async send({ url, verify, name }): Promise<Exchanged> {
        asked.push(`${url.href} ${verify ? 'verified' : 'unverified'} as ${name}`);
        const answer = await (url.protocol === 'https:' ? answers.https : answers.http);
        if (typeof answer === 'string') return { ok: false, fault: { kind: answer, reason: answer } };
        const body = { consume() {}, resume() {}, cancel() {} };
        return { ok: true, response: { status: answer, headers: {}, body, url } };
      },
    },
  });
  const endpoint = (host: string, insecure = true) => endpointsOf([{ host, insecure }])(image())[0]!;
  const of = async (host: string, insecure?: boolean) => {
    const base = await schemes.of(endpoint(host, insecure), {
      sent() {},
      signal: new AbortController().signal,
    });
    return base.kind === 'ok'
      ? `${base.value.url.origin} ${base.value.verify}`
      : `${base.kind} ${'reason' in base && base.reason}`;
  };
  return { schemes, asked, of, endpoint };
}

describe('HTTPS or HTTP', () => {
  it('is verified HTTPS for a host that is not insecure, without asking', async () => {
    const { of, asked } = setUp({ https: 'tls', http: 200 });
    assert.equal(await of('quay.io', false), 'https://quay.io true');
    assert.equal(await of('docker.io', false), 'https://registry-1.docker.io true');
    assert.deepEqual(asked, []);
  });

  const cases: [string, number | FaultKind, number | FaultKind, string][] = [
    ['h.ex', 200, 200, 'https://h.ex false'],
    ['h.ex', 401, 200, 'https://h.ex false'],
    ['h.ex', 404, 200, 'http://h.ex false'],
    ['h.ex', 404, 404, 'https://h.ex false'],
    ['h.ex', 404, 'refused', 'https://h.ex false'],
    ['h.ex', 'tls', 401, 'http://h.ex false'],
    ['h.ex', 'notTls', 200, 'http://h.ex false'],
    ['h.ex', 'broken', 503, 'http://h.ex false'],
    ['h.ex', 'refused', 200, 'http://h.ex false'],
    ['h.ex', 'timeout', 200, 'http://h.ex false'],
    ['h.ex', 'refused', 'timeout', 'unreachable HTTPS: refused; plain HTTP: timeout'],
    ['h.ex', 'dns', 200, 'unreachable dns'],
    ['h.ex:5000', 'refused', 200, 'unreachable refused'],
    ['h.ex:443', 'refused', 200, 'unreachable refused'],
    ['h.ex:5000', 'timeout', 200, 'unreachable timeout'],
    ['h.ex:5000', 'broken', 200, 'http://h.ex:5000 false'],
  ];
  for (const [host, https, http, expected] of cases) {
    it(`is ${expected} for insecure ${host} with HTTPS ${https} and HTTP ${http}`, async () => {
      assert.equal(await setUp({ https, http }).of(host), expected);
    });
  }

  it('is detected once for all requests that need it, and again when it was forgotten', async () => {
    const { of, asked, schemes, endpoint } = setUp({ https: 'notTls', http: 200 });
    await Promise.all([of('h.ex'), of('h.ex')]);
    await of('h.ex');
    assert.deepEqual(asked, ['https://h.ex/v2/ unverified as h.ex', 'http://h.ex/v2/ unverified as h.ex']);
    schemes.forget(endpoint('h.ex'));
    await of('h.ex');
    assert.equal(asked.length, 4);
  });

  it('is detected again after a request waited in vain, and a late result of the first detection counts for nothing', async () => {
    const late = Promise.withResolvers<FaultKind>();
    const answers: { https: number | Promise<FaultKind>; http: number } = { https: late.promise, http: 200 };
    const { schemes, of, endpoint } = setUp(answers);
    const leaves = new AbortController();
    const first = schemes.of(endpoint('h.ex'), { sent() {}, signal: leaves.signal });
    leaves.abort();
    answers.https = 200;
    assert.equal(await of('h.ex'), 'https://h.ex false');
    late.resolve('timeout');
    await first;
    assert.equal(await of('h.ex'), 'https://h.ex false');
  });

  it('is not remembered without an answer', async () => {
    const { of, asked } = setUp({ https: 'dns', http: 'dns' });
    await of('h.ex');
    await of('h.ex');
    assert.equal(asked.length, 2);
  });
});
