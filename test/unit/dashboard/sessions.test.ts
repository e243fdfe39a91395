import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Principal } from '../../../src/access/principal.ts';
import { createSessions } from '../../../src/dashboard/sessions.ts';
import { createManualClock } from '../../support/clock.ts';

const ann: Principal = { kind: 'account', name: 'ann', names: ['ann'] };
const hour = 3_600_000;

function startSessions() {
  const clock = createManualClock();
  const prints = new Map([['ann', 'first password']]);
  const sessions = createSessions({ clock, printOf: ({ name }) => prints.get(name) });
  return { clock, prints, sessions };
}

describe('a session of the dashboard', () => {
  it('belongs to the principal that it began with, until it is ended', () => {
    const { sessions } = startSessions();
    const cookie = sessions.begin(ann);
    assert.deepEqual(sessions.principalOf(cookie), { principal: ann, isFromSocket: false });
    assert.equal(sessions.principalOf(`${cookie}x`), undefined);
    sessions.end(cookie);
    assert.equal(sessions.principalOf(cookie), undefined);
  });

  it('has a secret of 256 bits, another one each time', () => {
    const { sessions } = startSessions();
    const cookies = new Set(Array.from({ length: 50 }, () => sessions.begin(ann)));
    assert.equal(cookies.size, 50);
    for (const cookie of cookies) assert.equal(Buffer.from(cookie, 'base64url').length, 32);
  });

  it('is over after twelve hours', async () => {
    const { sessions, clock } = startSessions();
    const cookie = sessions.begin(ann);
    await clock.advance(12 * hour - 1);
    assert.ok(sessions.principalOf(cookie));
    await clock.advance(1);
    assert.equal(sessions.principalOf(cookie), undefined);
  });

  it('is over when the bearer token of its principal expires', async () => {
    const { sessions, clock } = startSessions();
    const cookie = sessions.begin(ann, clock.now() + hour);
    await clock.advance(hour);
    assert.equal(sessions.principalOf(cookie), undefined);
  });

  it('is over when the password changes, and when the account goes', () => {
    const { sessions, prints } = startSessions();
    const first = sessions.begin(ann);
    prints.set('ann', 'another password');
    assert.equal(sessions.principalOf(first), undefined);
    const second = sessions.begin(ann);
    prints.delete('ann');
    assert.equal(sessions.principalOf(second), undefined);
  });

  it('gives way to a newer one when there are a thousand', () => {
    const { sessions } = startSessions();
    const first = sessions.begin(ann);
    const others = Array.from({ length: 1000 }, () => sessions.begin(ann));
    assert.equal(sessions.principalOf(first), undefined);
    assert.ok(sessions.principalOf(others[0]!));
  });
});

describe('a code of the dashboard', () => {
  it('makes one session that comes from the socket', () => {
    const { sessions } = startSessions();
    const code = sessions.makeCode();
    const cookie = sessions.redeem(code);
    assert.equal(sessions.principalOf(cookie!)?.isFromSocket, true);
    assert.equal(sessions.redeem(code), undefined);
  });

  it('is no cookie itself', () => {
    const { sessions } = startSessions();
    assert.equal(sessions.principalOf(sessions.makeCode()), undefined);
  });

  it('is worth nothing after a minute', async () => {
    const { sessions, clock } = startSessions();
    const code = sessions.makeCode();
    await clock.advance(60_000);
    assert.equal(sessions.redeem(code), undefined);
  });

  it('gives way to a newer one when there are twenty', () => {
    const { sessions } = startSessions();
    const [first = '', ...others] = Array.from({ length: 21 }, () => sessions.makeCode());
    assert.equal(sessions.redeem(first), undefined);
    assert.ok(others.every((code) => sessions.redeem(code) !== undefined));
  });
});
